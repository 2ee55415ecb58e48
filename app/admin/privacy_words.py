"""What the kinds of data are called, why they stay, and what an erasure took."""

from app.pagekit.languages import lazy_gettext as _

KINDS = {
    "usage_events": (
        _("Answers"),
        _("The books. Kept for ever under numbers: what was charged must stay provable."),
    ),
    "usage_lines": (
        _("Usage lines"),
        _("What each node of an answer used. Archived and removed by hand, month by month."),
    ),
    "ledger": (
        _("Ledger"),
        _("The books. Kept for ever: every transaction is chained to the one before."),
    ),
    "audit": (
        _("Audit"),
        _("Kept for ever: who changed what must stay provable. It names no visitor."),
    ),
    "grants": (
        _("Granted credit"),
        _("The books: each is a copy of its transaction, and stays with it."),
    ),
    "closings": (
        _("Closed months"),
        _("Kept for ever: each is chained to the one before, and proves its statements."),
    ),
    "statements": (
        _("Statements"),
        _("Kept for ever under numbers: what was billed must stay provable. They name nobody."),
    ),
    "statement_mails": (
        _("Letters with statements"),
        _("That one went, and when: so none goes twice. Without the address."),
    ),
    "users": (
        _("Users"),
        _("Kept while they have a wallet; the person behind one is erased on request."),
    ),
    "profiles": (
        _("Names and attributes"),
        _("Of users of whom nothing was seen for so long. Their issuer says them anew."),
    ),
    "visitor_sessions": (
        _("Visitors’ sessions"),
        _("After they ended: a late answer is still billed by them."),
    ),
    "tokens": (_("Minted tokens"), _("After they expired or were revoked.")),
    "refusals": (_("Refusals"), _("Why a call was refused, and whose.")),
    "link_calls": (
        _("Calls of links"),
        _("One row for each link and answer, with the last call; it does not grow."),
    ),
    "quarantine": (
        _("Quarantined finishes"),
        _("Sealed: whose they are cannot be told, so they go with their age."),
    ),
    "unfinished": (_("Unfinished questions"), _("Questions whose finish never came.")),
    "jobs": (_("Long work"), _("After it ended; what it did stands in the audit.")),
    "alerts": (_("Alerts"), _("After they were over.")),
    "alert_deliveries": (_("Messages of alerts"), _("After they were sent.")),
    "findings": (_("Findings"), _("After they were found no more.")),
    "schedules": (_("Schedules"), _("Until an operator deletes them.")),
    "deliveries": (
        _("Deliveries"),
        _("After they were over; the files in the outbox go with them."),
    ),
    "schedule_runs": (_("Runs of schedules"), _("After they ended.")),
    "export_files": (
        _("Files of exports"),
        _("On this machine, after they were made; the job stays for longer."),
    ),
    "operator_sessions": (_("Operators’ sessions"), _("At the latest; most end before.")),
    "login_failures": (_("Failed sign-ins"), _("As long as they count against guessing.")),
    "saved_views": (_("Saved views"), _("Until their owner deletes them.")),
    "report_sums": (
        _("Sums of reports"),
        _("Numbers by user, link and model, made of the books; kept with them."),
    ),
}
"""Kind: its name, and why it is kept as long as it is."""

REMOVED = {
    "sessions": _("sessions"),
    "tokens": _("tokens"),
    "refusals": _("refusals"),
    "alerts": _("alerts"),
    "jobs": _("jobs"),
    "saved_views": _("saved views"),
    "deliveries": _("deliveries"),
    "schedules": _("schedules"),
    "statement_mails": _("letters"),
    "usage_segments": _("attributes of answers"),
}
