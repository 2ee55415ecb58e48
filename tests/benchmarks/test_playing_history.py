"""The history that is played is one that a service could have had."""

import random
from datetime import timedelta

import history
import history_office as office
from app.cli.session import open_desk
from app.pricing import store


def test_prices_of_the_office_are_in_force_at_every_question_and_after(monkeypatch, tmp_path):
    monkeypatch.setenv("SHAREAUTH_SERVICE__DATA_DIR", str(tmp_path))
    with open_desk() as desk:  # a first start publishes prices of today
        moments = list(history.times(random.Random(1), desk.now, days=2, chats=200))
        office.prepare(desk, history.first_moment(desk.now, days=2))
        with desk.db.read() as session:
            found = {
                moment: store.find_in_force(session, moment)
                for moment in (min(moments), max(moments), desk.now, desk.now + timedelta(days=1))
            }
            assert all(found.values()), found
            assert {store.book_of(one).cost_per_point is not None for one in found.values()} == {
                True
            }
