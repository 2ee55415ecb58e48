"""Every ``sh`` block of the documentation is run, in order, and says what the page says it says.

The English pages: test_pages.py holds the Chinese ones to the same commands and outputs.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pages
import pytest
from pages import ENGLISH, ROOT, Block

from zygote import NURSERY, Forked

START_TIMEOUT_S = 90
MARK = "== end of block =="
CHATS = 20
"""Enough to be said to work; a reader has more patience than a test suite."""

# Not every machine has curl and openssl; pages use no more of them than this.
PRELUDE = """\
set -euo pipefail
curl() { python "$TESTS/curl.py" "$@"; }
openssl() { python -c 'import secrets; print(secrets.token_hex(32))'; }
"""

SCENES = {
    "README.md": [],
    "docs/fastgpt-setup.md": [],
    "docs/sign-tokens.md": ["links create helpdesk", "users add alice"],
    "docs/limits.md": ["links create support", "users add alice"],
    "docs/how-it-counts.md": [],
    "docs/visitor-page.md": ["users add alice"],
    "docs/alerts.md": [],
    "docs/privacy.md": [],
}
"""What a page takes for granted."""


def _environ(data_dir: Path, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHAREAUTH_")}
    kept.pop("PROMETHEUS_MULTIPROC_DIR", None)
    return {
        **kept,
        "SHAREAUTH_SERVICE__DATA_DIR": str(data_dir),
        "SHAREAUTH_SERVICE__PORT": str(port),
        "SHAREAUTH_SERVICE__WORKERS": "2",
        "TESTS": str(Path(__file__).parent),
        "PATH": os.pathsep.join(
            [str(data_dir.parent / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        ),
        "COLUMNS": "200",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture
def scene(tmp_path):
    """A place like a fresh clone, with nothing started."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "bin").mkdir()
    NURSERY.install(tmp_path / "bin")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return tmp_path, _environ(tmp_path / "d", port)


@pytest.fixture
def served(scene):
    """The same with the service running."""
    place, environ = scene
    log_path = place / "log"
    with log_path.open("wb") as log:
        process = NURSERY.start(["serve"], cwd=place, env=environ, stdout=log, stderr=log)
    try:
        _wait_until_ready(process, environ["SHAREAUTH_SERVICE__PORT"], log_path)
        yield place, environ
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_the_readme_does_what_it_says(served):
    _run("README.md", *served)


@pytest.mark.slow
@pytest.mark.parametrize("page", ENGLISH[1:])
def test_a_guide_does_what_it_says(page, scene):
    _run(page, *scene)


def _run(page: str, place: Path, environ: dict[str, str]) -> None:
    for command in SCENES[page]:
        assert NURSERY.run(command.split(), env=environ).returncode == 0
    shown = pages.blocks(page)
    for block in shown:
        if block.language == "toml" and block.text.startswith("# book.toml\n"):
            (place / "book.toml").write_text(block.text, "utf-8")
    script = [_runnable(block) for block in shown if block.language in ("sh", "python")]
    text = PRELUDE + "".join(f"{one}\necho '{MARK}'\n" for one in script)
    text = re.sub(r"--chats \d+", f"--chats {CHATS}", text)
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=place,
        env=environ,
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    outputs = done.stdout.split(f"{MARK}\n")
    for block, expected in zip(shown, [*shown[1:], None], strict=True):
        if block.language not in ("sh", "python"):
            continue
        output = outputs.pop(0)
        if expected is not None and expected.is_output:
            assert re.search(_pattern(expected.text), output), f"{expected.text}\n\n{output}"


def _runnable(block: Block) -> str:
    if block.language == "sh":
        return block.text
    is_program = "__main__" in block.text  # test_snippets.py runs those
    return ":" if is_program else f"python - <<'END'\n{block.text}END"


def _pattern(expected: str) -> str:
    """``…`` stands for anything in a line, or alone for any lines; spaces are spaces."""
    lines = []
    for line in expected.strip().splitlines():
        words = re.escape(line.strip()).replace("…", "[^\n]*?")
        lines.append("(?s:.*?)" if line.strip() == "…" else re.sub(r"(\\ )+", r"\\s+", words))
    return r"\s*".join(lines)


def _wait_until_ready(process: Forked, port: str, log_path: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        assert process.poll() is None, log_path.read_text("utf-8")
        assert time.monotonic() < deadline, log_path.read_text("utf-8")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
