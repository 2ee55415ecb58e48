"""Statements of wallets, added up in slices and blocks, against one transaction after another."""

import gzip
from datetime import timedelta

import pytest
import sqlalchemy as sa
from app.exports import reading, writing
from app.exports.scope import Scope
from app.exports.wallets import store as wallets
from app.exports.wallets.store import KINDS
from app.exports.writing import How
from app.funding import changes
from app.funding.changes import Change
from app.ledger.models import Account, Transaction
from app.money import from_nano
from app.periods import Period, Position

from books import make_users
from export_builders import ACTOR, SINCE, UNTIL, export, order, read_back

DAY = timedelta(days=1)
PERIODS = [
    Period(SINCE, UNTIL),
    Period(SINCE, UNTIL, upto=Position(0, 13)),
    Period(SINCE, UNTIL, upto=Position(0, 17), after=Position(0, 6)),
    Period(SINCE - 99 * DAY, SINCE - 98 * DAY),
    Period(UNTIL + 98 * DAY, UNTIL + 99 * DAY),
]


@pytest.fixture
def books(db, now):
    """Seven wallets, of which one never moved, and 20 transactions that did not come in order."""
    with db.begin() as session:
        make_users(session, now, 7)
    days = [-9, 1, 40, -1, 3, 3, -20, 31, 2, 0, 29, 30, -1, 5, -3, 8, 60, 9, -2, 4]
    for place, day in enumerate(days):
        user = (1, 2, 6, 4, 1, 7, 5, 2)[place % 8]
        change = Change(user, 5_000_000_001 + place, "CNY", "why", f"of {place}")
        work = changes.refund if place in {9, 11, 17} else changes.top_up
        if work is changes.refund:
            changes.top_up(db, change, actor=ACTOR, now=SINCE - 50 * DAY)
            change = Change(user, 1_000_000_000 + place, "CNY", "back", f"back {place}")
        work(db, change, actor=ACTOR, now=SINCE + day * DAY)
    return db


def told_one_by_one(db, period):
    """Name of the wallet, opening, sums by kind, closing."""
    upto = period.upto.transaction_id if period.upto else 10**6
    after = period.after.transaction_id if period.after else 10**6
    with db.read() as session:
        names = dict(session.execute(sa.select(Account.id, Account.name)).all())
        moves = session.scalars(sa.select(Transaction).where(Transaction.id <= upto)).all()
    told = {}
    for one in sorted(moves, key=lambda move: move.wallet_id):
        row = told.setdefault(names[one.wallet_id], [0, dict.fromkeys(KINDS, 0), 0])
        is_late = one.posted_at < period.since and one.id > after
        if is_late or period.since <= one.posted_at < period.until:
            row[1][one.kind] += one.amount
        elif one.posted_at < period.since:
            row[0] += one.amount
    for row in told.values():
        row[2] = row[0] + sum(row[1].values())
    return [
        [from_nano(row[0]), *map(from_nano, row[1].values()), from_nano(row[2])]
        for row in told.values()
    ]


@pytest.mark.parametrize(("block", "piece"), [(1, 1), (2, 3), (100, 100)])
def test_slices_and_blocks_add_up_to_what_is_in_the_books(
    books, tmp_path, monkeypatch, block, piece
):
    monkeypatch.setattr(wallets, "WALLETS", block)
    monkeypatch.setattr(wallets, "SLICE", piece)
    for place, period in enumerate(PERIODS):
        asked = order("statements", scope=Scope(period))
        rows = read_back(
            tmp_path / f"{place}", export(books, asked, tmp_path / f"{place}", How(page=2))
        )
        names = ("opening_balance", *KINDS, "closing_balance")
        assert [[row[name] for name in names] for row in rows] == told_one_by_one(books, period)
        for user in (3, 6):
            mine = order("statements", scope=Scope(period, user_id=user))
            folder = tmp_path / f"{place}-{user}"
            theirs = read_back(folder, export(books, mine, folder))
            assert theirs == [row for row in rows if row["uid"] == f"u_{user - 1}"]


def test_statements_go_on_as_if_they_had_not_been_interrupted(books, tmp_path, monkeypatch):
    """Also as compressed, where the bytes tell how long pages were."""
    monkeypatch.setattr(wallets, "WALLETS", 3)
    monkeypatch.setattr(wallets, "SLICE", 4)
    asked = reading.prepare(books, order("statements", gzip=True))
    made = writing.write(books, asked, tmp_path / "whole", lambda _: {}, How(page=2))
    noted = [None]

    def note(step):
        if step.saved is not None and step.saved != noted[-1]:
            noted.append(step.saved)
            raise KeyboardInterrupt

    for _ in range(9):
        how = How(saved=noted[-1], note=note, note_pages=1, page=2, replaces=True)
        try:
            again = writing.write(books, asked, tmp_path / "torn", lambda _: {}, how)
            break
        except KeyboardInterrupt:
            continue
    assert len(noted) > 3
    assert again == made
    (name,) = (file["name"] for file in made["files"])
    whole = (tmp_path / "whole" / name).read_bytes()
    assert (tmp_path / "torn" / name).read_bytes() == whole
    assert gzip.decompress(whole).count(b"\r\n") == made["rows"] + 1
