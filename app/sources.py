"""Where settings come from: the TOML file, the environment, the files of secrets.

``config`` says what they mean and in which order they count.
"""

import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

PREFIX = "SHAREAUTH_"
CONFIG_VARIABLE = "SHAREAUTH_CONFIG"
TEST_PREFIX = "SHAREAUTH_TEST_"  # the test suite's own, see tests/conftest.py
DEFAULT_CONFIG_FILES = (Path("config.toml"), Path("/etc/shareauth/config.toml"))


def read_file(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    named = environ.get(CONFIG_VARIABLE)
    candidates = [Path(named)] if named else [p for p in DEFAULT_CONFIG_FILES if p.is_file()]
    if not candidates:
        return {}
    try:
        return tomllib.loads(candidates[0].read_text("utf-8"), parse_float=Decimal)
    except (OSError, ValueError) as error:
        problems.append(f"{candidates[0]}: {error}")
        return {}


def overlay_environment(
    values: dict[str, Any], environ: Mapping[str, str], problems: list[str]
) -> None:
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name.startswith(TEST_PREFIX):
            continue
        if name == CONFIG_VARIABLE or not text:
            continue
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        table = values.get(section, {})
        if not key or not isinstance(table, dict):
            problems.append(f"{name}: not a setting; names look like {PREFIX}SECTION__KEY")
            continue
        twin = key.removesuffix("_file") if key.endswith("_file") else f"{key}_file"
        if f"{PREFIX}{section}__{twin}".upper() not in environ:
            table.pop(twin, None)  # the file's way of giving the same secret
        values[section] = {**table, key: text}


def read_secret_files(
    values: dict[str, Any], secrets: Sequence[tuple[str, str]], problems: list[str]
) -> None:
    """Put the content of ``key_file`` in the place of ``key``, for each of these settings."""
    for section, key in secrets:
        table = values.get(section)
        if not isinstance(table, dict) or f"{key}_file" not in table:
            continue
        path = Path(str(table.pop(f"{key}_file")))
        if key in table:
            problems.append(f"{section}.{key}: given twice, once as {key}_file")
            continue
        try:
            table[key] = path.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            problems.append(f"{section}.{key}_file: {error}")


def take_plain_names(values: dict[str, Any], environ: Mapping[str, str]) -> None:
    """What ``make run`` was given by its short names, for the commands in the next terminal.

    Not HOST: shells and compilers set it for reasons of their own.
    """
    service = values.setdefault("service", {})
    if not isinstance(service, dict):
        return
    for name, key in (("PORT", "port"), ("DATA_DIR", "data_dir")):
        if environ.get(name):
            service.setdefault(key, environ[name])
