"""Every SQL statement about the reporting views and who may read them. PostgreSQL only.

Names of roles are checked by ``readers`` and quoted here: no statement of this kind takes a bound
parameter.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

_ROLES = sa.table(
    "pg_roles",
    *(
        sa.column(name)
        for name in (
            "oid",
            "rolname",
            "rolsuper",
            "rolcreaterole",
            "rolcreatedb",
            "rolreplication",
            "rolbypassrls",
        )
    ),
)
_PARTITIONING = "shareauth_add_usage_month(integer)"


@dataclass(frozen=True, slots=True)
class Role:
    is_powerful: bool
    """It is a superuser, may make roles or databases, replicates, or is a member of other roles."""
    owns_anything: bool
    """In this database."""


def find_role(session: Session, name: str) -> Role | None:
    powers = (
        _ROLES.c.rolsuper
        | _ROLES.c.rolcreaterole
        | _ROLES.c.rolcreatedb
        | _ROLES.c.rolreplication
        | _ROLES.c.rolbypassrls
    )
    row = session.execute(
        sa.select(_ROLES.c.oid, powers.label("powers")).where(_ROLES.c.rolname == name)
    ).first()
    if row is None:
        return None
    members = sa.table("pg_auth_members", sa.column("member"))
    tables = sa.table("pg_class", sa.column("relowner"))
    is_member = session.scalar(sa.select(sa.exists().where(members.c.member == row.oid)))
    owns = session.scalar(sa.select(sa.exists().where(tables.c.relowner == row.oid)))
    return Role(is_powerful=bool(row.powers or is_member), owns_anything=bool(owns))


def list_views(session: Session, schema: str) -> list[str]:
    return sorted(sa.inspect(session.connection()).get_view_names(schema))


def create_role(session: Session, name: str) -> None:
    _execute(session, f"CREATE ROLE {_quoted(name)} LOGIN NOINHERIT CONNECTION LIMIT 10")


def set_password(session: Session, name: str, password: str) -> None:
    _execute(session, f"ALTER ROLE {_quoted(name)} LOGIN PASSWORD '{password}'")


def set_defaults(session: Session, name: str, schema: str, *, statement_timeout_s: int) -> None:
    """How its sessions begin: reading only, in the schema of the views, not for ever."""
    for setting in (
        "default_transaction_read_only = on",
        f"search_path = {schema}",
        f"statement_timeout = '{statement_timeout_s}s'",
        "idle_in_transaction_session_timeout = '60s'",
    ):
        _execute(session, f"ALTER ROLE {_quoted(name)} SET {setting}")


def revoke_all(session: Session, name: str) -> None:
    """Take away what the role was given in this database."""
    _execute(session, f"DROP OWNED BY {_quoted(name)}")


def grant_views(session: Session, name: str, schema: str, views: Sequence[str]) -> None:
    role = _quoted(name)
    database = _quoted(str(session.scalar(sa.select(sa.func.current_database()))))
    _execute(session, f"GRANT CONNECT ON DATABASE {database} TO {role}")
    _execute(session, f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    named = ", ".join(f"{schema}.{_quoted(view)}" for view in views)
    _execute(session, f"GRANT SELECT ON {named} TO {role}")


def keep_partitioning_from_others(session: Session) -> None:
    """Let only those make partitions of usage lines who write usage lines.

    Everybody may call a function unless told otherwise, and this one does what its owner may do.
    """
    grants = sa.table(
        "role_table_grants",
        sa.column("grantee"),
        sa.column("table_name"),
        sa.column("table_schema"),
        sa.column("privilege_type"),
        schema="information_schema",
    )
    writers = session.scalars(
        sa.select(grants.c.grantee)
        .where(
            grants.c.table_name == "usage_lines",
            grants.c.table_schema == sa.func.current_schema(),
            grants.c.privilege_type == "INSERT",
        )
        .distinct()
    ).all()
    for writer in writers:
        to = "PUBLIC" if writer == "PUBLIC" else _quoted(writer)
        _execute(session, f"GRANT EXECUTE ON FUNCTION {_PARTITIONING} TO {to}")
    if "PUBLIC" not in writers:
        _execute(session, f"REVOKE EXECUTE ON FUNCTION {_PARTITIONING} FROM PUBLIC")


def may_make_tables(session: Session, name: str) -> bool:
    """Whether the role may make tables beside ours: before PostgreSQL 15 everybody may."""
    has = sa.func.has_schema_privilege(name, sa.func.current_schema(), "CREATE")
    return bool(session.scalar(sa.select(has)))


def _execute(session: Session, statement: str) -> None:
    session.execute(sa.text(statement.replace(":", "\\:")))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
