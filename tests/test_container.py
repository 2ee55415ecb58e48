"""The image and the units keep their promises, as far as reading them can tell."""

import re
import tomllib
from pathlib import Path

import pytest
from app.config import Settings

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "Dockerfile").read_text("utf-8")
LINES = [
    line
    for line in re.sub(r"\\\n", " ", TEXT).splitlines()
    if line.strip() and not line.startswith("#")
]
STAGES = re.split(r"(?m)^FROM ", "\n".join(LINES))[1:]
FINAL = STAGES[-1]


def _instruction(name, text=FINAL):
    return [line[len(name) :].strip() for line in text.splitlines() if line.startswith(f"{name} ")]


def test_final_stage_is_slim_and_has_no_build_tools():
    assert len(STAGES) == 2
    assert all(re.match(r"python:3\.\d+-slim\b", stage) for stage in STAGES)
    assert "pip install" not in FINAL
    assert "apt-get" not in FINAL
    assert "pip uninstall" in FINAL
    assert "pip uninstall --yes setuptools pip" in STAGES[0]


def test_every_package_comes_from_the_lock_with_its_hash():
    installs = re.findall(r"pip install[^&\n]*", STAGES[0])
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "requirements.lock" in installs[0]
    assert "--no-deps --no-build-isolation" in " ".join(installs[1].split())


def test_service_runs_as_nobody_special_and_writes_only_its_data():
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", _instruction("USER")[0])
    (data_dir,) = _instruction("VOLUME")
    assert f"SHAREAUTH_SERVICE__DATA_DIR={data_dir}" in FINAL
    assert FINAL.index("VOLUME") > FINAL.index("USER")


def test_signals_reach_the_service():
    assert _instruction("ENTRYPOINT") == ['["shareauth"]']
    assert _instruction("CMD") == ['["serve"]']
    assert _instruction("STOPSIGNAL") == ["SIGTERM"]


def test_health_is_asked_with_what_the_image_has():
    (check,) = _instruction("HEALTHCHECK")
    assert 'CMD ["python", "-c"' in check
    assert "/healthz" in check
    program = re.search(r'"-c", "(.*)"\]', check)[1]
    compile(program, "HEALTHCHECK", "exec")


def test_settings_of_the_image_exist():
    for section, key in re.findall(r"SHAREAUTH_([A-Z]+)__([A-Z_]+)=", TEXT):
        assert key.lower() in type(getattr(Settings(), section.lower())).model_fields


def test_everything_the_image_copies_is_let_through():
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {source for line in _instruction("COPY", STAGES[0]) for source in line.split()[:-1]}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("name", ["deploy/compose.yaml", "deploy/shareauth.service"])
def test_deployments_name_settings_that_exist_and_wait_long_enough(name):
    text = (ROOT / name).read_text("utf-8")
    for section, key in re.findall(r"SHAREAUTH_([A-Z]+)__([A-Z_]+)[:=]", text):
        fields = type(getattr(Settings(), section.lower())).model_fields
        assert key.lower().removesuffix("_file") in fields
    waits_s = int(re.search(r"(?:TimeoutStopSec=|stop_grace_period: )(\d+)", text)[1])
    assert waits_s > Settings().service.graceful_timeout_s


def test_python_of_the_image_is_one_the_project_takes():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    minor = int(re.search(r"python:3\.(\d+)", TEXT)[1])
    assert minor >= int(wanted["requires-python"].removeprefix(">=3."))
