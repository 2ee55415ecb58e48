"""Put the visitor's page into the application."""

from flask import Flask

from app.pagekit import installing as pagekit
from app.visitor import pages


def install(app: Flask) -> None:
    """Its cookie is its own: the one of the framework belongs to the admin."""
    pagekit.install(app)
    app.register_blueprint(pages.blueprint)
