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
    "code_batch_not_found": _("There is no such batch of codes."),
    "code_batch_exists": _("There is a batch of this name already."),
    "code_batch_expired": _("The codes would have expired already."),
    "code_batch_cancelled": _("The batch is cancelled, which is for good."),
    "codes_not_printable": _(
        "The codes cannot be shown any more: they were confirmed as printed, or it is too long ago."
    ),
    "code_malformed": _("This is no code, or something in it is mistyped: compare it again."),
    "code_unknown": _("No code reads like this, or somebody else has redeemed it."),
    "code_expired": _("The code has expired."),
    "code_paused": _("The batch of this code is paused."),
    "code_cancelled": _("The batch of this code was cancelled."),
    "code_wrong_currency": _("The code is worth money of another currency than the wallets hold."),
    "code_limit_reached": _("The user has redeemed as many codes of this batch as one may."),
    "code_attempts": _("This user tried too many codes that do not exist. Try again in an hour."),
    "job_not_found": _("There is no such job."),
    "job_finished": _("The job has ended already."),
    "preview_changed": _("It is no longer what the preview showed: look at a new preview."),
    "job_gave_up": _("It was begun several times and got nowhere: the worker's log says more."),
    "refusal_not_found": _(
        "No refusal has this reference. It may be older than they are kept, one of a flood that is "
        "only counted, or not written yet: try again in a second."
    ),
    "date_invalid": _("This is no date, or no time."),
    "period_invalid": _("The period ends before it begins, or is too long."),
    "filters_exclude": _("These filters exclude each other."),
    "link_not_found": _("There is no such link."),
    "user_not_found": _("There is no such user."),
    "subject_ambiguous": _("Several issuers know this subject: use the uid."),
    "cursor_invalid": _("This page is not part of this list: begin again."),
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
