"""Put the admin into the application."""

from flask import Blueprint, Flask

from app.admin import access, documents, wording
from app.admin.api import exports as api_exports
from app.admin.api import plans as api_plans
from app.admin.api import saved_views as api_saved_views
from app.admin.api import section as api
from app.admin.api import usage as api_usage
from app.admin.api.section import Section
from app.admin.pages import account, exports, overview, plans, usage, views
from app.admin.pages import section as pages
from app.pagekit import installing as pagekit
from app.pagekit import security
from app.runtime import Runtime

API: tuple[Section, ...] = (
    api_plans.section,
    api_usage.section,
    api_saved_views.section,
    api_exports.section,
)
"""Every resource of the JSON API."""

PAGES: tuple[Blueprint, ...] = (
    overview.blueprint,
    account.blueprint,
    plans.blueprint,
    usage.blueprint,
    views.blueprint,
    exports.blueprint,
)
"""Every resource of the console."""

COOKIE = "shareauth_admin"


def install(app: Flask, runtime: Runtime) -> None:
    """Cookies, templates, pages and API."""
    app.secret_key = runtime.keys.cookie_key
    app.session_interface = security.SessionCookies(runtime.settings.service.trusted_proxies)
    app.config.update(
        SESSION_COOKIE_NAME=COOKIE,
        SESSION_COOKIE_PATH="/admin",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_CHECK_DEFAULT=False,  # access.guard does, and knows who came with a token
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
    )
    pagekit.install(app)
    access.csrf.init_app(app)
    app.jinja_env.globals.update(
        may=lambda permission: access.desk().may(permission), **wording.NAMES
    )
    for section in API:
        app.register_blueprint(section.blueprint)
    app.register_blueprint(documents.blueprint(API))
    api.nowhere(app)
    for blueprint in (*PAGES, pages.nowhere()):
        app.register_blueprint(blueprint)
