"""What all commands share: lazy groups, examples, ``--json``, and errors that say what to do."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

import click

from app.errors import ServiceError

_WANTS_JSON = "shareauth.json"


@dataclass(frozen=True, slots=True)
class Report:
    """What a command has to say: ``data`` for programs, ``shown`` for people.

    ``shown`` are plain sentences and rich renderables, top to bottom. A non-zero ``exit_code``
    means that the command worked and found something wrong.
    """

    data: Mapping[str, object]
    shown: Sequence[object]
    exit_code: int = 0
    is_silent: bool = False
    """The command has written its output itself."""


def wants_json() -> bool:
    """Whether the running command was asked for JSON."""
    return bool(click.get_current_context().meta.get(_WANTS_JSON))


class Taught(click.Command):
    """A command whose help ends with an example."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:  # noqa: ANN401 - click's own parameters
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        if self.example:
            with formatter.section("Example"):
                for line in self.example.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class Command(Taught):
    """A command that returns a ``Report``; it gets ``--json`` and prints the report."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own parameters
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_remember_json,
                help="Print one JSON document for programs.",
            )
        )

    def invoke(self, ctx: click.Context) -> None:
        report: Report = super().invoke(ctx)
        _print(report, as_json=bool(ctx.meta.get(_WANTS_JSON)))
        if report.exit_code:
            ctx.exit(report.exit_code)


class Group(click.Group):
    """A group whose commands are ``Command``s."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)  # in the order of the module, not of the alphabet


class Later(click.Command):
    """Stands for a command that is imported when it is used."""

    def __init__(self, name: str, place: str, short_help: str) -> None:
        super().__init__(name, short_help=short_help)
        self.place = place

    def load(self) -> click.Command:
        module, _, attribute = self.place.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.place} is not a command")
        return command


class RootGroup(Taught, click.Group):
    """The outermost group: imports what is asked for, and turns errors into one sentence.

    A command's own exit code goes through ``ctx.exit``.
    """

    def __init__(self, *, later: Sequence[Later], **kwargs: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(commands=later, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)  # in the order of the list, not of the alphabet

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Later) else command, rest

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's overloads
        if not kwargs.get("standalone_mode", True):
            return super().main(*args, **kwargs)
        given = list(args[0] if args else kwargs.get("args") or sys.argv[1:])
        try:
            result = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.Abort:
            _fail("aborted", "Stopped.", given, 1)
        except click.UsageError as error:
            _fail_usage(error, given)
        except click.ClickException as error:
            _fail("usage", error.format_message(), given, error.exit_code)
        except ServiceError as error:
            _fail(error.code, error.message, given, 1)
        sys.exit(result if isinstance(result, int) else 0)


def _remember_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    ctx.meta[_WANTS_JSON] = value


def _print(report: Report, *, as_json: bool) -> None:
    if report.is_silent:
        return
    if as_json:
        click.echo(json.dumps(report.data, ensure_ascii=not _speaks_utf8(), indent=2))
        return
    from app.cli.output import show  # noqa: PLC0415 - rich is only for people

    show(report.shown)


def _speaks_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _fail_usage(error: click.UsageError, given: list[str]) -> NoReturn:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        sys.exit(error.exit_code)
    hint = f" See `{error.ctx.command_path} --help`." if error.ctx else ""
    _fail("usage", error.format_message() + hint, given, error.exit_code)


def _fail(code: str, message: str, given: list[str], exit_code: int) -> NoReturn:
    if "--json" in given:
        document = {"error": {"code": code, "message": message}}
        click.echo(json.dumps(document, ensure_ascii=True), err=True)
    else:
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {message}", err=True)
    sys.exit(exit_code)
