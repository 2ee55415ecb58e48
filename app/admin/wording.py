"""Words for what the program calls by name: roles, limits, states, and refusals by their code."""

from app.admin import permission_words
from app.errors import ServiceError
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from app.pagekit.languages import lazy_gettext as _

ROLES = {
    "owner": _("Owner"),
    "operator": _("Operator"),
    "finance": _("Finance"),
    "support": _("Support"),
    "viewer": _("Viewer"),
}
LIMITS = {
    "questions_per_minute": _("Questions a minute"),
    "burst": _("Questions at once"),
    "questions_per_day": _("Questions a day"),
    "points_per_day": _("Points a day"),
    "points_per_month": _("Points a month"),
    "points_total": _("Points in all"),
    "open_questions": _("Open questions"),
}
ERRORS = {
    "not_signed_in": _("Sign in first."),
    "not_allowed": _("Your role does not allow this. Ask an owner for it."),
    "not_found": _("It is not here, or no longer."),
    "csrf_token_invalid": _("The page was open too long: load it again."),
    "changed_meanwhile": _("Somebody changed it since you opened the page: open it again."),
    "password_weak": _("A password has at least 12 characters and is not easy to guess."),
    "password_wrong": _("The present password is wrong."),
    "password_differs": _("The new password was typed differently the second time."),
    "sign_in_throttled": _("Too many attempts failed lately. Try again in a few minutes."),
    "sign_in_busy": _("Too many people sign in at this moment. Try again."),
    "text_unusable": _("A field has a character that cannot be kept."),
    "links_not_held": _("You may not see all of these links."),
    "scope_not_held": _("You may not do all of this yourself."),
    "expires_in_the_past": _("The end lies in the past."),
    "operator_not_found": _("There is no such operator."),
    "operator_links_unknown": _("One of these links is not there any more."),
    "reason_missing": _("Say why: it is kept in the audit."),
    "scopes_missing": _("Tick at least one permission."),
    "oidc_away": _(
        "Your organisation's sign-on does not answer. Try again shortly, or use a password."
    ),
    "oidc_refused": _(
        "Your organisation's sign-on did not let you in, or its answer cannot be trusted. Try "
        "again; if it stays so, ask an owner to look at the log."
    ),
    "oidc_no_role": _(
        "Your organisation knows you, but you are in no group that may use this console. Ask an "
        "owner."
    ),
    "oidc_stale": _("This sign-in was begun too long ago, or in another browser. Begin again."),
    "operator_disabled": _("This operator is disabled. Ask an owner."),
    "api_token_not_found": _("There is no such API token."),
    "code_wrong": _("This code is wrong, or it was used already."),
    "second_factor_on": _("A second factor is on: switch it off first."),
    "last_owner": _("This is the last owner: make another operator an owner first."),
    "operator_exists": _("There is an operator of this name already."),
    "plan_exists": _("There is a plan of this name already."),
    "plan_not_found": _("There is no such plan."),
    "session_not_found": _("There is no such session."),
    "database_away": _("The database does not answer. Try again shortly."),
    "database_busy": _("The database is busy. Try again shortly."),
    "internal_error": _("Something went wrong on our side."),
}
"""Sentences for the codes of errors; a code without one is told in the program's own English."""


def permission_name(permission: str) -> str:
    return permission_words.PERMISSIONS.get(permission, permission)


def role_name(role: str) -> str:
    return ROLES.get(role, role)


def limit_name(name: str) -> str:
    return LIMITS[name]


def told(error: ServiceError) -> str:
    """What a page says of an error."""
    return str(ERRORS.get(error.code, error.message))


NAMES = {
    "role_name": role_name,
    "permission_name": permission_name,
    "permission_areas": permission_words.areas,
    "limit_name": limit_name,
    "told": told,
    "role_names": ROLES,
    "visitor_limit_names": tuple(VisitorLimits.model_fields),
    "link_limit_names": tuple(LinkLimits.model_fields),
    "guest_limit_names": tuple(GuestLimits.model_fields),
}
"""What every template knows."""
