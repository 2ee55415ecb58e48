"""What all commands share: help, examples, errors, and the reference made of them."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from app.cli import main
from app.cli.frame import Command, Group, Later, Report
from app.cli.reference import render
from click.testing import CliRunner

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def walk(command, path="shareauth"):
    """Every command with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        for below in command.commands.values():
            loaded = below.load() if isinstance(below, Later) else below
            yield from walk(loaded, f"{path} {loaded.name}")


ALL = dict(walk(main))
LEAVES = {path: one for path, one in ALL.items() if not isinstance(one, click.Group)}


@pytest.mark.parametrize("path", ALL)
def test_help_says_what_and_how(path):
    command = ALL[path]

    assert command.help, path
    for parameter in command.params:
        assert (
            parameter.hidden
            if isinstance(parameter, click.Option) and parameter.hidden
            else (parameter.help)
        ), f"{path}: {parameter.name}"


@pytest.mark.parametrize("path", LEAVES)
def test_example_is_a_call_of_the_command(path):
    lines = LEAVES[path].example.splitlines()

    assert any(line.startswith(path) for line in lines)


def test_names_in_the_outermost_list_are_those_of_the_commands():
    for name, later in main.commands.items():
        assert later.load().name == name
        assert later.short_help


def test_reference_is_in_step():
    assert REFERENCE.read_text("utf-8") == render(main), "run: shareauth reference > docs/cli.md"


def test_reference_command_prints_it():
    assert CliRunner().invoke(main, ["reference"]).stdout == render(main)


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from app.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print([m for m in ('sqlalchemy', 'pydantic', 'redis', 'flask', 'rich') "
        "if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_command_that_does_not_exist_is_a_usage_error_with_a_guess():
    result = CliRunner().invoke(main, ["lnks"])

    assert result.exit_code == 2
    assert "links" in result.stderr
    assert "shareauth --help" in result.stderr


def test_errors_are_a_sentence_or_json_on_stderr():
    plain = CliRunner().invoke(main, ["links", "show"])
    asked = CliRunner().invoke(main, ["links", "show", "--json"])

    assert (plain.exit_code, asked.exit_code) == (2, 2)
    assert plain.stdout == asked.stdout == ""
    assert plain.stderr.startswith("Error: ")
    assert json.loads(asked.stderr)["error"]["code"] == "usage"


def test_no_command_shows_the_help():
    result = CliRunner().invoke(main, [])

    assert "Commands:" in result.output
    assert "Example:" in result.output


def test_bug_is_not_dressed_up_as_an_error():
    group = Group("broken")

    @group.command("now")
    def now():
        raise ZeroDivisionError

    assert isinstance(CliRunner().invoke(group, ["now"]).exception, ZeroDivisionError)


def test_report_with_findings_sets_the_exit_code():
    command = Command("look", callback=lambda: Report({"ok": False}, ["bad"], exit_code=1))

    people, programs = CliRunner().invoke(command, []), CliRunner().invoke(command, ["--json"])
    assert (people.exit_code, people.stdout) == (1, "bad\n")
    assert (programs.exit_code, json.loads(programs.stdout)) == (1, {"ok": False})
