"""``shareauth reference``: docs/cli.md, made from the help of every command."""

from collections.abc import Iterator

import click

from app.cli.frame import Later, Taught

INTRODUCTION = """\
# The command line

Made by `shareauth reference > docs/cli.md` from the help of each command; a test keeps it in step.
"""


@click.command("reference", cls=Taught, example="shareauth reference > docs/cli.md")
@click.pass_context
def reference(ctx: click.Context) -> None:
    """Print this whole reference as Markdown.

    The same text as `--help` of every command, to be read or searched in one place.
    """
    click.echo(render(ctx.find_root().command), nl=False)


def render(root: click.Command) -> str:
    """The reference of a command and all below it, as Markdown."""
    parts = [INTRODUCTION, *_section(root, "shareauth", None)]
    return "\n".join(parts)


def _section(command: click.Command, path: str, parent: click.Context | None) -> Iterator[str]:
    name = path.rpartition(" ")[2]
    with click.Context(
        command, info_name=name, parent=parent, terminal_width=100, max_content_width=100
    ) as ctx:
        yield f"{'#' * (path.count(' ') + 2)} {path}\n"
        yield f"```text\n{command.get_help(ctx).rstrip()}\n```\n"
        if isinstance(command, click.Group):
            for below in command.commands.values():
                loaded = below.load() if isinstance(below, Later) else below
                if not loaded.hidden:
                    yield from _section(loaded, f"{path} {loaded.name}", ctx)
