"""``python -m app`` is ``shareauth``."""

from app.cli import main

if __name__ == "__main__":
    main(prog_name="shareauth")
