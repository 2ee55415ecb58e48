"""Signing in and out, and what operators do to their own account."""

import segno
from flask import g, redirect, render_template, request, session, url_for
from markupsafe import Markup

from app.admin import access, wording
from app.admin.access import HALF, PUBLIC
from app.admin.pages import fields
from app.admin.pages.section import (
    LOCALE,
    AnyResponse,
    attempt,
    done,
    safe_next,
    section,
    shown_once,
)
from app.admin.resources import account, programs
from app.errors import Forbidden, Unavailable
from app.i18n import LOCALES
from app.operators import second_factor as totp
from app.operators.roles import SELF
from app.pagekit.languages import gettext as _

blueprint = section("account", "")


@blueprint.get("/sign-in")
@access.allow(PUBLIC)
def sign_in() -> AnyResponse | tuple[str, int]:
    desk = access.desk()
    if desk.visitor is not None and desk.visitor.is_complete:
        return redirect(safe_next(request.args.get("next")))
    return door()


@blueprint.post("/sign-in")
@access.allow(PUBLIC)
def do_sign_in() -> AnyResponse | tuple[str, int]:
    name, password = request.form.get("name", ""), request.form.get("password", "")
    target = request.form.get("next")
    try:
        signed_in = account.sign_in(access.desk(), access.client, name, password)
    except (Forbidden, Unavailable) as refusal:
        return door(problem=_told(refusal), status=refusal.status)
    remember(signed_in.secret)
    if not signed_in.session.is_complete:
        return redirect(url_for("account.code", next=target or None), code=303)
    return redirect(safe_next(target), code=303)


@blueprint.get("/sign-in/code")
@access.allow(HALF)
def code() -> str:
    return render_template("account/code.html", next=request.args.get("next", ""))


@blueprint.post("/sign-in/code")
@access.allow(HALF)
def do_code() -> AnyResponse | tuple[str, int]:
    target = request.form.get("next")
    try:
        signed_in = account.sign_in_with_code(
            access.desk(), access.client, request.form.get("code", "")
        )
    except (Forbidden, Unavailable) as refusal:
        page = render_template("account/code.html", next=target, problem=_told(refusal))
        return page, refusal.status
    remember(signed_in.secret)
    return redirect(safe_next(target), code=303)


@blueprint.post("/sign-out")
@access.allow(HALF)
def sign_out() -> AnyResponse:
    method = account.sign_out(access.desk())
    locale = session.get(LOCALE)
    session.clear()
    if locale:
        session[LOCALE] = locale
    return redirect(url_for("account.sign_in", left=method), code=303)


@blueprint.post("/language")
@access.allow(PUBLIC)
def language() -> AnyResponse:
    """Choose the language of the pages, kept in the cookie and in the account."""
    chosen = request.form.get("locale")
    if chosen in LOCALES:
        session[LOCALE] = g.locale = chosen
        account.set_locale(access.desk(), chosen)
    return redirect(safe_next(request.form.get("next")), code=303)


@blueprint.get("/account")
@access.allow(SELF)
def show() -> str:
    desk = access.desk()
    return render_template(
        "account/show.html",
        account=account.show(desk),
        tokens=[one for one in programs.own(desk) if one.is_usable],
    )


@blueprint.get("/account/password")
@access.allow(SELF)
def password() -> str:
    return render_template("account/password.html")


@blueprint.post("/account/password")
@access.allow(SELF)
def change_password() -> AnyResponse:
    def work() -> AnyResponse:
        account.change_password(
            access.desk(),
            old=request.form.get("old", ""),
            new=request.form.get("new", ""),
            again=request.form.get("again", ""),
        )
        return done(_("Your password is changed."), "account.show")

    return attempt(work, password)


@blueprint.get("/account/second-factor")
@access.allow(SELF)
def second_factor() -> str:
    shown = account.enrolment(access.desk())
    picture = None
    if shown.secret is not None:
        address = totp.address(shown.secret, access.desk().caller.name)
        drawn = segno.make(address).svg_inline(scale=5, border=2, svgclass="qr", lineclass=None)
        picture = Markup(drawn)  # noqa: S704 - an SVG made of squares
    return render_template("account/second_factor.html", enrolment=shown, picture=picture)


@blueprint.post("/account/second-factor/begin")
@access.allow(SELF)
def begin_second_factor() -> AnyResponse:
    account.begin_second_factor(access.desk())
    return redirect(url_for("account.second_factor"), code=303)


@blueprint.post("/account/second-factor/confirm")
@access.allow(SELF)
def confirm_second_factor() -> AnyResponse:
    def work() -> AnyResponse:
        codes = account.confirm_second_factor(access.desk(), request.form.get("code", ""))
        return shown_once("account/recovery_codes.html", codes=codes)

    return attempt(work, second_factor)


@blueprint.post("/account/second-factor/remove")
@access.allow(SELF)
def remove_second_factor() -> AnyResponse:
    def work() -> AnyResponse:
        account.remove_second_factor(access.desk(), request.form.get("code", ""))
        return done(_("The second factor is off."), "account.show")

    return attempt(work, second_factor)


@blueprint.post("/account/sessions/end")
@access.allow(SELF)
def end_sessions() -> AnyResponse:
    """End one session, or all but this one."""
    which = fields.optional("session")
    account.end_sessions(access.desk(), int(which) if which and which.isdigit() else None)
    return done(_("Signed out there."), "account.show")


def remember(secret: str) -> None:
    """Put a new session into the cookie; of the old one only the language stays."""
    locale = session.get(LOCALE)
    access.remember(secret)
    if locale:
        session[LOCALE] = locale


def door(problem: str | None = None, status: int = 200) -> tuple[str, int]:
    """The sign-in page, with what is wrong; it is shown whatever is wrong with the database."""
    settings = access.desk().settings
    try:
        has_operators = account.has_operators(access.desk())
    except Unavailable as away:
        has_operators, problem, status = True, problem or wording.told(away), away.status
    page = render_template(
        "account/sign_in.html",
        next=request.values.get("next", ""),
        problem=problem,
        sso=settings.oidc.label if settings.oidc.issuer_url else None,
        has_left_sso=request.args.get("left") == "oidc" and settings.oidc.issuer_url is not None,
        has_operators=has_operators,
    )
    return page, status


def _told(refusal: Forbidden | Unavailable) -> str:
    if isinstance(refusal, Unavailable):
        return wording.told(refusal)
    if refusal.code == "sign_in_throttled":
        minutes = -(-(refusal.retry_after_s or 60) // 60)
        return _("Too many sign-ins failed lately. Try again in %(minutes)s min.", minutes=minutes)
    if request.endpoint == "account.do_code":
        return _("This code is wrong, or it was used already.")
    return _("The name or the password is wrong.")
