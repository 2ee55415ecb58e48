"""shareauth: identity, admission and billing for FastGPT share links."""

__version__ = "0.1.0"
