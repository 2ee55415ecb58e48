"""The rules of the house that the import linter cannot hold, as functions over parsed modules.

Each yields one line per violation: ``app/x.py:12: what is wrong``. test_house_rules.py applies
them to the project and proves on small examples that each can fail.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE_LINES_MAX = 400
TEST_MODULE_LINES_MAX = 700
"""Tests are read a case at a time; tables of cases may be long."""
FUNCTION_LINES_MAX = 60

SURFACES = (
    "app/__main__.py",
    "app/wsgi.py",
    "app/cli/",
    "app/checks/",  # what the command line and the console look at, from where they stand
    "app/server.py",
    "app/factory.py",
    "app/admin/",
    "app/hooks/",
    "app/visitor/",
    "app/ops.py",
    "app/worker.py",
    "app/simulator/",
    "app/web.py",
)
WORKFLOWS = (
    "app/turns/",
    "app/funding/",
    "app/rerating/",
    "app/statements/",
    "app/archives/",
    "app/closings/",
    "app/exports/",
    "app/alarms/",
    "app/deliveries/",
    "app/schedules/",
    "app/backup/",
    "app/background/",
    "app/housekeeping.py",
    "app/people/",
    "app/feed/",
    "app/runtime.py",
)
"""The runtime is none, but reads the revision that it announces."""
DATABASE = (
    "app/chunks.py",
    "app/db.py",
    "app/db_time.py",
    "app/engines.py",
    "app/ids.py",
    "app/schema.py",
    "app/upserts.py",
)
SQL_FILES = ("store.py", "models.py")
SQL_MODULES = (*DATABASE, "app/tables.py", "app/revision.py", "app/leadership.py")
"""leadership.py asks for a lock, which no table holds."""
SQL_FREE = {"exc", "make_url", "URL"}
"""What of SQLAlchemy is no SQL: its errors, and addresses."""

CLOCK_CALLS = {
    "time.time": SURFACES,
    "time.time_ns": SURFACES,
    "datetime.now": SURFACES,
    "datetime.today": (),
    "datetime.utcnow": (),
    "date.today": (),
}
MONOTONIC = {
    "app/admission/redis_gate.py": "time-outs of Redis",
    "app/db.py": "how long a transaction may be tried again",
    "app/embedded.py": "how long the bundled server may take to start and stop",
    "app/operators/provider_http.py": "how long the sign-on provider may take to answer",
    "app/outage.py": "how long a server has been away",
    "app/outbound.py": "how long an answer may take to arrive",
    "app/db_time.py": "how long statements of a request took",
    "app/patience.py": "how long anything may be waited for",
}
"""Where a stopwatch (never the time of day) is read below the surfaces, and what for."""

SHAPELESS_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
LEFT_OVER = ("TO" + "DO", "FIX" + "ME", "XX" + "X")


@dataclass(frozen=True)
class Module:
    """One Python file: its path from the project's root, with ``/``, and what is in it."""

    path: str
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str, text: str) -> "Module":
        return cls(path, text, ast.parse(text))

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path}:{node.lineno}: {what}"


def modules(*roots: str) -> list[Module]:
    """Every Python file under the given directories of the project."""
    found = (path for root in roots for path in sorted((ROOT / root).rglob("*.py")))
    return [Module.of(p.relative_to(ROOT).as_posix(), p.read_text("utf-8")) for p in found]


def transactions_ended(module: Module) -> Iterator[str]:
    """``Database.begin`` commits and rolls back; nobody else does."""
    if module.path in DATABASE:
        return
    for call, name in _method_calls(module):
        if name in {"commit", "rollback"}:
            yield module.at(call, f"{name}() belongs to app/db.py")


def transactions_begun(module: Module) -> Iterator[str]:
    """Only surfaces and workflows open a transaction; what they call takes the session."""
    if module.path.startswith((*SURFACES, *WORKFLOWS, *DATABASE)):
        return
    for call, name in _method_calls(module):
        receiver = _dotted(call.func.value).rsplit(".", 1)[-1].strip("_")
        if name == "begin" or (name == "read" and receiver in {"db", "database"}):
            yield module.at(call, f"{name}() opens a transaction: take a session instead")


def sql_outside_stores(module: Module) -> Iterator[str]:
    """Statements stand in store.py; elsewhere SQLAlchemy is its Session, errors and addresses."""
    if module.path.rsplit("/", 1)[-1] in SQL_FILES or module.path in SQL_MODULES:
        return
    aliases = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            aliases |= {a.asname or a.name for a in node.names if a.name == "sqlalchemy"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            if node.module == "sqlalchemy.exc":
                continue
            for name in sorted({a.name for a in node.names} - {"Session"} - SQL_FREE):
                yield module.at(node, f"{name} of SQLAlchemy: SQL belongs to a store.py")
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute(value=ast.Name(id=alias), attr=name) if alias in aliases:
                if name not in SQL_FREE:
                    yield module.at(node, f"{name} of SQLAlchemy: SQL belongs to a store.py")


def environment_read(module: Module) -> Iterator[str]:
    """Settings come from app/config.py; writing a variable for a child is no reading."""
    if module.path == "app/config.py":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            for alias in node.names:
                if alias.name in {"environ", "getenv", "environb"}:
                    yield module.at(node, f"os.{alias.name}: read settings from app/config.py")
        if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        if _dotted(node) in {"os.environ", "os.getenv", "os.environb"}:
            if _is_written(module.tree, node):
                continue
            yield module.at(node, "the environment is read by app/config.py only")


def clock_read(module: Module) -> Iterator[str]:
    """``now`` is made at the surface and handed down."""
    for call, _ in _method_calls(module):
        name = _dotted(call.func)
        for clock, allowed in CLOCK_CALLS.items():
            if f".{name}".endswith(f".{clock}") and not module.path.startswith(tuple(allowed)):
                yield module.at(call, f"{name}(): take `now` as an argument")
        is_stopwatch = name in {"time.monotonic", "time.perf_counter", "time.monotonic_ns"}
        if is_stopwatch and not module.path.startswith((*SURFACES, *MONOTONIC)):
            yield module.at(call, f"{name}(): give the reason in MONOTONIC, or take `now`")


def too_long(module: Module) -> Iterator[str]:
    lines = module.text.count("\n")
    limit = TEST_MODULE_LINES_MAX if module.path.startswith("tests/") else MODULE_LINES_MAX
    if lines > limit:
        yield f"{module.path}: {lines} lines, at most {limit}: split it by noun"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield module.at(node, f"{node.name} has {length} lines, at most 60")


def shapeless_name(module: Module) -> Iterator[str]:
    for part in module.path.removesuffix(".py").split("/"):
        if part in SHAPELESS_NAMES:
            yield f"{module.path}: {part!r} says nothing: name it by its topic"


def left_over_note(module: Module) -> Iterator[str]:
    for number, line in enumerate(module.text.splitlines(), 1):
        for word in LEFT_OVER:
            if word in line:
                yield f"{module.path}:{number}: {word}: do it, or write an issue"


def refusal_codes(all_modules: list[Module]) -> dict[str, str]:
    """Every code a visitor may be refused with (``Denied`` and its subclasses), and where."""
    classes = [n for m in all_modules for n in ast.walk(m.tree) if isinstance(n, ast.ClassDef)]
    refusals = {"Denied"}
    while (
        grown := {
            c.name for c in classes if {_dotted(b).rsplit(".", 1)[-1] for b in c.bases} & refusals
        }
        - refusals
    ):
        refusals |= grown
    codes = {}
    for module in all_modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and node.name in refusals:
                codes |= {code: module.at(node, node.name) for code in _class_codes(node)}
            if isinstance(node, ast.Call) and _dotted(node.func).rsplit(".", 1)[-1] in refusals:
                codes |= {code: module.at(node, "raised") for code in _call_codes(node)}
    return codes


def _class_codes(node: ast.ClassDef) -> Iterator[str]:
    for line in node.body:
        match line:
            case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
                yield code


def _call_codes(node: ast.Call) -> Iterator[str]:
    for keyword in node.keywords:
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
            yield str(keyword.value.value)


def _method_calls(module: Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node, node.func.attr


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _is_written(tree: ast.Module, environ: ast.Attribute) -> bool:
    """Whether this mention of ``os.environ`` is the left side of ``os.environ[x] = …``."""
    return any(
        isinstance(node, ast.Subscript)
        and node.value is environ
        and isinstance(node.ctx, ast.Store | ast.Del)
        for node in ast.walk(tree)
    )
