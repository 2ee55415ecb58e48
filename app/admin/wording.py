"""Words for what the program calls by name: roles, limits, states, and refusals by their code."""

from collections.abc import Iterable

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
KINDS = {
    "charge": _("Charge"),
    "top_up": _("Top-up"),
    "redemption": _("Redeemed code"),
    "grant": _("Granted credit"),
    "expiry": _("Expired credit"),
    "adjustment": _("Adjustment"),
    "refund": _("Refund"),
    "reversal": _("Reversal"),
}
"""Of transactions."""
ACCOUNTS = {
    "revenue": _("Revenue"),
    "funding": _("Payments received"),
    "redemptions": _("Codes redeemed"),
    "adjustments": _("Corrections"),
    "promotions": _("Credit granted"),
    "breakage": _("Granted credit that nobody spent"),
}
"""The house's."""
GRANT_STATES = {
    "in_force": (_("in force"), "success"),
    "used_up": (_("used up"), "secondary"),
    "over": (_("its time is up"), "warning"),
    "expired": (_("expired"), "secondary"),
    "revoked": (_("revoked"), "danger"),
}
SOURCES = {"plan": _("the plan"), "link": _("the link"), "user": _("the user's own")}
"""Where a limit comes from."""
USER_STATES = {
    "active": (_("active"), "success"),
    "suspended": (_("suspended"), "danger"),
    "erased": (_("erased"), "secondary"),
}
ERRORS = {
    "grant_not_found": _("There is no such grant."),
    "gifts_unclear": _(
        "Some lines say nobody, or no amount: nothing was given. Look at them again."
    ),
    "gifts_changed": _("What would be given has changed meanwhile. Look at it again."),
    "gifts_or_plan": _("Give either a list, or a plan and an amount."),
    "gifts_columns": _("The list is no CSV whose first line names the columns subject and amount."),
    "gifts_too_many": _("The list is too long: at most 10,000 lines at a time."),
    "grant_ended": _("This credit has expired already: nothing is left to take back."),
    "grant_used_up": _("All of this credit was spent: nothing is left to take back."),
    "grant_over_already": _("The credit would be over already: choose a later day."),
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
    "price_version_not_found": _("There is no such version of the prices."),
    "currency_mismatch": _("The prices are in another currency than the wallets."),
    "too_late": _("Prices cannot change in the past: choose a time to come."),
    "prices_unchanged": _("The same prices are in force then anyway."),
    "preview_changed": _("It is no longer what the preview showed: look at a new preview."),
    "period_empty": _("The period ends before it begins."),
    "date_invalid": _("This is no date, or no time."),
    "cursor_invalid": _("This page is not part of this list: begin again."),
    "too_many_answers": _("These are too many answers: choose less of them."),
    "no_such_preview": _("That job is no preview, or it is not done yet."),
    "balance_would_be_negative": _("The balance would fall below zero."),
    "already_resolved": _("It was resolved already."),
    "not_in_spool": _("It is not set aside here, or no longer."),
    "response_data_missing": _("Paste a responseData first."),
    "request_malformed": _("This is not JSON that can be read."),
    "link_not_found": _("There is no such link."),
    "user_not_found": _("There is no such user."),
    "subject_ambiguous": _("Several issuers know this subject: use the uid."),
    "link_exists": _("There is a link of this name already."),
    "link_key_missing": _("No key of this link works any more: make a new one."),
    "link_takes_others": _(
        "This link takes no tokens that are minted here: open it as one of your own visitors."
    ),
    "tester_not_free": _("The plan link-test must have the multiplier 0: tests of links are free."),
    "issuer_exists": _("This name, or what iss says, belongs to an issuer already."),
    "issuer_not_found": _("There is no such issuer."),
    "issuer_fixed": _(
        "This issuer is built in, or stands in the settings: it cannot be changed here."
    ),
    "token_not_found": _("There is no such token."),
    "code_batch_not_found": _("There is no such batch of codes."),
    "code_batch_exists": _("There is a batch of this name already."),
    "code_batch_expired": _("The codes would have expired already."),
    "code_batch_cancelled": _("The batch is cancelled, which is for good."),
    "codes_not_printable": _(
        "The codes cannot be shown any more: they were confirmed as printed, or it is too long ago."
    ),
    "code_malformed": _("This is no code, or something in it is mistyped: compare it again."),
    "code_credit_over": _("The credit of the codes would be over already: choose a later day."),
    "code_unknown": _("No code reads like this, or somebody else has redeemed it."),
    "code_expired": _("The code has expired."),
    "code_paused": _("The batch of this code is paused."),
    "code_cancelled": _("The batch of this code was cancelled."),
    "code_wrong_currency": _("The code is worth money of another currency than the wallets hold."),
    "code_limit_reached": _("The user has redeemed as many codes of this batch as one may."),
    "code_attempts": _("This user tried too many codes that do not exist. Try again in an hour."),
    "job_not_found": _("There is no such job."),
    "export_table_not_found": _("Nothing of that name can be exported."),
    "export_format_not_found": _("There is no such format."),
    "export_format_unfit": _("This format cannot say that table; choose another one."),
    "export_filter_unknown": _("This table cannot be filtered like that."),
    "export_too_large": _("It takes longer than anybody waits: make it in the background."),
    "export_elsewhere": _("The files lie on another machine, whose worker made them."),
    "export_unsendable": _("The export cannot be sent: make it again."),
    "export_gone": _("The files are not here any more: make the export again."),
    "books_busy": _("Somebody writes to the books for very long. Try again in a minute."),
    "job_finished": _("The job has ended already."),
    "job_gave_up": _("It was begun several times and got nowhere: the worker's log says more."),
    "closing_not_found": _("This month is not closed."),
    "statement_not_found": _("There is no such statement."),
    "month_invalid": _("This is no month such as 2026-11."),
    "month_closed": _("This month is closed already."),
    "month_not_over": _("The month, or the time of grace after it, is not over."),
    "month_out_of_order": _("Another month comes first: months are closed in their order."),
    "month_typed_otherwise": _("Type the month exactly as it is shown."),
    "closing_under_way": _("A month is being closed already."),
    "closing_obstructed": _("Look at what stands in the way first, or close it all the same."),
    "closing_does_not_add_up": _("Statements and ledger do not agree: verify the ledger."),
    "too_many_statements": _(
        "These are too many statements to derive while you wait: use the command line. Each night "
        "all of them are derived."
    ),
    "mail_not_set_up": _("No mail server is set up: see the settings of mail."),
    "refusal_not_found": _(
        "No refusal has this reference. It may be older than they are kept, one of a flood that is "
        "only counted, or not written yet: try again in a second."
    ),
    "period_too_long": _("The period is too long: choose at most 92 days."),
    "filters_exclude": _("These filters exclude each other."),
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
    "report_too_large": _("That would be too many rows: a larger unit or a shorter period helps."),
    "too_many_buckets": _("That would be too many rows: a larger unit or a shorter period helps."),
    "lines_archived": _("The usage lines of that time lie in archives: put them back first."),
    "event_not_found": _("There is no such answer."),
    "file_destination_not_found": _("There is no such destination."),
    "file_destination_exists": _("There is a destination of this name already."),
    "file_destination_invalid": _("A destination keeps its kind of address, and needs all of it."),
    "file_destination_in_use": _("Schedules send something there: change or remove them first."),
    "file_delivery_not_found": _("There is no such delivery, or no longer."),
    "delivery_under_way": _("It is being sent at this moment."),
    "delivery_not_waiting": _("Only what waits can be given up."),
    "schedule_not_found": _("There is no such schedule."),
    "schedule_exists": _("There is a schedule of this name already."),
    "schedule_run_not_found": _("There is no such run, or no longer."),
    "run_under_way": _("It is being made at this moment."),
    "nothing_closed": _("No month was closed since this schedule was made."),
    "saved_view_not_found": _("There is no such view."),
    "saved_view_exists": _("You have a view of this name already."),
    "saved_views_full": _("You keep as many views as one may: delete some first."),
    "saved_view_not_yours": _("The view is somebody else's: keep it under a name of your own."),
    "user_not_erased": _("This user was not erased."),
    "cursor_unknown": _(
        "The books do not have the row behind which this cursor stands: a backup was put back."
    ),
    "session_not_found": _("There is no such session."),
    "user_exists": _("This subject of this issuer is a user already."),
    "user_erased": _("This user was erased: nothing of them can be changed any more."),
    "transaction_not_found": _("There is no such transaction."),
    "subject_differs": _("What you typed is not the subject of this user."),
    "questions_open": _(
        "Answers for this user are still on their way. Suspend the user, and erase when they are "
        "through."
    ),
    "balance_too_large": _("The balance would be more than the ledger can hold."),
    "idempotency_conflict": _("This form was used for something else: open the page again."),
    "already_reversed": _("This transaction is reversed already."),
    "priced_since": _("The answer was priced again since: reverse that first, newest first."),
    "period_invalid": _("The period ends before it begins."),
    "verification_too_long": _(
        "That is too much to check while you wait. Choose fewer days; every night all of it is "
        "checked."
    ),
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


def kind_name(kind: str) -> str:
    return str(KINDS.get(kind, kind))


def account_name(name: str) -> str:
    return str(ACCOUNTS.get(name, name))


def source_name(source: str | None) -> str:
    return "" if source is None else SOURCES[source]


def pairs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Options of a select that are called what they are."""
    return [(name, name) for name in names]


NAMES = {
    "pairs": pairs,
    "states": lambda: [(state, word) for state, (word, _tone) in USER_STATES.items()],
    "kinds": lambda: list(KINDS.items()),
    "kind_name": kind_name,
    "account_name": account_name,
    "grant_states": GRANT_STATES,
    "source_name": source_name,
    "user_states": USER_STATES,
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
