"""Words for schedules, destinations of files, and what became of deliveries."""

from app.pagekit.languages import lazy_gettext as _

KINDS = {
    "directory": (
        _("Directory"),
        "folder",
        _("On the machine of the service, below the directory that the settings allow."),
    ),
    "s3": (
        _("S3-compatible storage"),
        "bucket",
        _("AWS, MinIO, Aliyun OSS and others: objects in a bucket."),
    ),
    "webhook": (
        _("Signed webhook"),
        "braces",
        _("For your own program: files and manifest by HTTP, signed as Standard Webhooks says."),
    ),
    "mail": (
        _("E-mail"),
        "envelope",
        _("Small files attached, by the mail server of the settings."),
    ),
}
"""Kind of destination: its name, its icon, and what it is."""

DELIVERY_STATES = {
    "pending": (_("waits"), "secondary"),
    "delivered": (_("delivered"), "success"),
    "dead": (_("failed for a day"), "danger"),
    "given_up": (_("given up"), "secondary"),
}
OUTCOMES = {
    "delivered": (_("delivered"), "success"),
    "failed": (_("failed"), "danger"),
    "interrupted": (_("interrupted"), "warning"),
}
"""Of an attempt."""
RUN_STATES = {
    "queued": (_("waiting for a worker"), "secondary"),
    "running": (_("being made"), "primary"),
    "done": (_("made"), "success"),
    "failed": (_("failed"), "danger"),
}
MAKES = {
    "report": _("Report: a saved view"),
    "export": _("Export: a table of the books"),
    "statements": _("Statements of a closed month"),
}
"""What can be scheduled; one without a word here is called by its name."""
EVERY = {
    "day": _("every day, of the day before"),
    "week": _("every week, of the last whole week"),
    "month": _("every month, of the last whole month"),
    "closing": _("after each month is closed"),
}
WEEKDAYS = (
    _("Monday"),
    _("Tuesday"),
    _("Wednesday"),
    _("Thursday"),
    _("Friday"),
    _("Saturday"),
    _("Sunday"),
)
LANGUAGES = {"zh": "中文", "en": "English"}

NAMES = {
    "file_kinds": KINDS,
    "file_states": DELIVERY_STATES,
    "outcomes": OUTCOMES,
    "run_states": RUN_STATES,
    "makes": MAKES,
    "every_words": EVERY,
    "weekdays": WEEKDAYS,
    "file_languages": LANGUAGES,
}
"""What the templates of these pages know."""
