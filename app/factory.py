"""Put the application together: a runtime and the blueprints, nothing else."""

from importlib import import_module

from flask import Flask

from app import web
from app.config import Settings
from app.hooks.routes import hooks
from app.ops import ops
from app.runtime import Runtime

ADMIN, VISITOR = "app.admin.installing", "app.visitor.installing"


def preload(settings: Settings) -> None:
    """Import the pages that are switched on. Call it before the fork, so that workers share them.

    They are half of what there is to import: a service without pages does without them.
    """
    for is_enabled, module in (
        (settings.admin.enabled, ADMIN),
        (settings.visitor.enabled, VISITOR),
    ):
        if is_enabled:
            import_module(module)


def create_app(settings: Settings, runtime: Runtime | None = None) -> Flask:
    """The WSGI application of one worker process. Call it after the fork: it opens connections."""
    app = Flask("shareauth", static_folder=None, static_url_path="/static")
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    runtime = runtime or Runtime.build(settings)
    app.extensions["shareauth"] = runtime
    web.install(app)
    app.register_blueprint(hooks)
    app.register_blueprint(ops)
    if settings.admin.enabled:
        import_module(ADMIN).install(app, runtime)
    if settings.visitor.enabled:
        import_module(VISITOR).install(app)
    return app
