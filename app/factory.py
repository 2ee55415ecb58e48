"""Put the application together: a runtime and the blueprints, nothing else."""

from flask import Flask

from app import web
from app.admin import installing as admin
from app.config import Settings
from app.hooks.routes import hooks
from app.ops import ops
from app.runtime import Runtime
from app.visitor import installing as visitor


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
        admin.install(app, runtime)
    if settings.visitor.enabled:
        visitor.install(app)
    return app
