"""Whether the machine is too busy to tell a slow Redis from one that is away."""

import os

import pytest
from app.admission import pressure


@pytest.fixture
def loadavg(tmp_path, monkeypatch):
    path = tmp_path / "loadavg"
    monkeypatch.setattr(pressure, "LOADAVG", path)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    return path


@pytest.mark.parametrize(("running", "expected"), [(1, False), (2, False), (3, True)])
def test_more_runnable_threads_than_processors_is_too_many(loadavg, running, expected):
    loadavg.write_text(f"0.00 0.01 0.05 {running}/512 12345\n")
    assert pressure.is_overcommitted() is expected


@pytest.mark.parametrize("text", ["", "0.1 0.2 0.3", "0.1 0.2 0.3 x/1 2"])
@pytest.mark.parametrize(("load", "expected"), [(1.5, False), (2.5, True)])
def test_where_the_system_does_not_say_its_load_must_do(loadavg, monkeypatch, text, load, expected):
    loadavg.write_text(text)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0, 0))
    assert pressure.is_overcommitted() is expected


def test_a_system_that_says_nothing_is_taken_for_idle(loadavg, monkeypatch):
    def unknown():
        raise OSError

    monkeypatch.setattr(os, "getloadavg", unknown)
    assert pressure.is_overcommitted() is False
