"""Words for what the program calls by name: roles, limits, states, and refusals by their code."""

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
    "code_wrong": _("This code is wrong, or it was used already."),
    "second_factor_on": _("A second factor is on: switch it off first."),
    "last_owner": _("This is the last owner: make another operator an owner first."),
    "operator_exists": _("There is an operator of this name already."),
    "plan_exists": _("There is a plan of this name already."),
    "plan_not_found": _("There is no such plan."),
    "destination_exists": _("There is a destination of this name already."),
    "destination_not_found": _("There is no such destination."),
    "destination_invalid": _("A destination of this kind has no such address or secret."),
    "delivery_not_found": _("There is no such message, or no longer."),
    "delivery_pending": _("This message waits to be sent anyway."),
    "alert_not_found": _("There is no such alert, or no longer."),
    "condition_not_found": _("Nothing of this name is watched."),
    "subject_not_found": _("There is no such user or link."),
    "subject_invalid": _("This cannot be watched for a single user or link of that kind."),
    "secret_not_ours": _("Only webhooks have a secret that is made here."),
    "session_not_found": _("There is no such session."),
    "database_away": _("The database does not answer. Try again shortly."),
    "database_busy": _("The database is busy. Try again shortly."),
    "internal_error": _("Something went wrong on our side."),
}
"""Sentences for the codes of errors; a code without one is told in the program's own English."""


def role_name(role: str) -> str:
    return ROLES.get(role, role)


def limit_name(name: str) -> str:
    return LIMITS[name]


def told(error: ServiceError) -> str:
    """What a page says of an error."""
    return str(ERRORS.get(error.code, error.message))


NAMES = {
    "role_name": role_name,
    "limit_name": limit_name,
    "told": told,
    "role_names": ROLES,
    "visitor_limit_names": tuple(VisitorLimits.model_fields),
    "link_limit_names": tuple(LinkLimits.model_fields),
    "guest_limit_names": tuple(GuestLimits.model_fields),
}
"""What every template knows."""
