"""What is handed over names no package registry's host and nobody's machine."""

import re
import subprocess
import tomllib

import pytest
from house_rules import ROOT

HOSTS = ["pypi" + ".org", "python" + "hosted.org", "tsing" + "hua", "aliyun" + ".com"]
PLACES = ["/home" + "/", "/Users" + "/", "/root" + "/", "/opt" + "/wheels", "/opt" + "/pypi"]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def _tracked():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    )
    if listed.returncode != 0:
        pytest.fail("run the tests in a git checkout: " + listed.stderr)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


@pytest.mark.parametrize("word", HOSTS + PLACES)
def test_no_tracked_file_names(word):
    found = [p for p in _tracked() if p.is_file() and word.encode() in p.read_bytes()]
    assert found == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_pinned_by_hash(lock):
    text = (ROOT / lock).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    assert len(lines) > 20
    assert [x for x in lines if not re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", x)] == []


def test_both_locks_pin_the_same_versions():
    run, dev = (_pins(lock) for lock in LOCKS)
    assert {name: pin for name, pin in run.items() if dev.get(name) != pin} == {}


def test_every_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    run, dev = (_pins(lock) for lock in LOCKS)
    assert _wanted(project["dependencies"] + extras["build"]) - set(run) == set()
    assert _wanted(extras["dev"]) - set(dev) == set()


def _pins(lock):
    text = (ROOT / lock).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))


def _wanted(requirements):
    return {re.split(r"[\[<>=; ]", text)[0].lower() for text in requirements}
