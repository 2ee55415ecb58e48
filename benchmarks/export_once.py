"""One export of a month, to nowhere, and how long it took: usage_reports.py starts it.

In a process of its own, so that its peak memory can be told.
"""

import json
import os
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from app.admin.desk import Desk
from app.admin.resources import exports
from app.db import Database
from app.pagekit.tables import csv_response
from bulk.crowd import ZONE


def main() -> int:
    url, kind, month = sys.argv[1:]
    db = Database(url, statement_timeout_s=600)
    # What of a desk the exports ask for.
    caller = SimpleNamespace(link_ids=None)
    settings = SimpleNamespace(zone=ZONE)
    desk: Any = SimpleNamespace(db=db, caller=caller, settings=settings, now=datetime.now(UTC))
    with Path(os.devnull).open("wb") as nowhere, db.read():
        idle_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        began = time.monotonic()
        export = exports.EXPORTS[kind]
        lines = csv_response(
            export.columns, exports.rows(cast("Desk", desk), export, month), "export"
        )
        rows = 0
        for chunk in lines.response:
            nowhere.write(cast("bytes", chunk))
            rows += 1
    wall_s = time.monotonic() - began
    print(json.dumps({"rows": rows - 1, "wall_s": wall_s, "idle_mb": idle_mb}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
