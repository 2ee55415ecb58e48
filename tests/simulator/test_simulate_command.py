import json
import re
from functools import partial

import pytest
from app.cli.simulate import simulate
from app.simulator import payloads
from app.simulator.fastgpt import Visitor
from app.simulator.run import run
from click.testing import CliRunner, Result

from fakes.hook_server import HookServer

FAST = ["--chats", "6", "--concurrency", "3", "--wait", "0", "--seed", "5"]


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens.txt"
    path.write_text("# two visitors\nsim-a\n\n sim-b \n")
    return path


def invoke(server: HookServer, tokens, *arguments: str) -> Result:
    with server:
        given = ["--root-url", server.root_url, "--tokens", str(tokens), *FAST, *arguments]
        return CliRunner().invoke(simulate, given)


def test_good_service_passes_and_the_unchecked_ledger_is_said_plainly(tokens):
    server = HookServer()
    result = invoke(server, tokens)
    assert result.exit_code == 0, result.output
    assert "✓ Every answer was one that FastGPT understands." in result.stdout
    assert "NOT checked" in result.stdout
    assert "6 chats of 2 visitors, 3 at a time, seed 5" in result.stderr
    assert {call["token"] for call in server.calls["init"]} <= {"sim-a", "sim-b"}
    for hook in ("init", "start", "finish"):
        assert re.search(rf"^{hook} +\d+ +\d+\.\d", result.stdout, re.MULTILINE)


def test_json_is_one_document_on_stdout(tokens):
    result = invoke(HookServer(), tokens, "--json")
    told = json.loads(result.stdout)
    assert told["ok"] is True
    assert told["ledger"]["checked"] is False
    assert told["chats"] == 6


def test_broken_contract_fails_with_reasons_and_the_seed(tokens):
    def spoil(hook, _, reply):
        return {**reply, "success": "true"} if hook == "start" else reply

    result = invoke(HookServer(spoil=spoil), tokens)
    assert result.exit_code == 1
    assert "success_not_boolean" in result.stdout
    assert "✗ The contract was broken" in result.stdout
    assert "--seed 5" in result.stdout


def test_refusals_alone_fail_and_are_listed_by_code(tokens):
    refusal = {"success": False, "message": "Expired", "code": "token_expired"}
    result = invoke(HookServer(spoil=lambda *_: refusal), tokens)
    assert result.exit_code == 1
    assert re.search(r"init +token_expired +6", result.stdout)
    assert "No question was admitted" in result.stdout


def test_only_chosen_generations_are_played(tokens):
    result = invoke(HookServer(), tokens, "--generation", "G2", "--json")
    shapes = json.loads(result.stdout)["finishes"]["by_shape"]
    assert shapes
    assert all(shape.startswith("G2 ") for shape in shapes)


def test_tokens_without_an_address_are_a_usage_error(tokens):
    result = CliRunner().invoke(simulate, ["--tokens", str(tokens)])
    assert result.exit_code == 2
    assert "--tokens needs --root-url" in result.stderr


def test_file_without_a_token_is_refused(tmp_path):
    empty = tmp_path / "none.txt"
    empty.write_text("# nobody\n")
    result = CliRunner().invoke(
        simulate, ["--root-url", "http://127.0.0.1:9", "--tokens", str(empty)]
    )
    assert result.exit_code == 1
    assert "has no token in it" in str(result.exception)


def test_help_teaches_the_three_hooks_and_every_generation():
    text = " ".join(CliRunner().invoke(simulate, ["--help"]).stdout.split())
    for word in ("init", "start", "finish", "p99", "Exit code 0", *payloads.GENERATIONS):
        assert word in text


def test_ledger_differences_are_shown_visitor_by_visitor(beside):
    result = beside(HookServer(book=lambda number: 2 if number == 1 else 1), "--generation", "G5")
    assert result.exit_code == 1, result.output
    assert "✗ The ledger differs" in result.stdout
    assert "counted twice" in result.stdout


def test_equal_ledger_is_said_to_the_last_unit(beside):
    result = beside(HookServer())
    assert result.exit_code == 0, result.output
    assert "✓ The ledger equals what was sent, to the last unit" in result.stdout


@pytest.fixture
def beside(monkeypatch):
    """Invoke the command as beside a service whose books the given server keeps."""

    def invoke_beside(server: HookServer, *arguments: str) -> Result:
        monkeypatch.setattr("app.cli.simulate.open_desk", FakeDesk)
        monkeypatch.setattr("app.cli.simulate.build", lambda _desk, count: FakeStage(server, count))
        monkeypatch.setattr("app.cli.simulate.run", partial(run, ledger_patience_s=0))
        with server:
            return CliRunner().invoke(simulate, [*FAST, *arguments])

    return invoke_beside


class FakeDesk:
    """Stands for the desk of a service whose books the hook server keeps."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


class FakeStage:
    def __init__(self, server: HookServer, count: int):
        self.server = server
        self.rates = payloads.Rates()
        self.visitors = [Visitor(f"sim-{n}", f"sim-{n}") for n in range(count)]
        self.read_ledger = server.read

    def root_url(self, _base_url):
        return self.server.root_url
