"""What the side bar of the console lists, for whom, in which order."""

from dataclasses import dataclass

from app.admin.desk import Desk
from app.operators.roles import SELF
from app.pagekit.languages import lazy_gettext as _


@dataclass(frozen=True, slots=True)
class Entry:
    endpoint: str
    label: str
    icon: str
    """A name of bootstrap-icons."""
    permission: str


@dataclass(frozen=True, slots=True)
class Group:
    label: str
    entries: tuple[Entry, ...]


GROUPS: tuple[Group, ...] = (
    Group(
        "",
        (
            Entry("overview.show", _("Overview"), "speedometer2", SELF),
            Entry("usage.explore", _("Usage"), "bar-chart", "usage:read"),
            Entry("exports.index", _("Exports"), "download", "usage:read"),
            Entry("schedules.index", _("Schedules"), "calendar-week", "deliveries:read"),
        ),
    ),
    Group(
        _("Visitors"),
        (
            Entry("users.index", _("Users"), "people", "users:read"),
            Entry("links.index", _("Links"), "link-45deg", "links:read"),
            Entry("refusals.index", _("Refusals"), "sign-stop", "refusals:read"),
            Entry("issuers.index", _("Issuers"), "patch-check", "issuers:read"),
            Entry("tokens.check", _("Visitors’ tokens"), "key", "tokens:check"),
        ),
    ),
    Group(
        _("Money"),
        (
            Entry("plans.index", _("Plans"), "layers", "plans:read"),
            Entry("prices.index", _("Prices"), "tags", "prices:read"),
            Entry("codes.index", _("Redemption codes"), "gift", "codes:read"),
            Entry("grants.index", _("Granted credit"), "stars", "wallets:read"),
            Entry("closings.index", _("Billing periods"), "calendar-check", "ledger:read"),
            Entry("statements.index", _("Statements"), "receipt", "wallets:read"),
            Entry("ledger.index", _("Ledger"), "journal-check", "ledger:read"),
        ),
    ),
    Group(
        _("Watch"),
        (
            Entry("alerts.index", _("Alerts"), "bell", "alerts:read"),
            Entry("self_audit.index", _("Self-audit"), "clipboard-check", "findings:read"),
            Entry("findings.index", _("Findings"), "clipboard-pulse", "findings:read"),
            Entry("jobs.index", _("Long work"), "hourglass-split", "jobs:read"),
            Entry("audit.index", _("Audit"), "journal-text", "audit:read"),
            Entry("privacy.index", _("Data and retention"), "shield-lock", "audit:read"),
        ),
    ),
    Group(
        _("Service"),
        (
            Entry("operators.index", _("Operators"), "person-badge", "operators:read"),
            Entry("settings.index", _("Settings"), "sliders", "settings:read"),
        ),
    ),
)


def shown(desk: Desk) -> list[Group]:
    """The groups and entries that this operator may open."""
    groups = []
    for group in GROUPS:
        entries = tuple(
            entry
            for entry in group.entries
            if entry.permission == SELF or desk.may(entry.permission)
        )
        if entries:
            groups.append(Group(group.label, entries))
    return groups
