"""Metrics lie where a full disk does not kill the process that counts."""

import os
import stat

import pytest
from app import config
from app.cli import metrics_home
from app.config import METRICS_VARIABLE


@pytest.fixture(autouse=True)
def memory(tmp_path, monkeypatch):
    """Stands for /dev/shm; and the variable is as before after the test."""
    monkeypatch.setenv(METRICS_VARIABLE, "")
    monkeypatch.setattr(metrics_home, "SHARED_MEMORY", tmp_path / "memory")
    (tmp_path / "memory").mkdir()
    return tmp_path / "memory"


def test_metrics_are_kept_in_memory_and_privately(tmp_path, memory):
    with metrics_home.prepared(tmp_path):
        directory = config.metrics_directory()
        assert directory.parent == memory
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert list(memory.iterdir()) == []


def test_what_a_killed_service_left_is_gone_and_each_has_its_own(tmp_path, memory):
    with metrics_home.prepared(tmp_path):
        (config.metrics_directory() / "counter_1.db").touch()
        os.environ[METRICS_VARIABLE] = ""
        with metrics_home.prepared(tmp_path / "other"):
            os.environ[METRICS_VARIABLE] = ""
            assert len(list(memory.glob("*"))) == 2
            with metrics_home.prepared(tmp_path):
                assert list(memory.glob("*/*.db")) == []


def test_worker_that_leaves_takes_nothing_with_it(tmp_path, memory, monkeypatch):
    with metrics_home.prepared(tmp_path):
        monkeypatch.setattr(os, "getpid", lambda: -1)
    assert len(list(memory.iterdir())) == 1


@pytest.mark.parametrize("what", ["nothing", "no_room", "not_private"])
def test_without_such_a_place_they_are_in_the_data_directory(tmp_path, memory, monkeypatch, what):
    if what == "nothing":
        memory.rmdir()
    elif what == "no_room":
        monkeypatch.setattr(metrics_home, "ROOM_BYTES_MIN", 2**62)
    else:
        with metrics_home.prepared(tmp_path):
            place = config.metrics_directory()
        place.mkdir(mode=0o755)
        os.environ[METRICS_VARIABLE] = ""
    with metrics_home.prepared(tmp_path):
        assert config.metrics_directory() == tmp_path / "metrics"


def test_directory_that_was_given_is_used(tmp_path, memory, monkeypatch):
    monkeypatch.setenv(METRICS_VARIABLE, str(tmp_path / "given"))
    with metrics_home.prepared(tmp_path):
        assert config.metrics_directory() == tmp_path / "given"
    assert (tmp_path / "given").is_dir()
    assert list(memory.iterdir()) == []
