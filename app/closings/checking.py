"""Derive every closing and every statement anew from the ledger, and compare.

What cannot be derived any more is believed, where it still adds up: the names that links had then,
the departments that users were in, and the models of months whose lines lie in archives only.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from app.closings import content, drafting, store
from app.closings.content import Figures, LinkSum, number_of
from app.closings.drafting import Quest, WalletFigures
from app.closings.lookup import frame_of, period_of
from app.closings.models import Closing, FrozenStatement
from app.closings.months import month_text
from app.closings.sums import store as sums
from app.errors import Invalid
from app.ledger.chain import GENESIS
from app.ledger.verify import Finding
from app.money import format_nano
from app.reports.rollup import store as rollup_store

CODES = (
    "closing_chain_broken",
    "closing_differs",
    "statement_missing",
    "statement_differs",
    "statement_numbers_gap",
)
"""Of every finding there is here."""
COMPARE = "Compare closings, statements and ledger with a backup."


@dataclass(slots=True)
class Checked:
    """What was looked at."""

    closings: int = 0
    statements: int = 0
    by_month: dict[int, str] = field(default_factory=dict)
    """The hash that each closing has."""


def verify(
    session: Session,
    *,
    month: int | None = None,
    checked: Checked | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[Finding]:
    """Everything wrong with the closings, or with the one of that month, in one snapshot."""
    checked = checked if checked is not None else Checked()
    sums.take_time(session)
    closings = store.list_all(session)
    archived = frozenset(rollup_store.removed_months(session))
    before: Closing | None = None
    for closing in closings:
        if month in (None, closing.month):
            yield from _verify_link(closing, before)
            yield from _verify_month(session, closing, before, archived, checked, on_step)
            checked.closings += 1
            checked.by_month[closing.month] = closing.hash
        before = closing
    yield from _verify_numbers(session)


def _verify_link(closing: Closing, before: Closing | None) -> Iterator[Finding]:
    where = {"closing": month_text(closing.month)}
    previous = GENESIS if before is None else before.hash
    said = content.read(closing.content)
    follows = before is None or (
        closing.since == before.until
        and closing.after_transaction == before.transaction_id
        and closing.opening == before.closing
    )
    if closing.previous_hash != previous or said.get("previous_hash") != previous or not follows:
        yield Finding(
            "closing_chain_broken",
            f"The closing of {where['closing']} does not follow the one before it. {COMPARE}",
            where,
        )
    if content.hash_of(closing.content.encode()) != closing.hash:
        yield _differs(closing, "its content is not what its hash is of")


def _verify_month(
    session: Session,
    closing: Closing,
    before: Closing | None,
    archived: frozenset[int],
    checked: Checked,
    on_step: Callable[[], None],
) -> Iterator[Finding]:
    quest = _quest(session, closing, before)
    seen = 0
    for after, wallets in drafting.stretches(session):
        on_step()
        derived = drafting.wallets_of(session, quest, wallets, after=after)
        kept = store.statements_of(session, closing.month, [one.user_id for one in wallets])
        for one in derived:
            statement = kept.pop(one.wallet.user_id, None)
            if statement is None:
                yield Finding(
                    "statement_missing",
                    f"{one.wallet.name} has no statement of {quest.frame.month}, though something "
                    f"stood or moved in it. {COMPARE}",
                    {"closing": quest.frame.month, "wallet": one.wallet.name},
                )
                continue
            seen += 1
            if not _is_as_derived(statement, one, quest, are_lines_gone=bool(archived)):
                yield _statement_differs(statement, "is not what the ledger says")
        for statement in kept.values():
            yield _statement_differs(statement, "is of a wallet in which nothing stood or moved")
    yield from _verify_departments(session, closing, quest)
    checked.statements += seen + closing.departments
    yield from _verify_facts(session, closing, quest)


def _quest(session: Session, closing: Closing, before: Closing | None) -> Quest:
    period = period_of(closing)
    return Quest(
        month=closing.month,
        period=period,
        frame=frame_of(closing.month, period, zone=closing.zone, currency=closing.currency),
        late=sums.late_wallets(session, period),
        previous_month=None if before is None else before.month,
    )


def _is_as_derived(
    statement: FrozenStatement, derived: WalletFigures, quest: Quest, *, are_lines_gone: bool
) -> bool:
    try:
        said = content.figures_of(content.read(statement.content))
    except (KeyError, TypeError, ValueError, Invalid):
        return False
    figures = derived.figures
    _believe(figures, said, are_lines_gone=are_lines_gone)
    expected = derived.content(quest.frame, number_of(statement.year, statement.ordinal))
    return _is(statement, expected, figures) and statement.year == quest.month // 100


def _believe(figures: Figures, said: Figures, *, are_lines_gone: bool) -> None:
    """Take from what was stored the links' names, and models whose lines are gone."""
    for link, one in figures.links.items():
        if link in said.links:
            figures.links[link] = LinkSum(said.links[link].name, one.answers, one.charge)
    adds_up = sum(one.charge for one in said.models.values()) == figures.charged
    if are_lines_gone and figures.models != said.models and adds_up:
        figures.models = said.models


def _is(statement: FrozenStatement, expected: bytes, figures: Figures) -> bool:
    columns = (statement.opening, statement.charged, statement.closing)
    return (
        statement.content.encode() == expected
        and statement.hash == content.hash_of(expected)
        and columns == (figures.opening, figures.charged, figures.closing)
    )


def _verify_departments(session: Session, closing: Closing, quest: Quest) -> Iterator[Finding]:
    kept = {
        one.department: one for one in store.iter_statements(session, closing.month, "department")
    }
    name = store.next_department(session, closing.month, after=None)
    while name is not None:
        statement = kept.pop(name, None)
        if statement is None:
            yield Finding(
                "statement_missing",
                f"The department {name} has no statement of {quest.frame.month}. {COMPARE}",
                {"closing": quest.frame.month, "department": name},
            )
        else:
            figures, members = drafting.department(store.iter_members(session, closing.month, name))
            number = number_of(statement.year, statement.ordinal)
            expected = content.of_department(quest.frame, number, name, figures, members)
            if not _is(statement, expected, figures):
                yield _statement_differs(statement, "is not the sum of its members'")
        name = store.next_department(session, closing.month, after=name)
    for statement in kept.values():
        yield _statement_differs(statement, "is of a department without members")


def _verify_facts(session: Session, closing: Closing, quest: Quest) -> Iterator[Finding]:
    """The closing's own sums and digests, from its statements and from the ledger."""
    folded, count, opening, total = GENESIS, 0, 0, 0
    first = last = 0
    for ordinal, _, digest, opens, closes in store.iter_hashes(session, closing.month):
        first, last = first or ordinal, ordinal
        folded = content.fold(folded, digest)
        count += 1
        opening += opens
        total += closes
    heads = hashlib.sha256()
    for name, sequence, digest in sums.iter_heads(session, quest.upto):
        heads.update(f"{name} {sequence} {digest}\n".encode())
    year = closing.month // 100
    facts: dict[str, Any] = {
        "opening": format_nano(opening),
        "closing": format_nano(total),
        "sums": content.sums_document(sums.sums_of_all(session, quest.period)),
        "statements": count,
        "departments": closing.departments,
        "first": number_of(year, first) if count else None,
        "last": number_of(year, last) if count else None,
        "statements_hash": folded,
        "heads": heads.hexdigest(),
        "last_event": closing.event_id,
        "previous_hash": closing.previous_hash,
    }
    if content.of_closing(quest.frame, facts) != closing.content.encode():
        said = content.read(closing.content)
        wrong = sorted(name for name, value in facts.items() if said.get(name) != value)
        yield _differs(closing, f"not what the ledger says: {', '.join(wrong) or 'its period'}")
    columns = (closing.opening, closing.closing, closing.statements, closing.sums)
    if columns != (opening, total, count, facts["sums"]):
        yield _differs(closing, "its row and its content differ")


def _verify_numbers(session: Session) -> Iterator[Finding]:
    for year in store.numbers_by_year(session):
        if year.count != year.last:
            yield Finding(
                "statement_numbers_gap",
                f"The statements of {year.year} are {year.count}, but the last has the number "
                f"{number_of(year.year, year.last)}: some are missing. Restore them from a backup.",
                {"year": year.year, "count": year.count, "last": year.last},
            )


def _differs(closing: Closing, what: str) -> Finding:
    month = month_text(closing.month)
    return Finding(
        "closing_differs",
        f"The closing of {month} does not verify: {what}. {COMPARE}",
        {"closing": month},
    )


def _statement_differs(statement: FrozenStatement, what: str) -> Finding:
    number = number_of(statement.year, statement.ordinal)
    return Finding(
        "statement_differs",
        f"Statement {number} {what}. {COMPARE}",
        {"closing": month_text(statement.month), "statement": number},
    )
