"""A code is redeemed once, by one user, into the books; nobody guesses one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.codes import attempts, commands, notation
from app.codes.attempts import FAILURES_MAX, WINDOW, TooManyAttempts
from app.codes.commands import BatchSpec
from app.codes.models import CodeAttempts, CodeBatch, RedemptionCode
from app.errors import NotFound, ServiceError
from app.funding import changes, redeem
from app.funding.changes import Reversal
from app.funding.redeem import Ask, CodeUnknown
from app.ledger import store as ledger_store
from app.ledger.credit.models import Grant
from app.ledger.models import Account
from app.ledger.transactions import EntryInvalid, Side
from app.statements import verification
from pydantic import ValidationError

from books import NANO, make_users

ACTOR = Actor("alice", "cli")
ZONE = ZoneInfo("Asia/Shanghai")


class Counter:
    """A shop's counter: batches of codes, and users who redeem them."""

    def __init__(self, db, keys, now):
        self.db, self.keys, self.now = db, keys, now
        with db.begin() as session:
            self.users = make_users(session, now, 8)

    def batch(self, name="spring", count=3, **more):
        """A batch and its codes as they are printed."""
        values = {"name": name, "amount": 20 * NANO, "currency": "CNY", "count": count} | more
        with self.db.begin() as session:
            batch = commands.create(
                session, BatchSpec(**values), keys=self.keys, actor=ACTOR, now=self.now
            )
            printable = commands.load_printable(
                session, batch, keys=self.keys, actor=ACTOR, now=self.now
            )
        return batch, [one.text for one in printable]

    def redeem(self, code, user=0, *, after=timedelta(0), currency="CNY"):
        ask = Ask(self.users[user], code, currency, ZONE)
        return redeem.redeem(self.db, ask, keys=self.keys, actor=ACTOR, now=self.now + after)

    def refused(self, code, user=0, **more):
        with pytest.raises(ServiceError) as refused:
            self.redeem(code, user, **more)
        return refused.value.code

    def reverse(self, transaction):
        reversal = Reversal(transaction, "mistake", "reverse", True)
        return changes.reverse(self.db, reversal, actor=ACTOR, now=self.now)

    def verified(self):
        return verification.verify(self.db, zone=ZONE)

    def change(self, verb, batch, **more):
        with self.db.begin() as session:
            getattr(commands, verb)(session, batch, actor=ACTOR, now=self.now, **more)


@pytest.fixture
def counter(db, keys, now):
    return Counter(db, keys, now)


def test_a_code_goes_into_the_wallet_and_the_books_once(counter, db):
    _, (code, *_) = counter.batch()
    first = counter.redeem(code.lower().replace("-", " "))
    again = counter.redeem(code)
    assert (first.amount, first.batch, first.serial) == (20 * NANO, "spring", 1)
    assert (first.funded.balance, first.funded.version) == (20 * NANO, 1)
    assert again == replace(first, funded=replace(first.funded, is_replay=True))
    with db.read() as session:
        number = first.funded.transaction_id
        booked = ledger_store.find_transaction(session, number)
        sides = ledger_store.load_sides(session, [number])[number]
        audit = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "wallets.redeem")
        ).one()
        row = session.scalars(sa.select(RedemptionCode).where(RedemptionCode.serial == 1)).one()
        assert session.scalars(sa.select(CodeAttempts)).one().failures == 0
    assert (booked.kind, booked.reason) == ("redemption", "code 1 of spring")
    assert sides == (Side("wallet:1", 20 * NANO), Side("redemptions", -20 * NANO))
    assert audit.after == {"balance": "20", "transaction": number, "batch": "spring", "serial": 1}
    assert (row.redeemed_by, row.sealed_code) == (counter.users[0], None)
    found = counter.verified()
    assert found.ok, found.findings
    assert found.sums["redemptions"] == -20 * NANO


def test_a_used_code_looks_to_others_like_none(counter):
    _, (code, *_) = counter.batch()
    counter.redeem(code)
    with pytest.raises(CodeUnknown) as used:
        counter.redeem(code, user=1)
    with pytest.raises(CodeUnknown) as unknown:
        counter.redeem(notation.new_code(), user=1)
    assert str(used.value) == str(unknown.value)


def test_each_reason_has_its_code_and_costs_no_attempt(counter, db):
    batch, codes = counter.batch(expires_at=counter.now + timedelta(days=1))
    assert counter.refused(codes[0], after=timedelta(days=1)) == "code_expired"
    assert counter.refused(codes[0], currency="EUR") == "code_wrong_currency"
    assert counter.refused(codes[0][:-1]) == "code_malformed"
    counter.change("set_paused", batch, paused=True)
    assert counter.refused(codes[0]) == "code_paused"
    counter.change("set_paused", batch, paused=False)
    kept = counter.redeem(codes[0])
    counter.change("cancel", batch)
    assert counter.refused(codes[1]) == "code_cancelled"
    # What is redeemed stays so, and its owner is told the same however late they ask again.
    again = counter.redeem(codes[0], after=timedelta(days=2))
    assert again.funded.transaction_id == kept.funded.transaction_id
    with db.read() as session:
        assert session.scalars(sa.select(CodeAttempts)).one().failures == 0


def test_nobody_else_than_a_user_redeems(counter, db, keys, now):
    _, (code, *_) = counter.batch()
    with pytest.raises(NotFound) as nobody:
        redeem.redeem(db, Ask(4711, code, "CNY", ZONE), keys=keys, actor=ACTOR, now=now)
    assert nobody.value.code == "user_not_found"
    assert counter.redeem(code).funded.balance == 20 * NANO


def test_a_batch_may_be_limited_to_so_many_for_each_user(counter):
    _, codes = counter.batch(per_user_max=1)
    _, gifts = counter.batch("gifts")
    counter.redeem(codes[0])
    assert counter.refused(codes[1]) == "code_limit_reached"
    assert counter.redeem(codes[1], user=1).serial == 2
    assert [counter.redeem(code).serial for code in gifts] == [1, 2, 3]


def test_who_guesses_too_much_waits_even_with_a_code_in_hand(counter):
    _, (code, *_) = counter.batch()
    for _ in range(FAILURES_MAX):
        assert counter.refused(notation.new_code()) == "code_unknown"
    with pytest.raises(TooManyAttempts) as refused:
        counter.redeem(code, after=timedelta(minutes=15))
    assert refused.value.retry_after_s == 45 * 60
    assert counter.redeem(code, after=WINDOW).funded.balance == 20 * NANO
    assert counter.refused(notation.new_code(), after=WINDOW) == "code_unknown"


def test_parallel_guesses_are_counted_one_by_one(counter):
    with ThreadPoolExecutor(8) as pool:
        guesses = [notation.new_code() for _ in range(FAILURES_MAX + 6)]
        said = list(pool.map(counter.refused, guesses))
    assert (said.count("code_unknown"), said.count("code_attempts")) == (FAILURES_MAX, 6)


def test_many_threads_on_one_code_make_one_transaction(counter, db):
    _, (code, other, *_) = counter.batch(per_user_max=1)

    def attempt(number):
        try:
            return counter.redeem(code, user=number % 8).funded
        except CodeUnknown:
            return None

    with ThreadPoolExecutor(16) as pool:
        done = [one for one in pool.map(attempt, range(32)) if one is not None]
    assert len({one.transaction_id for one in done}) == 1
    assert [one.is_replay for one in done].count(False) == 1
    assert 1 <= len(done) <= 4
    with db.read() as session:
        balances = session.scalars(sa.select(Account.balance).where(Account.kind == "wallet"))
        assert sum(balances) == 20 * NANO
    winner = counter.users.index(done[0].user_id)
    assert counter.refused(other, user=winner) == "code_limit_reached"
    assert counter.verified().ok


def test_a_batch_is_cancelled_while_its_codes_are_redeemed(counter):
    batch, codes = counter.batch(count=8)

    def attempt(number):
        if number == 4:
            return counter.change("cancel", batch)
        try:
            return counter.redeem(codes[number], user=number).serial
        except ServiceError as refused:
            return refused.code

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(attempt, range(8)))
    assert {one for one in said if isinstance(one, str)} <= {"code_cancelled"}
    assert counter.refused(codes[4]) == "code_cancelled"
    assert counter.verified().sums["redemptions"] == -20 * NANO * sum(
        isinstance(one, int) for one in said
    )


def test_one_user_gets_no_more_than_the_limit_by_hurrying(counter):
    _, codes = counter.batch(count=8, per_user_max=2)

    def attempt(code):
        try:
            return counter.redeem(code).serial
        except ServiceError as refused:
            return refused.code

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(attempt, codes))
    assert said.count("code_limit_reached") == 6


def test_a_redemption_may_be_reversed_and_the_code_stays_used(counter, db, now):
    _, (code, *_) = counter.batch()
    done = counter.redeem(code)
    undo = Reversal(done.funded.transaction_id, "stolen card", "undo")
    assert changes.reverse(db, undo, actor=ACTOR, now=now).balance == 0
    assert counter.redeem(code).funded.balance == 0
    assert counter.verified().ok


TAMPERED = {
    "UPDATE redemption_codes SET redeemed_by = NULL, redeemed_at = NULL, transaction_id = NULL": {
        "redemption_without_code"
    },
    "UPDATE redemption_codes SET redeemed_by = 2 WHERE redeemed_by = 1": {"redemption_differs"},
    "UPDATE code_batches SET amount = 1": {"redemption_differs"},
    "UPDATE redemption_codes SET redeemed_by = 1, redeemed_at = '2026-11-23 04:00:00', "
    "sealed_code = NULL, transaction_id = 999 WHERE serial = 2": {"code_without_transaction"},
}


@pytest.mark.parametrize("statement", TAMPERED)
def test_verification_holds_codes_and_ledger_against_each_other(counter, db, statement):
    _, (code, *_) = counter.batch()
    counter.redeem(code)
    with db.engine.begin() as connection:
        if db.dialect == "sqlite":
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
        connection.exec_driver_sql(statement)
        if db.dialect == "postgresql":
            connection.exec_driver_sql("SET session_replication_role = DEFAULT")
    found = {one.code for one in counter.verified().findings}
    recent = verification.verify(db, zone=ZONE, since=counter.now - timedelta(days=1))
    assert found == TAMPERED[statement]
    assert {one.code for one in recent.findings} == found


def test_the_window_of_attempts_begins_with_its_first(now):
    tried = CodeAttempts(user_id=1, failures=0, window_began_at=now - 10 * WINDOW)
    attempts.count_failure(tried, now)
    assert (tried.failures, tried.window_began_at) == (1, now)
    attempts.count_failure(tried, now + WINDOW - timedelta(seconds=1))
    assert tried.failures == 2
    attempts.count_failure(tried, now + WINDOW)
    assert (tried.failures, tried.window_began_at) == (1, now + WINDOW)


def grants_of(db, user_id):
    with db.read() as session:
        rows = session.scalars(sa.select(Grant).where(Grant.user_id == user_id))
        return [(row.source, row.amount, row.priority, row.expires_at, row.reason) for row in rows]


def test_a_code_may_give_credit_that_is_granted_once(counter, db):
    until = counter.now + timedelta(days=40)
    _, codes = counter.batch(credit={"priority": 7, "expires_at": until}, count=2)
    first = counter.redeem(codes[0])
    again = counter.redeem(codes[0], after=timedelta(days=41))
    assert again == replace(first, funded=replace(first.funded, is_replay=True))
    assert (first.terms.source, first.terms.priority, first.terms.expires_at) == ("code", 7, until)
    assert grants_of(db, 1) == [("code", 20 * NANO, 7, until, "code 1 of spring")]
    with db.read() as session:
        number = first.funded.transaction_id
        booked = ledger_store.find_transaction(session, number)
        sides = ledger_store.load_sides(session, [number])[number]
    assert (booked.kind, booked.idempotency_key) == ("grant", "redeem:1")
    assert sides == (Side("wallet:1", 20 * NANO), Side("promotions", -20 * NANO))
    assert counter.refused(codes[1], after=timedelta(days=40)) == "code_expired"
    with pytest.raises(EntryInvalid, match="not reversed"):
        counter.reverse(number)
    found = counter.verified()
    assert found.ok, found.findings
    assert (found.sums["redemptions"], found.sums["promotions"]) == (0, -20 * NANO)


def test_its_days_are_counted_from_the_day_it_is_redeemed_on(counter, db):
    _, (code, other) = counter.batch(credit={"days": 3}, count=2)  # now is noon of the 23rd
    counter.redeem(code, after=timedelta(hours=11, minutes=59))
    counter.redeem(other, user=1, after=timedelta(hours=12))
    ends = [grants_of(db, user)[0][3].astimezone(ZONE) for user in (1, 2)]
    assert [f"{end:%d %H:%M}" for end in ends] == ["27 00:00", "28 00:00"]
    assert counter.verified().ok


def test_of_two_who_race_for_granted_credit_one_has_it(counter, db):
    _, codes = counter.batch(credit={"priority": 1}, count=4)
    asked = [(code, user) for code in codes for user in (0, 1, 0, 1)]

    def ask(code, user):
        try:
            return counter.redeem(code, user).funded.is_replay
        except CodeUnknown:
            return None

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda one: ask(*one), asked))
    assert said.count(False) == len(codes)
    given = [one for user in (1, 2) for one in grants_of(db, user)]
    assert sorted(one[4] for one in given) == [f"code {n} of spring" for n in (1, 2, 3, 4)]
    assert counter.verified().ok


def test_what_a_batch_says_and_the_books_have_must_agree(counter, db):
    batch, (code,) = counter.batch(credit={"priority": 7}, count=1)
    counter.redeem(code)
    assert counter.verified().ok
    for wrong in (None, 8):
        with db.begin() as session:
            session.get(CodeBatch, batch.id).credit_priority = wrong
        codes = {finding.code for finding in counter.verified().findings}
        assert codes == {"redemption_differs"}
    with db.begin() as session:
        session.get(CodeBatch, batch.id).credit_priority = 7
        session.scalars(sa.select(Grant)).one().source = "operator"
    assert {finding.code for finding in counter.verified().findings} == {"grant_differs"}


def test_credit_that_cannot_be_is_not_promised(counter):
    for wrong in ({"days": 0}, {"days": 1, "expires_at": counter.now}, {"priority": 100}):
        with pytest.raises(ValidationError):
            counter.batch("wrong", credit=wrong)
    with pytest.raises(ServiceError) as over:
        counter.batch("over", credit={"expires_at": counter.now})
    assert over.value.code == "code_credit_over"
