"""A command line on a test's own database, with no service and no Redis around."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from app.cli import main
from app.db import Database
from click.testing import CliRunner, Result

SECRET = "a secret that is only good for tests, 32+"


@dataclass
class Shell:
    """Runs ``shareauth`` in this process. Settings come from ``environ`` alone."""

    environ: dict[str, str]

    def run(self, *words: object, exit_code: int = 0) -> Result:
        """Run it; the exit code must be the one given."""
        outer = {name: None for name in os.environ if name.startswith("SHAREAUTH_")}
        runner = CliRunner(env={**outer, **self.environ})
        result = runner.invoke(main, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == exit_code, result.output
        return result

    def json(self, *words: object, exit_code: int = 0) -> Any:
        """The document a command prints with ``--json``."""
        return json.loads(self.run(*words, "--json", exit_code=exit_code).stdout)

    def text(self, *words: object, exit_code: int = 0) -> str:
        """What a person reads."""
        return self.run(*words, exit_code=exit_code).stdout

    def error(self, *words: object, exit_code: int = 1) -> dict[str, str]:
        """The error a failing command prints with ``--json``, on stderr and nowhere else."""
        result = self.run(*words, "--json", exit_code=exit_code)
        assert result.stdout == ""
        return json.loads(result.stderr)["error"]


@pytest.fixture
def make_shell(tmp_path: Path) -> Callable[..., Shell]:
    """A shell with the given settings, such as ``SHAREAUTH_REDIS__URL=…``."""
    empty = tmp_path / "empty.toml"
    empty.touch()

    def make(**settings: str) -> Shell:
        basics = {
            "SHAREAUTH_CONFIG": str(empty),
            "SHAREAUTH_SERVICE__DATA_DIR": str(tmp_path / "data"),
            "SHAREAUTH_SERVICE__PUBLIC_URL": "https://auth.example",
            "SHAREAUTH_SERVICE__SECRET_KEY": SECRET,
        }
        return Shell({**basics, **settings})

    return make


@pytest.fixture
def shell(db: Database, make_shell: Callable[..., Shell]) -> Shell:
    """A shell on the test's database; everything is stopped but that."""
    url = db.url.render_as_string(hide_password=False)
    return make_shell(SHAREAUTH_DATABASE__URL=url)
