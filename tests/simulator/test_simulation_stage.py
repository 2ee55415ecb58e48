from decimal import Decimal

import pytest
from app.cli import foundation
from app.cli.session import Desk
from app.cli.simulation_stage import CREDIT, NAME, build
from app.config import Service, Settings
from app.ledger import writer
from app.ledger.transactions import Entry
from app.links import store as link_store
from app.pricing import commands as price_commands
from app.pricing.book import PriceBook
from app.pricing.commands import PriceSpec
from app.simulator.books import Booked
from app.simulator.payloads import Rates

from books import make_event


class ListeningGate:
    """Takes what is announced, as Redis would."""

    def __init__(self):
        self.revisions = []
        self.balances = {}

    def announce(self, number):
        self.revisions.append(number)
        return True

    def set_balance(self, user_id, balance, version):
        self.balances[user_id] = (balance, version)
        return True


@pytest.fixture
def desk(db, keys, tmp_path) -> Desk:
    desk = Desk(Settings(service=Service(data_dir=tmp_path, host="0.0.0.0", port=8123)))
    vars(desk).update(db=db, keys=keys, gate=ListeningGate())
    foundation.ensure(db, desk.settings, actor=desk.actor, now=desk.now)
    return desk


def test_visitors_have_tokens_and_credit_that_the_gate_knows_of(desk):
    stage = build(desk, 3)
    assert len({visitor.token for visitor in stage.visitors}) == 3
    assert set(desk.gate.balances.values()) == {(CREDIT, 1)}
    assert desk.gate.revisions
    subjects = [visitor.subject for visitor in stage.visitors]
    assert stage.read_ledger(subjects) == dict.fromkeys(subjects, Booked())


def test_second_run_has_other_visitors_on_the_same_link(desk):
    first, second = build(desk, 2), build(desk, 2)
    assert first.link_key == second.link_key
    assert not set(first.user_ids) & set(second.user_ids)


def test_root_url_is_that_of_this_machine_or_where_one_says(desk):
    stage = build(desk, 1)
    assert stage.root_url(None) == f"http://127.0.0.1:8123/l/{stage.link_key}"
    assert stage.root_url("https://a.example/base/") == f"https://a.example/base/l/{stage.link_key}"
    assert stage.root_url("https://a.example/l/OTHER") == f"https://a.example/l/{stage.link_key}"


def test_ledger_is_read_from_events_and_from_wallets(desk):
    stage = build(desk, 2)
    (spender, user_id), (idle, _) = stage.user_ids.items()
    with desk.db.begin() as session:
        link = link_store.find_by_name(session, NAME)
        wallet = writer.lock_wallet(session, user_id, currency="CNY", now=desk.now)
        for key, points in (("k1", 700), ("k2", 42)):
            event_id = make_event(
                session,
                key=key,
                user_id=user_id,
                link_id=link.id,
                now=desk.now,
                charge=2 * points,
                lines=[("qwen", points)],
            )
            # One less than the event says: the two halves are read apart.
            entry = Entry("charge", -2 * points + 1, "revenue", key, "test", event_id=event_id)
            writer.post(session, wallet, entry, now=desk.now)
    booked = stage.read_ledger([spender, idle])
    assert booked[spender] == Booked(points=742, charge=1484, questions=2, spent=1482)
    assert booked[idle] == Booked()


def test_charge_is_known_when_only_points_have_a_price(desk):
    assert build(desk, 1).rates == Rates(Decimal("0.00001"), Decimal(1))


@pytest.mark.parametrize(
    ("book", "charge_per_point"),
    [
        (PriceBook(per_point=Decimal("0.25")), Decimal("0.25")),
        (PriceBook(per_question=Decimal(1)), None),
        (PriceBook(minimum=Decimal(1)), None),
        (PriceBook(monthly_allowance=Decimal(5)), None),
        (PriceBook.model_validate({"models": [{"pattern": "*"}]}), None),
    ],
)
def test_charge_follows_the_book_in_force(desk, book, charge_per_point):
    with desk.change() as session:
        price_commands.publish(
            session, PriceSpec(book=book), currency="CNY", actor=desk.actor, now=desk.now
        )
    assert build(desk, 1).rates.charge_per_point == charge_per_point
