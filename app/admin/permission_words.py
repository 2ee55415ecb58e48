"""What each permission lets one do, in the language of the page."""

from itertools import groupby

from app.operators.roles import PERMISSIONS as KNOWN
from app.pagekit.languages import lazy_gettext as _

PERMISSIONS = {
    "usage:read": _("See usage, reports and single answers"),
    "refusals:read": _("See who was refused, and why"),
    "users:read": _("See users, their limits and sessions"),
    "users:write": _("Add, change and suspend users; end their sessions"),
    "users:erase": _("Erase a user's personal data"),
    "wallets:read": _("See balances and statements"),
    "wallets:write": _("Top up, adjust, refund, reverse"),
    "links:read": _("See links and what FastGPT sends to them"),
    "links:write": _("Create and change links, rotate their keys, test them"),
    "tokens:check": _("Find out why a token is accepted or refused"),
    "tokens:mint": _("Make visitors' tokens and URLs"),
    "issuers:read": _("See whose word about a visitor is taken"),
    "issuers:write": _("Add and change issuers"),
    "plans:read": _("See plans"),
    "plans:write": _("Add and change plans"),
    "prices:read": _("See price books, preview prices"),
    "prices:write": _("Publish prices, price answers again"),
    "ledger:read": _("See accounts, transactions, proofs"),
    "ledger:verify": _("Check the whole ledger"),
    "codes:read": _("See redemption codes"),
    "codes:write": _("Make, print, pause and cancel redemption codes"),
    "alerts:read": _("See alerts and where they go"),
    "alerts:write": _("Change alerts and where they go"),
    "deliveries:read": _("See schedules, where files go and what was delivered"),
    "deliveries:write": _("Change schedules and where files go; send, retry, give up"),
    "findings:read": _("See what the self-audit found, the spool and the quarantine"),
    "findings:write": _("Resolve quarantined finishes, replay the spool"),
    "jobs:read": _("See long work and its progress"),
    "jobs:write": _("Start and cancel long work"),
    "audit:read": _("See who changed what"),
    "operators:read": _("See operators, their sessions and API tokens"),
    "operators:write": _(
        "Add and change operators, end their sessions, revoke API tokens. Whoever may do this can "
        "become an owner."
    ),
    "settings:read": _("See the effective settings"),
}
AREAS = {
    "usage": _("Usage"),
    "refusals": _("Refusals"),
    "users": _("Users"),
    "wallets": _("Wallets"),
    "links": _("Links"),
    "tokens": _("Visitors' tokens"),
    "issuers": _("Issuers"),
    "plans": _("Plans"),
    "prices": _("Prices"),
    "ledger": _("Ledger"),
    "codes": _("Redemption codes"),
    "alerts": _("Alerts"),
    "deliveries": _("Deliveries"),
    "findings": _("Findings"),
    "jobs": _("Long work"),
    "audit": _("Audit"),
    "operators": _("Operators"),
    "settings": _("Settings"),
}


def areas() -> list[tuple[str, list[str]]]:
    """Every permission under the name of what it is about."""
    grouped = groupby(KNOWN, key=lambda permission: permission.partition(":")[0])
    return [(AREAS.get(area, area), list(permissions)) for area, permissions in grouped]
