"""One export of a month, to nowhere, and how long it took: usage_reports.py starts it.

In a process of its own, so that its peak memory can be told. ``streamed`` is what leaves while
somebody waits; ``job`` the same with digests and manifest, as it is made in the background.
"""

import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.abc import MetaPathFinder
from zoneinfo import ZoneInfo

from app.db import Database
from app.exports import catalogue, reading, streaming, writing
from app.exports.formats import registry
from app.exports.order import Order
from app.exports.scope import Scope
from app.periods import Period
from bulk.clock import ZONE
from bulk.measuring import backend_of, worked


def month_of(name: str, zone: ZoneInfo) -> Period:
    since = datetime.strptime(name, "%Y-%m").replace(tzinfo=zone)
    until = (since + timedelta(days=32)).replace(day=1)
    return Period(since=since.astimezone(UTC), until=until.astimezone(UTC))


class _AsInstalled(MetaPathFinder):
    """Without what pyarrow loads where it finds it, 60 MB: only development has these."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        del path, target
        if fullname in {"numpy", "pandas"}:
            raise ModuleNotFoundError(fullname)


def main() -> int:
    sys.meta_path.insert(0, _AsInstalled())
    url, table, form, month, how = sys.argv[1:]
    db = Database(url, statement_timeout_s=600, pool_size=1)
    order = Order(
        table=catalogue.get(table),
        form=registry.get(form),
        scope=Scope(month_of(month, ZONE)),
        zone=ZONE,
        currency="CNY",
        source="http://127.0.0.1",
        software="benchmark",
        asked_by="benchmark",
        asked_at=datetime.now(UTC),
    )
    order = reading.prepare(db, order)
    idle_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with db.read() as session:
        backend = backend_of(session)  # the pool's only one
    began, cpu = time.monotonic(), worked(backend)
    size, rows = 0, -1
    if how == "job":
        told = writing.again(db, order, lambda _: {}, writing.How())
        size, rows = told["bytes"], told["rows"]
    else:
        for piece in streaming.stream(db, order, lambda _: {}):
            size += len(piece)
            rows += piece.count(b"\n")  # the first has the names of the columns
    told = {
        "bytes": size,
        "rows": rows,
        "wall_s": time.monotonic() - began,
        "cpu_s": worked(backend) - cpu,
        "idle_mb": idle_mb,
    }
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
