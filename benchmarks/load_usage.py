"""Fill a database with usage as a busy service would have it: events, lines, ledger, report sums.

The bulk way, which asks nobody: for benchmarks alone, on an empty database. See README.md beside
this file.
"""

import argparse
import sys
import time
from datetime import UTC, datetime

from app import schema
from app.db import Database
from bulk.crowd import Size
from bulk.filling import fill


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="sqlite:////…/bench.sqlite3 or postgresql+psycopg://…")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--links", type=int, default=200)
    parser.add_argument("--models", type=int, default=30)
    given = vars(parser.parse_args())
    url = given.pop("url")
    db = Database(url)
    schema.upgrade(db)
    db.close()
    began = time.monotonic()
    fill(url, Size(**given), until=datetime.now(UTC))
    print(f"in all: {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
