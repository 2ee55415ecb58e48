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
    "period_invalid": _("The period ends before it begins."),
    "report_too_large": _("That would be too many rows: a larger unit or a shorter period helps."),
    "too_many_buckets": _("That would be too many rows: a larger unit or a shorter period helps."),
    "lines_archived": _("The usage lines of that time lie in archives: put them back first."),
    "event_not_found": _("There is no such answer."),
    "user_not_found": _("There is no such user."),
    "link_not_found": _("There is no such link."),
    "subject_ambiguous": _("Several users are called that: use the uid."),
    "saved_view_not_found": _("There is no such view."),
    "saved_view_exists": _("You have a view of this name already."),
    "saved_views_full": _("You keep as many views as one may: delete some first."),
    "saved_view_not_yours": _("The view is somebody else's: keep it under a name of your own."),
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
