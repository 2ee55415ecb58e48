"""Put what all pages share into the application: static files, templates, languages, formats."""

from flask import Blueprint, Flask
from flask_bootstrap import Bootstrap5

from app.pagekit import formats, languages

site = Blueprint(
    "site",
    __name__,
    static_folder="static",
    static_url_path="/static/site",
    template_folder="templates",
)

STATIC_KEPT_S = 3600


def install(app: Flask) -> None:
    """Bootstrap comes from its package, from this server: nothing is loaded from elsewhere.

    Every surface with pages asks for it; it is done once.
    """
    if site.name in app.blueprints:
        return
    app.config.update(BOOTSTRAP_SERVE_LOCAL=True, SEND_FILE_MAX_AGE_DEFAULT=STATIC_KEPT_S)
    Bootstrap5(app)
    app.register_blueprint(site)
    languages.install(app)
    formats.install(app)
