"""The command line: ``shareauth GROUP COMMAND``.

Groups are imported when they are used, so that ``shareauth --help`` answers at once.
"""

from pathlib import Path

import click

from app import __version__
from app.cli.frame import Later, RootGroup

COMMANDS = [
    Later("serve", "app.cli.serve:serve", "Run the service: HTTP workers, jobs and Valkey."),
    Later("worker", "app.cli.worker:worker", "Run the periodic jobs without serving HTTP."),
    Later("doctor", "app.cli.doctor:doctor", "Check what the service needs; say what to do."),
    Later("simulate", "app.cli.simulate:simulate", "Play FastGPT's side against the service."),
    Later("links", "app.cli.links:links", "Share links: their root URLs, limits and messages."),
    Later("tokens", "app.cli.tokens:tokens", "Visitors' tokens: mint, check, revoke."),
    Later("users", "app.cli.users:users", "The people who ask: balance, limits, suspension."),
    Later("operators", "app.cli.operators:operators", "Who may use the console and the API."),
    Later("issuers", "app.cli.issuers:issuers", "Whose word about a visitor is taken."),
    Later("plans", "app.cli.plans:plans", "What a kind of visitor may do, and owe."),
    Later("prices", "app.cli.prices:prices", "The price book and its versions."),
    Later("ledger", "app.cli.ledger:ledger", "Wallets: top up, statements, verification."),
    Later("closings", "app.cli.closings:closings", "Closed months: preview, close, verify."),
    Later("statements", "app.cli.statements:statements", "Statements of closed months."),
    Later("grants", "app.cli.grants:grants", "Credit that expires: give, list, take back."),
    Later("codes", "app.cli.codes:codes", "Redemption codes: batches, printing, redeeming."),
    Later("usage", "app.cli.usage:usage", "What was used, by whom and of what; single answers."),
    Later("schedules", "app.cli.schedules:schedules", "What is made and sent regularly."),
    Later("deliveries", "app.cli.deliveries:deliveries", "Files on their way; retry, give up."),
    Later("destinations", "app.cli.destinations:destinations", "Where finished files go."),
    Later("feed", "app.cli.feed:feed", "Usage events and postings as JSON Lines, to follow."),
    Later("exports", "app.cli.exports:exports", "Tables of the books as files, with manifests."),
    Later("archives", "app.cli.archives:archives", "Usage lines of old months, as Parquet files."),
    Later("quarantine", "app.cli.quarantine:quarantine", "Finishes that could not be recorded."),
    Later("refusals", "app.cli.refusals:refusals", "Why visitors were refused, and who."),
    Later("turns", "app.cli.turns:turns", "Questions whose finish never came."),
    Later("spool", "app.cli.spool:spool", "Finishes that wait for the database on the disk."),
    Later("jobs", "app.cli.jobs:jobs", "Long work in the background: progress, cancelling."),
    Later("alerts", "app.cli.alerts:alerts", "What needs somebody, and who is told of it."),
    Later("audit", "app.cli.audit:audit", "Who changed what, when and why."),
    Later("privacy", "app.cli.privacy:privacy", "What is kept for how long; who was erased."),
    Later("db", "app.cli.db:db", "The database: upgrade, check, backup, restore."),
    Later("reference", "app.cli.reference:reference", "Print this whole reference as Markdown."),
]


EXAMPLE = """\
shareauth serve
shareauth links create support --share-url 'https://fastgpt.example/chat/share?shareId=…'
shareauth tokens mint --link support --subject alice
shareauth ledger top-up alice 100 --reason 'first credit'
shareauth doctor"""


@click.group("shareauth", cls=RootGroup, later=COMMANDS, example=EXAMPLE)
@click.version_option(__version__, message="%(prog)s %(version)s", help="Print the version.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Settings file (TOML); the same as SHAREAUTH_CONFIG.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Data directory; the same as SHAREAUTH_SERVICE__DATA_DIR.",
)
@click.pass_context
def main(ctx: click.Context, config_file: Path | None, data_dir: Path | None) -> None:
    """Identity, admission and billing for FastGPT share links.

    Every command reads the same settings as the service (config.toml, then SHAREAUTH_* in the
    environment), works whether the service runs or not, and takes --json for programs: one JSON
    document on stdout, money as decimal text, times in UTC. A command that fails says why in one
    sentence on stderr and ends with exit code 1, or 2 when it was called wrongly.
    """
    from app import config  # noqa: PLC0415 - `--help` must not wait for pydantic

    ctx.with_resource(config.chosen(config_file, data_dir))
