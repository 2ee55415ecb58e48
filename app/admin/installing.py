"""Put the admin into the application."""

from flask import Blueprint, Flask

from app.admin import access, closing_words, documents, door_words, explaining, wording
from app.admin.api import alerts as api_alerts
from app.admin.api import audit as api_audit
from app.admin.api import bulk_credit as api_bulk_credit
from app.admin.api import closings as api_closings
from app.admin.api import codes as api_codes
from app.admin.api import deliveries as api_deliveries
from app.admin.api import exports as api_exports
from app.admin.api import feed as api_feed
from app.admin.api import findings as api_findings
from app.admin.api import grants as api_grants
from app.admin.api import issuers as api_issuers
from app.admin.api import jobs as api_jobs
from app.admin.api import ledger as api_ledger
from app.admin.api import links as api_links
from app.admin.api import operators as api_operators
from app.admin.api import page_links as api_page_links
from app.admin.api import plans as api_plans
from app.admin.api import prices as api_prices
from app.admin.api import privacy as api_privacy
from app.admin.api import programs as api_programs
from app.admin.api import refusals as api_refusals
from app.admin.api import reratings as api_reratings
from app.admin.api import saved_views as api_saved_views
from app.admin.api import section as api
from app.admin.api import self_audit as api_self_audit
from app.admin.api import settings as api_settings
from app.admin.api import signin as api_signin
from app.admin.api import statements as api_statements
from app.admin.api import tokens as api_tokens
from app.admin.api import usage as api_usage
from app.admin.api import users as api_users
from app.admin.api import wallets as api_wallets
from app.admin.api.section import Section
from app.admin.pages import (
    account,
    alert_destinations,
    audit,
    bulk_credit,
    closings,
    codes,
    deliveries,
    destinations,
    exports,
    findings,
    grants,
    issuers,
    jobs,
    ledger,
    links,
    operators,
    overview,
    plans,
    prices,
    privacy,
    programs,
    refusals,
    reratings,
    schedules,
    self_audit,
    settings,
    sso,
    statements,
    tokens,
    usage,
    users,
    views,
    wallets,
)
from app.admin.pages import section as pages
from app.pagekit import installing as pagekit
from app.pagekit import security
from app.runtime import Runtime

API: tuple[Section, ...] = (
    api_signin.section,
    api_usage.section,
    api_exports.section,
    api_feed.section,
    api_saved_views.section,
    api_links.section,
    api_users.section,
    api_wallets.section,
    api_ledger.section,
    api_issuers.section,
    api_tokens.section,
    api_page_links.section,
    api_alerts.section,
    api_audit.section,
    api_closings.section,
    api_statements.section,
    api_codes.section,
    api_deliveries.section,
    api_findings.section,
    api_grants.section,
    api_bulk_credit.section,
    api_jobs.section,
    api_operators.section,
    api_plans.section,
    api_prices.section,
    api_privacy.section,
    api_programs.section,
    api_refusals.section,
    api_reratings.section,
    api_self_audit.section,
    api_settings.section,
)
"""Every resource of the JSON API."""

PAGES: tuple[Blueprint, ...] = (
    account.blueprint,
    alert_destinations.blueprint,
    audit.blueprint,
    closings.blueprint,
    codes.blueprint,
    deliveries.blueprint,
    destinations.blueprint,
    exports.blueprint,
    findings.blueprint,
    grants.blueprint,
    bulk_credit.blueprint,
    issuers.blueprint,
    jobs.blueprint,
    ledger.blueprint,
    links.blueprint,
    operators.blueprint,
    overview.blueprint,
    plans.blueprint,
    prices.blueprint,
    privacy.blueprint,
    programs.blueprint,
    refusals.blueprint,
    reratings.blueprint,
    schedules.blueprint,
    self_audit.blueprint,
    settings.blueprint,
    sso.blueprint,
    statements.blueprint,
    tokens.blueprint,
    usage.blueprint,
    users.blueprint,
    views.blueprint,
    wallets.blueprint,
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
        WTF_CSRF_SSL_STRICT=False,  # it trusts the Host header; access.guard asks Sec-Fetch-Site
    )
    pagekit.install(app)
    access.csrf.init_app(app)
    app.jinja_env.globals.update(
        may=lambda permission: access.desk().may(permission),
        may_open=access.may_open,
        **wording.NAMES,
        **explaining.NAMES,
        **door_words.NAMES,
        **closing_words.NAMES,
    )
    for section in API:
        app.register_blueprint(section.blueprint)
    app.register_blueprint(documents.blueprint(API))
    api.nowhere(app)
    for blueprint in (*PAGES, pages.nowhere()):
        app.register_blueprint(blueprint)
