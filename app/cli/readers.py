"""``shareauth db reader``: roles of PostgreSQL for reporting tools."""

import click

from app.analytics import readers
from app.cli.frame import Group, Report
from app.cli.session import Desk, with_desk

MAKES_TABLES = (
    "On this PostgreSQL everybody may make tables in the schema public, this role too; stop that "
    "with REVOKE CREATE ON SCHEMA public FROM PUBLIC, after granting it to the service's own role."
)

reader = Group(
    "reader",
    help="Roles of PostgreSQL that may read the views of reporting_v1 and nothing else, for "
    "reporting tools; docs/analytics.md describes the views, and how to read SQLite.",
)


@reader.command("create", example="shareauth db reader create metabase")
@click.argument("name", help="Of the role: small letters, digits and _.")
@click.option(
    "--with-people",
    is_flag=True,
    help="Also the view people: subjects, names and attributes of users.",
)
@click.option("--new-password", is_flag=True, help="Give a role that is there another password.")
@with_desk
def create(desk: Desk, name: str, *, with_people: bool, new_password: bool) -> Report:
    """Make a role that may read the reporting views, or renew its rights after an upgrade.

    The password is shown once. The role of database.url must be allowed to make roles.
    """
    with desk.db.begin() as session:
        made = readers.create(
            session,
            name,
            with_people=with_people,
            new_password=new_password,
            actor=desk.actor,
            now=desk.now,
        )
    shown = [f"{made.name} may read {len(made.views)} views of reporting_v1."]
    if made.password is not None:
        shown.append(f"Password (shown once): {made.password}")
    if made.may_make_tables:
        shown.append(MAKES_TABLES)
    data = {
        "name": made.name,
        "password": made.password,
        "views": list(made.views),
        "is_new": made.is_new,
        "may_make_tables": made.may_make_tables,
    }
    return Report(data, shown)
