"""Every column that can tell of a visitor, and what an erasure does to it.

Columns that hold numbers, times and truth values alone tell of nobody but through the number of a
user, which is a pseudonym. All others are here, or their table is in ``ABOUT_NOBODY``; a test
fails for one that is not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Effect = Literal["pseudonymised", "removed", "forgotten", "kept", "ages"]
"""``pseudonymised``: the pseudonym stands there now, or nothing. ``removed``: the row is gone.
``forgotten``: emptied. ``kept``: stays, for the reason given. ``ages``: cannot be found by person,
and goes with its age."""
Why = Literal[
    "is_pseudonym",
    "is_no_person",
    "books",
    "audit",
    "operators_words",
    "about_operators",
    "digest",
    "sealed",
]
WHY: dict[Why, str] = {
    "is_pseudonym": "It is a pseudonym itself: random or derived, and nobody is named by it.",
    "is_no_person": "It names rules, states, models or apps, never a person.",
    "books": "The books are append-only and chained by hashes: to change one row would make every "
    "later proof false. They are kept as commercial law demands, under the pseudonym.",
    "audit": "Who changed what must stay provable. Entries name no subject, name or attribute of a "
    "visitor, only which of them changed.",
    "operators_words": "An operator's own words, which are asked to name nobody.",
    "about_operators": "It is about operators, not visitors.",
    "digest": "A digest or key from which nothing can be read.",
    "sealed": "Encrypted, and whose it is cannot be told without opening it.",
}


@dataclass(frozen=True, slots=True)
class Handling:
    """``why`` is a reason from ``WHY``; None where nothing is left to give one for."""

    effect: Effect
    why: Why | None = None


@dataclass(frozen=True, slots=True)
class Column:
    table: str
    name: str
    handling: Handling


PSEUDONYMISED, REMOVED, FORGOTTEN = (
    Handling("pseudonymised"),
    Handling("removed"),
    Handling("forgotten"),
)


def _kept(why: Why, *columns: str) -> dict[str, Handling]:
    return dict.fromkeys(columns, Handling("kept", why))


TABLES: Mapping[str, Mapping[str, Handling]] = {
    "users": {
        "subject": PSEUDONYMISED,
        "name": FORGOTTEN,
        "locale": FORGOTTEN,
        "attributes": FORGOTTEN,
        **_kept("is_pseudonym", "uid"),
        **_kept("is_no_person", "limits", "status"),
    },
    "visitor_sessions": {"token_digest": REMOVED},
    "tokens": {"digest": REMOVED, "label": REMOVED},
    "revoked_tokens": {
        **_kept("digest", "digest"),
        **_kept("operators_words", "reason"),
    },
    "refusals": {
        "subject": FORGOTTEN,
        "address": FORGOTTEN,
        "called": FORGOTTEN,
        "message": FORGOTTEN,
        "details": FORGOTTEN,
        **_kept("is_pseudonym", "uid", "reference"),
        **_kept("is_no_person", "hook", "code", "issuer"),
    },
    "alerts": {
        "subject_name": PSEUDONYMISED,
        "facts": PSEUDONYMISED,
        **_kept("is_pseudonym", "subject", "open_key"),
        **_kept("is_no_person", "condition", "severity"),
    },
    "alert_deliveries": {
        "payload": PSEUDONYMISED,
        **_kept("is_no_person", "message_id", "event", "status", "lease", "error"),
    },
    "jobs": {
        "parameters": PSEUDONYMISED,
        "saved": PSEUDONYMISED,
        "result": PSEUDONYMISED,
        "message": PSEUDONYMISED,
        **_kept("about_operators", "asked_by"),
        **_kept("is_no_person", "kind", "state", "error_code", "runner"),
    },
    "saved_views": {
        "query": PSEUDONYMISED,
        **_kept("operators_words", "name"),
        **_kept("about_operators", "operator_name"),
        **_kept("is_no_person", "page"),
    },
    "quarantined_finishes": {
        "sealed_body": Handling("ages", "sealed"),
        **_kept("digest", "digest"),
        **_kept("is_pseudonym", "reference"),
        **_kept("is_no_person", "reason"),
        **_kept("operators_words", "resolution"),
    },
    "unfinished_turns": _kept("is_pseudonym", "ticket", "finished_by"),
    "usage_events": {
        **_kept("books", "app_name", "warnings", "arithmetic", "generation", "billed_by"),
        **_kept("is_pseudonym", "reference", "chat_id"),
        **_kept("digest", "idempotency_key", "fingerprint"),
    },
    "usage_lines": _kept("books", "model", "node_kind"),
    "ledger_transactions": {
        **_kept("books", "kind", "reason", "details", "idempotency_key"),
        **_kept("about_operators", "actor"),
        **_kept("digest", "input_hash", "previous_hash", "hash"),
    },
    "ledger_accounts": {
        **_kept("is_pseudonym", "name"),
        **_kept("books", "kind", "currency", "head_hash"),
    },
    "audit_entries": {
        **_kept("audit", "before", "after", "action", "object_type", "object_id"),
        **_kept("operators_words", "reason"),
        **_kept("about_operators", "actor", "source", "address"),
    },
    "grants": _kept("books", "source", "month", "reason", "closed_as"),
    "statements": {
        **_kept("books", "kind", "currency", "content", "department"),
        **_kept("digest", "hash"),
    },
    "statement_mails": {
        "error": FORGOTTEN,
        **_kept("is_no_person", "state"),
        **_kept("about_operators", "sent_by"),
    },
    "schedules": {
        "parameters": PSEUDONYMISED,
        **_kept("operators_words", "name"),
        **_kept("about_operators", "owner"),
        **_kept("is_no_person", "kind", "every", "at", "time_zone", "destination_ids"),
    },
    "schedule_runs": {
        "manifest": PSEUDONYMISED,
        **_kept("about_operators", "asked_by"),
        **_kept("is_no_person", "period", "state", "delivery_ids", "error"),
    },
    "deliveries": {
        "summary": FORGOTTEN,
        "summary_html": FORGOTTEN,
        "manifest": PSEUDONYMISED,
        **_kept("operators_words", "subject"),
        **_kept("about_operators", "asked_by"),
        **_kept("is_no_person", "key", "files", "home", "status", "lease", "error", "place"),
    },
    # But those that people share who are still known: the receipt counts them under what is kept.
    "usage_segments": {"attributes": PSEUDONYMISED, **_kept("digest", "digest")},
    "redemption_codes": _kept("digest", "digest", "sealed_code"),
    "findings": {
        **_kept("is_pseudonym", "ids", "message"),
        **_kept("is_no_person", "code"),
        **_kept("digest", "digest"),
    },
    "link_calls": _kept("is_no_person", "hook", "code", "reference", "address", "called")
    | _kept("is_no_person", "generation"),
}
"""Table: its columns of text, JSON or bytes."""

ABOUT_NOBODY: Mapping[str, Why] = {
    "alert_destinations": "about_operators",
    "alert_rules": "is_pseudonym",
    "allowance_uses": "is_no_person",
    "api_tokens": "about_operators",
    "closing_runs": "operators_words",
    "closings": "operators_words",
    "code_batches": "operators_words",
    "delivery_attempts": "is_no_person",
    "delivery_destinations": "about_operators",
    "finding_runs": "is_no_person",
    "issuers": "about_operators",
    "link_keys": "digest",
    "links": "operators_words",
    "login_failures": "about_operators",
    "operator_sessions": "about_operators",
    "operators": "about_operators",
    "plans": "operators_words",
    "price_versions": "operators_words",
    "prunings": "is_no_person",
    "refusal_counts": "is_no_person",
    "report_positions": "is_no_person",
    "usage_archives": "about_operators",
    "usage_corrections": "is_no_person",
    "usage_names": "is_no_person",
}
"""Tables whose texts tell of no visitor, and why."""


def columns() -> Iterator[Column]:
    """All that are in the register, in its order."""
    for table, handled in TABLES.items():
        for name, handling in handled.items():
            yield Column(table, name, handling)
