"""The data directory: private, one secret for ever, one service at a time."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from app import first_start
from app.config import Settings
from app.first_start import DataDirTaken, DataDirUnusable, secret_key


def _settings(data_dir, **service):
    return Settings.model_validate({"service": {"data_dir": data_dir, **service}})


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def _made_by_another_process(data_dir):
    return secret_key(_settings(data_dir))


def test_secret_of_the_settings_is_used_and_nothing_is_written(tmp_path):
    given = "x" * 40
    assert secret_key(_settings(tmp_path / "data", secret_key=given)) == given
    assert not (tmp_path / "data").exists()


def test_missing_secret_is_made_once_and_kept_private(tmp_path):
    data_dir = tmp_path / "a" / "data"
    made = secret_key(_settings(data_dir))
    assert len(made) == 64
    assert secret_key(_settings(data_dir)) == made
    assert _mode(data_dir) == 0o700
    assert _mode(data_dir / "secret_key") == 0o600
    assert [p.name for p in data_dir.iterdir()] == ["secret_key"]


def test_two_directories_have_two_secrets(tmp_path):
    assert secret_key(_settings(tmp_path / "a")) != secret_key(_settings(tmp_path / "b"))


def test_processes_that_start_together_agree_on_one_secret(tmp_path):
    with ProcessPoolExecutor(8, mp_context=get_context("spawn")) as pool:
        found = set(pool.map(_made_by_another_process, [tmp_path / "data"] * 16))
    assert len(found) == 1


def test_secret_that_another_process_wrote_first_is_kept(tmp_path):
    first_start._write_once(tmp_path / "secret_key", "a" * 64)
    first_start._write_once(tmp_path / "secret_key", "b" * 64)
    assert (tmp_path / "secret_key").read_text() == "a" * 64 + "\n"


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 64])
def test_damaged_secret_is_refused_not_replaced(tmp_path, content):
    (tmp_path / "secret_key").write_bytes(content)
    with pytest.raises(DataDirUnusable, match="secret"):
        secret_key(_settings(tmp_path))
    assert (tmp_path / "secret_key").read_bytes() == content


def test_data_dir_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(DataDirUnusable, match="data_dir"):
        secret_key(_settings(tmp_path / "data"))


def test_existing_directory_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o755)
    first_start.prepare(tmp_path)
    assert _mode(tmp_path) == 0o755


def test_second_service_on_a_data_dir_is_refused_and_told_who_has_it(tmp_path):
    with (
        first_start.held(tmp_path),
        pytest.raises(DataDirTaken, match=f"pid {os.getpid()}"),
        first_start.held(tmp_path, patience_s=60),
    ):
        pytest.fail("two services on one directory")
    with first_start.held(tmp_path) as path:
        assert path == tmp_path.resolve()


HOLDER = """
import os, sys, time
from pathlib import Path
from app.first_start import held
with held(Path(sys.argv[1])):
    if len(sys.argv) > 2 and os.fork() == 0:  # a worker with a request in flight
        os.close(1)
        time.sleep(float(sys.argv[2]))
        os._exit(0)
    print("held", flush=True)
    time.sleep(60)
"""


def _start_holder(*arguments):
    command = [sys.executable, "-c", HOLDER, *map(str, arguments)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    return holder


def test_killed_holder_leaves_no_lock_behind(tmp_path):
    holder = _start_holder(tmp_path)
    with pytest.raises(DataDirTaken, match=f"pid {holder.pid}"), first_start.held(tmp_path):
        pytest.fail("two services on one directory")
    holder.kill()
    holder.communicate()
    with first_start.held(tmp_path):
        pass


def test_workers_of_a_killed_holder_are_waited_for(tmp_path):
    holder = _start_holder(tmp_path, 0.5)
    holder.kill()
    holder.communicate()
    with pytest.raises(DataDirTaken), first_start.held(tmp_path):
        pytest.fail("the worker still runs")
    with first_start.held(tmp_path, patience_s=30):
        pass
