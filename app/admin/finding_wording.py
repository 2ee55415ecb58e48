"""Words for what the self-audit finds: for each code what is wrong, and what to do."""

from app.pagekit.languages import lazy_gettext as _

COMPARE = _(
    "Stop publishing prices and topping up, keep the database as it is, and compare it with the "
    "latest backup: somebody or something wrote past the service."
)
COMPARE_EVENT = _(
    "Look at the answer and its charge, and compare both with a backup. A wrong charge is put "
    "right by an adjustment or a reversal, never by changing rows."
)
RERATE = _("Compare with a backup; then price the answers again in a new re-rating.")
CODE = _("Compare with a backup, and pause the batch of the code until it is clear.")
RESTORED = _(
    "If the database was restored from a backup, this is why, and it passes by itself. Otherwise "
    "another service uses the same Redis: give each its own redis.namespace."
)
PARTITION = _("Run `shareauth db upgrade`: it makes partitions and puts lines where they belong.")
SPOOL = _("Look at the spool with `shareauth spool list`, and at the log of `shareauth worker`.")

CLOSING = _(
    "Keep the database as it is, and compare closings, statements and ledger with a backup."
)

WORDS = {
    "sequence_gap": (_("A transaction of a wallet is missing"), COMPARE),
    "chain_broken": (_("A transaction does not follow the one before"), COMPARE),
    "hash_wrong": (_("A transaction was changed afterwards"), COMPARE),
    "balance_wrong": (_("A balance is not the sum of what was booked"), COMPARE),
    "account_differs": (_("A wallet’s row differs from its transactions"), COMPARE),
    "postings_missing": (_("A transaction has no postings"), COMPARE),
    "unbalanced": (_("The postings of a transaction do not add up to zero"), COMPARE),
    "postings_differ": (_("The postings differ from their transaction"), COMPARE),
    "rule_broken": (_("A transaction that the service would never make"), COMPARE),
    "input_hash_wrong": (_("What a transaction was made from was changed"), COMPARE),
    "house_account_missing": (_("An account of the house is missing"), COMPARE),
    "transactions_stray": (_("Transactions that belong to no wallet"), COMPARE),
    "postings_stray": (_("Postings that belong to no transaction"), COMPARE),
    "event_not_charged": (_("An answer without its charge"), COMPARE_EVENT),
    "charge_differs": (_("A charge other than its answer says"), COMPARE_EVENT),
    "charged_to_another": (_("An answer charged to another wallet"), COMPARE_EVENT),
    "charged_at_another_time": (_("A charge of another time than its answer"), COMPARE_EVENT),
    "lines_differ": (_("The lines of an answer do not add up"), COMPARE_EVENT),
    "archive_differs": (
        _("Archived answers differ from the archive’s manifest"),
        _("Check the files with `shareauth archives verify`, and put them back from a copy."),
    ),
    "charge_without_event": (_("A charge without its answer"), COMPARE_EVENT),
    "rerating_without_event": (_("A re-rating of an answer that is not there"), RERATE),
    "rerating_differs": (_("A re-rating differs from its answer"), RERATE),
    "code_without_transaction": (_("A redeemed code without its transaction"), CODE),
    "redemption_without_code": (_("A redemption without its code"), CODE),
    "redemption_differs": (_("A redemption differs from its code"), CODE),
    "grant_differs": (
        _("What is left of a grant differs from the wallet’s transactions"),
        _("The row is a copy: compare the wallet’s transactions with a backup, then set it right."),
    ),
    "expiry_differs": (_("An expiry took something else than was left of its grant"), COMPARE),
    "rollup_differs": (
        _("A daily sum differs from its answers"),
        _("No charge is wrong, but daily figures are: compare the sums with a backup."),
    ),
    "closing_chain_broken": (_("A closed month does not follow the one before"), CLOSING),
    "closing_differs": (_("A closed month differs from the ledger"), CLOSING),
    "statement_missing": (_("A statement is missing"), CLOSING),
    "statement_differs": (_("A statement differs from the ledger"), CLOSING),
    "statement_numbers_gap": (_("Numbers of statements have a gap"), CLOSING),
    "gate_newer": (_("Redis knows more of a wallet than the books"), RESTORED),
    "gate_differs": (_("Redis holds another balance than the books"), RESTORED),
    "gate_stale": (
        _("Redis holds a balance that is too old"),
        _("Check the clock and the memory policy of Redis. Restarting Redis is safe."),
    ),
    "events_unpriced": (
        _("Answers were charged without a price book"),
        _("Publish a price book, then price these answers again in a re-rating."),
    ),
    "turns_unfinished": (
        _("Many questions have no finish"),
        _("Look in the logs of FastGPT and of the proxy whether finishes reach this service."),
    ),
    "quarantine_unresolved": (
        _("A finish could not be recorded, and nobody looked for a day"),
        _("Look at `shareauth quarantine list`, book what it was worth, and resolve it."),
    ),
    "partitions_missing": (_("A month has no partition of its own"), PARTITION),
    "lines_astray": (_("Lines lie in the default partition"), PARTITION),
    "reports_differ": (
        _("Reports differ from the books"),
        _("The books are right: `shareauth usage rebuild` makes the reports’ sums anew."),
    ),
    "reports_behind": (
        _("Reports are behind"),
        _("Is `shareauth worker` running? Its log says why the job follow_usage does not."),
    ),
    "spool_waits": (_("Finishes wait in the spool though the database answers"), SPOOL),
    "spool_aside": (_("Spooled finishes could not be booked"), SPOOL),
}
"""Code: what is wrong, and what to do. Details of each finding are in its message."""

SCOPES = {
    "books": _("All books, every night"),
    "recent": _("What is new, every five minutes"),
}


def words(code: str) -> tuple[str, str]:
    """What is wrong, and what to do; nothing for a code of another version."""
    return WORDS.get(code, ("", ""))
