"""Proofs: a stranger can derive the books from one, and the smallest lie in it is found."""

import ast
import hashlib
import json
import shutil
import stat
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from app.audit.journal import Actor
from app.codes import commands as code_commands
from app.codes.commands import BatchSpec
from app.db import Database
from app.errors import Conflict, Unavailable
from app.funding import changes
from app.funding.changes import Change, Reversal
from app.funding.redeem import Ask, redeem
from app.keys import Keys
from app.statements import bundle, proof, verification
from app.turns.settle import settle_turns
from hypothesis import given
from hypothesis import strategies as st

from books import NANO, make_users
from moments import NOW
from turn_builders import RULES, Stage

ACTOR = Actor("olga-the-operator", "cli")
CHECKER = Path(proof.__file__).with_name("check_proof.py")
CODE = compile(CHECKER.read_text("utf-8"), "check.py", "exec")
FILES = {
    "README.md",
    "accounts.jsonl",
    "check.py",
    "events.jsonl",
    "manifest.json",
    "manifest.sha256",
    "transactions.jsonl",
}
JSON_LINES = ("transactions.jsonl", "events.jsonl", "accounts.jsonl")


def redeem_one(db: Database, user_id: int) -> None:
    keys, spec = Keys("k" * 32), BatchSpec(name="spring", amount=3 * NANO, currency="CNY", count=1)
    with db.begin() as session:
        batch = code_commands.create(session, spec, keys=keys, actor=ACTOR, now=NOW)
        (code,) = code_commands.load_printable(session, batch, keys=keys, actor=ACTOR, now=NOW)
    redeem(db, Ask(user_id, code.text, "CNY", RULES.zone), keys=keys, actor=ACTOR, now=NOW)


def make_books(db: Database) -> Stage:
    """Three users: topped up, charged by finishes, refunded, adjusted, reversed, with a code."""
    stage = Stage(db, NOW)
    first, second, _ = stage.user_ids
    for number, user_id in enumerate((first, second)):
        paid = Change(user_id, 10 * NANO, "CNY", "paid by Ms Chen", f"order-{number}")
        changes.top_up(db, paid, actor=ACTOR, now=NOW)
    for number in range(6):
        turn = stage.turn(
            f"run-{number}", number % 2, points=number, received_at=NOW + timedelta(hours=number)
        )
        with db.begin() as session:
            settle_turns(session, [turn], RULES)
    changes.refund(db, Change(first, 5, "CNY", "sorry", "r1"), actor=ACTOR, now=NOW)
    redeem_one(db, second)
    minus = Change(second, -7, "CNY", "counted twice", "a1")
    changes.adjust(db, minus, actor=ACTOR, now=NOW)
    changes.reverse(db, Reversal(1, "bounced", "undo", allow_negative=True), actor=ACTOR, now=NOW)
    return stage


def export(db: Database, place: Path, **options) -> proof.Proof:
    return proof.export(db, place, software="shareauth test", now=NOW, **options)


def wrong(place: Path) -> str | None:
    """What the checker says is wrong, or None when it says ok and ends with 0."""
    argv, sys.argv = sys.argv, ["check.py", str(place)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # a script leaves files to its end
            exec(CODE, {"__name__": "__main__"})
    except SystemExit as ended:
        return str(ended.code)
    except Exception as error:  # noqa: BLE001 - a traceback ends a script with 1, too
        return repr(error)
    finally:
        sys.argv = argv
    return None


def reseal(place: Path) -> None:
    """Make the digests fit again, as somebody would who rewrites a proof."""
    manifest = json.loads((place / "manifest.json").read_bytes())
    for name in manifest["files"]:
        manifest["files"][name] = hashlib.sha256((place / name).read_bytes()).hexdigest()
    text = json.dumps(manifest, indent=2).encode() + b"\n"
    (place / "manifest.json").write_bytes(text)
    noted = f"{hashlib.sha256(text).hexdigest()}  manifest.json\n"
    (place / "manifest.sha256").write_text(noted)


@pytest.fixture(scope="module")
def proven(sqlite_template, tmp_path_factory) -> Path:
    """A proof of books as the service makes them."""
    directory = tmp_path_factory.mktemp("proof")
    path = directory / "books.sqlite3"
    path.write_bytes(sqlite_template.read_bytes())
    db = Database(f"sqlite:///{path}")
    make_books(db)
    export(db, directory / "out", with_words=True)
    db.close()
    return directory / "out"


@pytest.fixture(scope="module")
def copies(proven) -> Iterator[Path]:
    """A place where one copy after the other is changed."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory, "copy")


def copied(proven: Path, place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    return Path(shutil.copytree(proven, place))


@pytest.mark.parametrize("name", ["proof", "proof.zip"])
def test_proof_is_checked_by_python_alone(db, tmp_path, name):
    make_books(db)
    written = export(db, tmp_path / name)
    script = tmp_path / "check.py"
    if name.endswith(".zip"):
        with zipfile.ZipFile(written.place) as archive:
            assert set(archive.namelist()) == FILES
            script.write_bytes(archive.read("check.py"))
    else:
        assert {path.name for path in written.place.iterdir()} == FILES
        script.write_bytes((written.place / "check.py").read_bytes())
    ran = subprocess.run(
        [sys.executable, "-I", "-S", script, written.place],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("ok: ")
    assert written.manifest["heads"] in ran.stdout


def test_totals_and_heads_are_those_of_verify(db, tmp_path):
    make_books(db)
    manifest = export(db, tmp_path / "proof").manifest
    found = verification.verify(db, zone=RULES.zone)
    assert found.ok, found.findings
    assert manifest["heads"] == found.heads
    assert {name: manifest["totals"][name] for name in found.sums} == dict(found.sums)
    kinds = ("charge", "top_up", "redemption", "refund", "adjustment", "reversal")
    assert sum(manifest["totals"][kind] for kind in kinds) == found.transactions == 12
    assert manifest["position"]["transaction"] == 12
    assert (manifest["totals"]["events"], manifest["totals"]["lines"]) == (6, 6)


def test_empty_books_have_a_proof(db, tmp_path):
    assert wrong(export(db, tmp_path / "proof").place) is None


def test_digest_is_of_the_manifest_as_sha256sum_checks_it(db, tmp_path):
    written = export(db, tmp_path / "proof")
    text = (written.place / "manifest.json").read_bytes()
    assert written.digest == hashlib.sha256(text).hexdigest()
    assert (written.place / "manifest.sha256").read_text() == f"{written.digest}  manifest.json\n"


def test_proof_read_in_many_pages_is_the_same(db, tmp_path, monkeypatch):
    make_books(db)
    whole = export(db, tmp_path / "whole")
    for module in ("app.ledger.store", "app.statements.store"):
        monkeypatch.setattr(f"{module}.PAGE_ROWS", 1)
    assert export(db, tmp_path / "paged").digest == whole.digest


def test_proof_names_nobody_unless_it_is_asked_to(db, tmp_path):
    make_books(db)
    names = ["olga", "Chen", "sorry", "order-0", "person-", "portal", "gpt-4o", "demo", "run-0"]
    place = export(db, tmp_path / "proof").place
    told = {path.name: path.read_text("utf-8") for path in place.iterdir()}
    assert [(file, name) for file in JSON_LINES for name in names if name in told[file]] == []
    assert not any(name in told["manifest.json"] for name in names)
    place = export(db, tmp_path / "words", with_words=True).place
    told = (place / "transactions.jsonl").read_text("utf-8")
    assert all(name in told for name in ("olga", "Chen", "sorry", "order-0"))
    assert wrong(place) is None


@given(data=st.data())
def test_any_flipped_byte_of_any_file_is_found(proven, copies, data):
    place = copied(proven, copies)
    path = place / data.draw(st.sampled_from(sorted(FILES)))
    text = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(text)
    assert wrong(place) is not None


def test_an_account_of_the_house_that_nothing_moved_keeps_its_name(db, tmp_path):
    with db.begin() as session:
        (user_id,) = make_users(session, NOW)
    changes.top_up(db, Change(user_id, NANO, "CNY", "paid", "k"), actor=ACTOR, now=NOW)
    place = tmp_path / "proof"
    export(db, place)
    assert wrong(place) is None
    accounts = place / "accounts.jsonl"
    accounts.write_text(accounts.read_text().replace('"redemptions"', '"elsewhere"'))
    reseal(place)
    assert wrong(place) == "wrong: account elsewhere"


UNBOUND = {"price_version", "link", "input_tokens", "output_tokens"} | {
    "embedding_tokens",
    "rerank_tokens",
}
"""Of an event: described, but nothing else in the books says it twice. Its file's digest does."""


def figures(value, path=()) -> Iterator[tuple]:
    """The place of every number and text that something else in a proof depends on."""
    match value:
        case dict():
            for key, part in value.items():
                if key not in UNBOUND:
                    yield from figures(part, (*path, key))
        case list():
            for position, part in enumerate(value):
                yield from figures(part, (*path, position))
        case int() | str():
            yield path


@given(data=st.data())
def test_any_other_figure_is_found_even_when_all_digests_fit_again(proven, copies, data):
    place = copied(proven, copies)
    path = place / data.draw(st.sampled_from(JSON_LINES))
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    at = data.draw(st.integers(0, len(rows) - 1))
    # The row id of a transaction is a label, outside the hash.
    places = list(figures(rows[at]))
    if path.name == "transactions.jsonl":
        places.remove(("id",))
    *outer, last = data.draw(st.sampled_from(places))
    holder = rows[at]
    for key in outer:
        holder = holder[key]
    before = holder[last]
    other = st.integers(-(2**63), 2**63) if isinstance(before, int) else st.text()
    holder[last] = data.draw(other.filter(lambda value: value != before))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    reseal(place)
    assert wrong(place) is not None


@given(data=st.data())
def test_missing_or_repeated_line_is_found_even_when_all_digests_fit_again(proven, copies, data):
    place = copied(proven, copies)
    path = place / data.draw(st.sampled_from(JSON_LINES))
    lines = path.read_bytes().splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at : at + 1] = [] if data.draw(st.booleans()) else [lines[at]] * 2
    path.write_bytes(b"".join(lines))
    reseal(place)
    assert wrong(place) is not None


def test_total_that_is_wrong_is_found_even_when_all_digests_fit_again(proven, tmp_path):
    for name in json.loads((proven / "manifest.json").read_bytes())["totals"]:
        place = copied(proven, tmp_path / "copy")
        manifest = json.loads((place / "manifest.json").read_bytes())
        manifest["totals"][name] += 1
        (place / "manifest.json").write_text(json.dumps(manifest))
        reseal(place)
        assert wrong(place) == "wrong: totals", name


@pytest.mark.parametrize("name", sorted(FILES))
def test_missing_file_is_found(proven, tmp_path, name):
    place = copied(proven, tmp_path / "copy")
    (place / name).unlink()
    assert wrong(place) is not None


def test_wrong_books_are_written_as_they_are_and_found(db, tmp_path):
    make_books(db)
    with db.begin() as session:
        connection = session.connection()
        connection.exec_driver_sql("UPDATE ledger_accounts SET balance = 1 WHERE user_id = 1")
    assert wrong(export(db, tmp_path / "proof").place) == "wrong: account wallet:1"


def test_checker_is_short_and_needs_nothing_of_ours():
    text = CHECKER.read_text("utf-8")
    assert len(text.splitlines()) <= 60
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else _names(node))
    }
    assert imported <= set(sys.stdlib_module_names)


def _names(node: ast.Import) -> list[str]:
    return [alias.name for alias in node.names]


@pytest.mark.parametrize("name", ["proof", "proof.zip"])
def test_what_is_there_already_is_not_touched(db, tmp_path, name):
    export(db, tmp_path / name)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(Conflict, match="exists"):
        export(db, tmp_path / name)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("name", ["proof", "proof.zip"])
def test_proof_is_for_its_owner_only(db, tmp_path, name):
    place = export(db, tmp_path / name).place
    assert stat.S_IMODE(place.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("name", ["proof", "proof.zip"])
def test_proof_that_fails_leaves_nothing_behind(tmp_path, name):
    with pytest.raises(TypeError), bundle.writing(tmp_path / name) as files:
        files.write("a", None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["proof", "proof.zip"])
def test_place_that_cannot_be_written_is_said_in_one_sentence(tmp_path, name):
    with (
        pytest.raises(Unavailable, match="No such file"),
        bundle.writing(tmp_path / "nowhere" / name),
    ):
        pytest.fail("opened")


def test_remains_of_a_killed_export_are_replaced(tmp_path):
    (tmp_path / ".proof.partial").mkdir()
    (tmp_path / ".proof.partial" / "a").write_text("half")
    with bundle.writing(tmp_path / "proof") as files:
        files.write("b", b"whole")
    assert [path.name for path in tmp_path.rglob("*")] == ["proof", "b"]
