"""Words for billing periods: what stands in the way of closing a month, and letters' states."""

from app.admin.resources.closings import ObstacleOut
from app.pagekit.languages import lazy_gettext as _

OBSTACLES = {
    "month_not_over": _("The month, or the time of grace after it, is not over."),
    "month_out_of_order": _("Another month comes first: months are closed in their order."),
    "spool_waits": _("Finishes of this month wait in the spool of this machine: %(count)s."),
    "quarantine_unresolved": _(
        "Finishes that could not be recorded, and that nobody has looked at: %(count)s."
    ),
    "reports_behind": _("Reports are behind the books: is a worker running?"),
    "grants_to_expire": _(
        "Granted credit that is over, and whose expiry is not booked yet: %(count)s. A worker does "
        "it within seconds."
    ),
    "findings_open": _("The self-audit has open findings: %(count)s."),
    "turns_unfinished": _(
        "Questions without a finish: %(count)s. What still comes falls into the next month."
    ),
}
MAIL_STATES = {
    "sending": (_("sending"), "secondary"),
    "sent": (_("sent"), "success"),
    "failed": (_("failed"), "danger"),
}


def obstacle_text(obstacle: ObstacleOut) -> str:
    """What stands in the way, in the language of the page."""
    said = OBSTACLES.get(obstacle.code)
    return obstacle.message if said is None else str(said) % {"count": obstacle.count}


NAMES = {"obstacle_text": obstacle_text, "mail_states": MAIL_STATES}
"""What the templates know."""
