import threading

import pytest
from app.admission.breaker import FAILURES_TO_OPEN, Breaker

from valkey_fixtures import wait_until


class Service:
    def __init__(self) -> None:
        self.works = False
        self.events: list[str] = []
        self.probes = 0

    def probe(self) -> bool:
        self.probes += 1
        return self.works


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def breaker(service):
    made = Breaker(
        retry_after_s=0.01,
        probe=service.probe,
        on_open=lambda: service.events.append("opened"),
        on_close=lambda: service.events.append("closed"),
    )
    yield made
    made.stop()


def test_it_opens_after_failures_in_a_row(breaker):
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed()
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open


def test_success_in_between_starts_the_count_again(breaker):
    for _ in range(FAILURES_TO_OPEN * 3):
        breaker.failed()
        breaker.succeeded()
    assert not breaker.is_open


def test_it_closes_when_the_probe_succeeds_and_opens_again(breaker, service):
    for round_number in range(1, 4):
        service.works = False
        breaker.open()
        probes = service.probes
        wait_until(lambda probes=probes: service.probes > probes + 1)
        assert breaker.is_open
        service.works = True
        wait_until(lambda number=round_number: service.events == ["opened", "closed"] * number)
        assert not breaker.is_open


def test_many_failures_at_once_open_it_once(breaker, service):
    threads = [threading.Thread(target=breaker.failed) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert service.events == ["opened"]


def test_probing_goes_on_in_a_process_that_lost_the_thread(breaker, service):
    """As after a fork: the breaker is open and nobody probes."""
    breaker.open()
    lost = breaker._prober
    breaker._stop.set()
    lost.join()
    breaker._stop.clear()
    service.works = True
    assert breaker.is_open
    wait_until(lambda: not breaker.is_open)


def test_stopped_breaker_stays_as_it_is(breaker, service):
    breaker.open()
    breaker.stop()
    service.works = True
    assert breaker.is_open
    assert not breaker._prober.is_alive()
