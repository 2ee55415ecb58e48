"""``Server-Timing``: how long a page or call of the API took, and the database in it.

``cpu`` is the processor's time of the thread that made it: what others do changes that least. Only
whoever is signed in is told; browsers show it beside the request.
"""

import time

from flask import Blueprint, Response, g

from app import db_time


def measure(blueprint: Blueprint) -> None:
    """Every answer of the blueprint; to be called before other things that are to be counted."""

    @blueprint.before_request
    def begin() -> None:
        g.began, g.worked, g.database = time.perf_counter(), time.thread_time(), db_time.begin()

    @blueprint.after_request
    def tell(response: Response) -> Response:
        desk = g.get("desk")
        if "began" in g and desk is not None and desk.visitor is not None:
            total_ms = (time.perf_counter() - g.began) * 1000
            cpu_ms = (time.thread_time() - g.worked) * 1000
            spent = g.database
            response.headers["Server-Timing"] = (
                f'db;dur={spent.seconds * 1000:.1f};desc="{spent.statements} statements", '
                f"cpu;dur={cpu_ms:.1f}, total;dur={total_ms:.1f}"
            )
        return response

    @blueprint.teardown_request
    def end(_: BaseException | None) -> None:
        db_time.end()
