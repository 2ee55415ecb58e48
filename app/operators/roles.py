"""What each role may do. A view names one permission; nothing is allowed that is not named here."""

from collections.abc import Iterable
from typing import Literal

PERMISSIONS: dict[str, str] = {
    "usage:read": "See usage, reports and single answers.",
    "refusals:read": "See who was refused, and why.",
    "users:read": "See users, their limits and sessions.",
    "users:write": "Add, change, suspend users; end their sessions.",
    "users:erase": "Erase a user's personal data.",
    "wallets:read": "See balances and statements.",
    "wallets:write": "Top up, adjust, refund, reverse.",
    "links:read": "See links and what FastGPT sends to them.",
    "links:write": "Create and change links, rotate their keys, test them.",
    "tokens:check": "Find out why a token is accepted or refused.",
    "tokens:mint": "Make visitors' tokens and URLs.",
    "issuers:read": "See whose word about a visitor is taken.",
    "issuers:write": "Add and change issuers.",
    "plans:read": "See plans.",
    "plans:write": "Add and change plans.",
    "prices:read": "See price books, preview prices.",
    "prices:write": "Publish prices, price answers again.",
    "ledger:read": "See accounts, transactions, proofs.",
    "ledger:verify": "Check the whole ledger.",
    "codes:read": "See redemption codes.",
    "codes:write": "Make, print, pause and cancel redemption codes.",
    "alerts:read": "See alerts and where they go.",
    "alerts:write": "Change alerts and where they go.",
    "deliveries:read": "See schedules, where files go and what was delivered.",
    "deliveries:write": "Change schedules and where files go; send, retry, give up.",
    "findings:read": "See what the self-audit found, the spool and the quarantine.",
    "findings:write": "Resolve quarantined finishes, replay the spool.",
    "jobs:read": "See long work and its progress.",
    "jobs:write": "Start and cancel long work.",
    "audit:read": "See who changed what.",
    "operators:read": "See operators, their sessions and API tokens.",
    "operators:write": "Add and change operators, end their sessions, revoke API tokens.",
    "settings:read": "See the effective settings.",
}
"""Permission: what it lets one do."""

SELF = "self"
"""What every signed-in operator may do with their own account."""

Role = Literal["owner", "operator", "finance", "support", "viewer"]

_READS = frozenset(name for name in PERMISSIONS if name.endswith(":read"))
_PRIVATE = frozenset({"audit:read", "deliveries:read", "operators:read", "settings:read"})

ROLES: dict[Role, frozenset[str]] = {
    "owner": frozenset(PERMISSIONS),
    "operator": frozenset(PERMISSIONS) - {"operators:write"},
    "finance": (_READS - {"operators:read", "settings:read"})
    | {
        "wallets:write",
        "prices:write",
        "ledger:verify",
        "codes:write",
        "jobs:write",
        "deliveries:write",
    },
    "support": (_READS - _PRIVATE)
    | {
        "users:write",
        "tokens:check",
        "tokens:mint",
    },
    "viewer": _READS - _PRIVATE,
}
"""Role: its permissions. In the order of how much they may."""

LINK_SCOPED = frozenset(
    {
        "usage:read",
        "refusals:read",
        "links:read",
        "links:write",
        "tokens:check",
        "tokens:mint",
    }
)
"""What is left to somebody who may see certain links only: what belongs to one link each. Wallets,
prices and users are shared by all links and are not theirs to see."""


def permissions_of(role: str, *, link_ids: Iterable[int] | None) -> frozenset[str]:
    """What somebody with this role may do, everywhere or on certain links only.

    A role that is not known, because a newer version gave it, may do nothing.
    """
    held = next((held for name, held in ROLES.items() if name == role), frozenset())
    return held if link_ids is None else held & LINK_SCOPED
