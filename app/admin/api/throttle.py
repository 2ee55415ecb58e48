"""How often one token or session may call the API: counted in each worker, a minute at a time.

A program that runs wild is stopped; a limit that is exact across processes is not worth asking
Redis on each call, so every worker has its part of the allowance.
"""

from app.admin.desk import Desk
from app.errors import Forbidden
from app.pagekit.minutes import WINDOW_S, Minutes


class TooManyCalls(Forbidden):
    """This token or session has used up its minute."""

    status = 429
    code = "too_many_calls"


_calls = Minutes()


def check(desk: Desk) -> None:
    """Raises: TooManyCalls, with when to come back."""
    caller = desk.visitor
    if caller is None:
        return
    rules = desk.settings
    allowed = max(rules.admin.api_calls_per_minute // rules.service.workers, 1)
    key = f"{caller.operator_id}:{caller.token_id}:{caller.session_id}"
    if _calls.count(key, desk.now) > allowed:
        wait_s = WINDOW_S - int(desk.now.timestamp()) % WINDOW_S
        raise TooManyCalls("this token or session calls too often", retry_after_s=wait_s)
