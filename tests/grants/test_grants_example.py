"""The worked example of docs/grants.md, in both languages, is what the books do."""

import re
from datetime import datetime
from pathlib import Path

import pytest
from app.db import Database
from app.ledger.credit.monthly import Monthly, give_monthly
from app.ledger.writer import lock_wallet

from books import NANO
from grants_builders import Purse
from turn_builders import RULES

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROW = re.compile(r"^\| (2026-\d\d-\d\d) \|[^|]*\|" + r" (-?\d+) \|" * 5, re.MULTILINE)


class Example:
    def __init__(self, db: Database) -> None:
        self.begin = datetime(2026, 11, 1, tzinfo=RULES.zone)
        self.purse = Purse(db, self.begin)
        self.purse.shop.publish(per_point="1")
        self.rows: list[tuple[str, int, int, int, int, int]] = []
        self.balance = 0

    def month(self, number: int) -> Monthly:
        ends_at = datetime(2026 + number // 12, number % 12 + 1, 1, tzinfo=RULES.zone)
        plan_id = self.purse.shop.stage.plan_id
        return Monthly(plan_id, "p", 5 * NANO, 50, f"2026-{number:02}", ends_at)

    def give_month(self, number: int, day: int) -> None:
        now = self.purse.at(24 * (day - 1))
        with self.purse.db.begin() as session:
            wallet = lock_wallet(session, self.purse.id(), currency="CNY", now=now)
            give_monthly(session, wallet, self.month(number), now=now)

    def note(self, day: int, balance: int | None = None) -> None:
        """What the books say on that day of November (31 is the first of December)."""
        credit = self.purse.credit()
        left = {"operator": 0, "plan": 0}
        for held in credit.open.values():
            left[held.terms.source] += held.remaining
        said = self.purse.at(24 * (day - 1)).astimezone(RULES.zone).date().isoformat()
        sums = [left["operator"], left["plan"], credit.paid, credit.balance]
        change = credit.balance - self.balance
        self.balance = credit.balance
        self.rows.append((said, *(amount // NANO for amount in [change, *sums])))


def test_the_worked_example_is_what_the_books_do(db: Database):
    if db.dialect != "sqlite":
        pytest.skip("the rules are compared on both elsewhere")
    example = Example(db)
    purse = example.purse
    example.give_month(11, day=3)
    example.note(3)
    purse.change("top_up", 10, after=24 * 3)
    example.note(4)
    purse.grant(4, until=24 * 19, after=24 * 4, priority=10)
    example.note(5)
    first = purse.ask(6, after=24 * 5)
    example.note(6)
    purse.ask(5, after=24 * 7)
    example.note(8)
    purse.reverse(first, after=24 * 8)
    example.note(9)
    purse.expire(24 * 19)
    example.note(20)
    purse.change("refund", 5, after=24 * 20)
    example.note(21)
    purse.expire(24 * 30)
    example.note(31)
    example.give_month(12, day=31)
    example.note(31)
    for page in ("grants.md", "grants.zh-CN.md"):
        stated = [
            (day, *map(int, amounts)) for day, *amounts in ROW.findall((DOCS / page).read_text())
        ]
        assert stated == example.rows, page
    assert purse.shop.stage.findings() == []
