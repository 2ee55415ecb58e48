"""Counter, Gauge and Histogram that never stand in the way of what they count.

With several processes each counts into files. When these cannot be made or written (no room, no
descriptors, a limit), prometheus_client raises, and may do so for as long as the process lives. A
visitor would then be refused, or a finish be in the books and answered as lost, for the sake of a
number.
"""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, Self, TypeVar, cast

import prometheus_client
import structlog

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class _Nowhere:
    """Takes any number and keeps none."""

    def inc(self, *_: float) -> None: ...

    def set(self, *_: float) -> None: ...

    def observe(self, *_: float) -> None: ...


_NOWHERE = _Nowhere()


@functools.cache
def _tell(problem: str) -> None:
    """Once a process: it would be the same at every answer."""
    log.error("metrics.unusable", problem=problem)


def _tolerant(method: Callable[P, T], otherwise: T) -> Callable[P, T]:
    @functools.wraps(method)
    def attempt(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except ValueError:
            raise  # labels that the metric does not have: a mistake of ours
        except Exception as problem:  # noqa: BLE001 - what is wrong with the files shows in any way
            _tell(f"{type(problem).__name__}: {problem}")
            return otherwise

    return attempt


class Counter(prometheus_client.Counter):
    inc = _tolerant(prometheus_client.Counter.inc, None)

    def labels(self, *values: Any, **named: Any) -> Self:  # noqa: ANN401 - the library's
        return _tolerant(super().labels, cast("Self", _NOWHERE))(*values, **named)


class Gauge(prometheus_client.Gauge):
    inc = _tolerant(prometheus_client.Gauge.inc, None)
    set = _tolerant(prometheus_client.Gauge.set, None)

    def labels(self, *values: Any, **named: Any) -> Self:  # noqa: ANN401 - the library's
        return _tolerant(super().labels, cast("Self", _NOWHERE))(*values, **named)


class Histogram(prometheus_client.Histogram):
    observe = _tolerant(prometheus_client.Histogram.observe, None)

    def labels(self, *values: Any, **named: Any) -> Self:  # noqa: ANN401 - the library's
        return _tolerant(super().labels, cast("Self", _NOWHERE))(*values, **named)
