"""A wait ends after its time, from outside, and never afterwards."""

import os
import signal
import threading
import time

import pytest
import sqlalchemy as sa
from app.db import Database, DatabaseAway
from app.patience import Patience


@pytest.fixture
def patience():
    made = Patience(0.2)
    yield made
    made.close()


def test_wait_that_takes_too_long_is_given_up_once(patience):
    given_up, calls = threading.Event(), []
    with patience.limit(lambda: (calls.append(1), given_up.set())):
        assert given_up.wait(30)
    assert calls == [1]


def test_waits_are_given_up_in_turn_and_others_left_alone(patience):
    ended = [threading.Event() for _ in range(3)]
    with (
        patience.limit(ended[0].set),
        patience.limit(ended[1].set),
    ):
        with patience.limit(ended[2].set):
            pass
        assert ended[0].wait(30)
        assert ended[1].wait(30)
    assert not ended[2].is_set()


def test_nothing_is_given_up_after_it_ended(patience):
    calls = []
    for _ in range(50):
        with patience.limit(lambda: calls.append(1)):
            pass
    with patience.limit(threading.Event().set):
        time.sleep(0.5)  # the watcher has looked since
    assert calls == []


@pytest.fixture
def impatient(postgres_url):
    db = Database(postgres_url, pool_size=1, transaction_timeout_s=0.5)
    stopped = []
    yield db, stopped
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    db.close()


def stop_backend(session) -> int:
    """The server's process behind the session hangs: its machine answers, it does not."""
    pid = session.scalar(sa.text("SELECT pg_backend_pid()"))
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_server_that_hangs_in_a_transaction_is_away(impatient):
    db, stopped = impatient
    with pytest.raises(DatabaseAway), db.begin() as session:
        ask_a_stopped_server(session, stopped)
    with db.read() as session:
        assert session.scalar(sa.text("SELECT 1")) == 1


def test_pooled_connection_whose_server_hangs_is_replaced(impatient):
    db, stopped = impatient
    with db.read() as session:
        pid = session.scalar(sa.text("SELECT pg_backend_pid()"))
    os.kill(pid, signal.SIGSTOP)
    stopped.append(pid)
    with db.read() as session:
        assert session.scalar(sa.text("SELECT pg_backend_pid()")) != pid


def test_server_that_hangs_while_a_transaction_is_left_is_away(impatient):
    db, stopped = impatient
    with pytest.raises(DatabaseAway), db.begin() as session:
        stopped.append(stop_backend(session))


def ask_a_stopped_server(session, stopped):
    stopped.append(stop_backend(session))
    session.scalar(sa.text("SELECT 1"))
