"""What is wrong with a link's set-up in FastGPT, told from what FastGPT sent.

Each finding has a code, what it says and what to do. Only what happened since the last good call
counts: a mistake that was mended is none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from app.sightings.addresses import has_hook_folder_twice
from app.sightings.sighting import OK

Level = Literal["problem", "warning", "note"]

FINISH_OVERDUE = timedelta(minutes=15)
"""An answer may take long: only then is its finish missed."""
FINISH_STOPPED = timedelta(days=1)
SILENT_AFTER = timedelta(days=3)
FAILURES = frozenset(
    {
        "unavailable",
        "database_away",
        "database_busy",
        "issuer_away",
        "not_recorded",
        "internal_error",
    }
)
TOKEN_CODES = frozenset(
    {"token_missing", "token_rejected", "token_wrong_link", "guests_refused", "user_unknown"}
)


class Advice(NamedTuple):
    """One kind of finding in English; both texts are to be translated, then formatted.

    Written with positional texts, so that message extraction finds them (``-k Advice:2,3``).
    """

    level: Level
    says: str
    do: str


ADVICE: Mapping[str, Advice] = {
    "never_called": Advice(
        "problem",
        "FastGPT has never called this link.",
        "Paste the link's root URL into the identity verification field of the share link in "
        "FastGPT, save it there, and open the link once. The community edition calls nothing, no "
        "edition calls loopback addresses, and with CHECK_INTERNAL_IP=true none calls private "
        "ones.",
    ),
    "called_elsewhere": Advice(
        "problem",
        "Since {last_at} calls come from {address} to {called}, which belongs to no link.",
        "If that is your FastGPT, its root URL is mistyped: copy it anew from this link.",
    ),
    "not_post": Advice(
        "problem",
        "{hook} was called as {called}; FastGPT calls with POST.",
        "A redirect turns POST into GET: give FastGPT the final address, with https where the "
        "proxy asks for it. Health checks belong to /healthz.",
    ),
    "hook_folder_twice": Advice(
        "problem",
        "FastGPT calls {called}: the root URL was pasted together with /shareAuth.",
        "FastGPT adds /shareAuth/init itself: the root URL ends with the link's key.",
    ),
    "hook_unknown": Advice(
        "problem",
        "FastGPT calls {called}, and there is no such hook.",
        "Paste the root URL as it is shown, with nothing behind the link's key.",
    ),
    "key_not_taken": Advice(
        "problem",
        "{hook} was last called at {last_at} as {called}, with a key of this link that does not "
        "work there: it was replaced, or the path around it is not right.",
        "Copy the root URL anew from this link into FastGPT.",
    ),
    "link_disabled": Advice(
        "warning",
        "Visitors are refused because the link is switched off.",
        "Switch it on when they shall be let in.",
    ),
    "no_good_token": Advice(
        "problem",
        "No visitor has been let in yet; the last was refused with {code} at {last_at}.",
        "Open the link with a token made for it (authToken=… in its address), or let guests in. "
        "`shareauth tokens check` says what is wrong with a token.",
    ),
    "body_unreadable": Advice(
        "problem",
        "{hook} came with a body that cannot be read ({code}), last at {last_at}.",
        "Something between FastGPT and this service changes or cuts the body: look at the "
        "proxy's size limit and redirects.",
    ),
    "start_never_seen": Advice(
        "problem",
        "FastGPT calls finish but start was never seen: questions are charged, yet no limit "
        "holds them back.",
        "Look for a proxy that lets only some addresses through; all three hooks are below one "
        "root URL.",
    ),
    "finish_never_seen": Advice(
        "problem",
        "FastGPT calls init and start but finish was never seen: nothing is charged.",
        "Only the commercial edition sends it, after the answer, and channels of chat platforms "
        "never do. It is the largest call: raise the proxy's body limit above 32 MB, and look "
        "into FastGPT's log for its error.",
    ),
    "finish_stopped": Advice(
        "problem",
        "The last finish came at {last_at}, {days} days before the last start.",
        "Something changed then: look into FastGPT's log, and at the proxy's body limit.",
    ),
    "service_failing": Advice(
        "problem",
        "{hook} could not be answered ({code}), last at {last_at}.",
        "That is on this side: run `shareauth doctor`, and look into the log for {reference}.",
    ),
    "silent": Advice(
        "warning",
        "The last call came {days} days ago, at {last_at}.",
        "If visitors use the link, FastGPT does not ask this service any more: look whether its "
        "identity verification field still has the root URL.",
    ),
    "generation": Advice(
        "note",
        "The answers look like FastGPT of generation {generation}.",
        "Nothing to do.",
    ),
    "working": Advice(
        "note",
        "init, start and finish are answered; the last call came at {last_at} from {address}.",
        "Nothing to do.",
    ),
}
"""By code, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """One finding; ``params`` fill both texts of its advice."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        return ADVICE[self.code].level

    @property
    def says(self) -> str:
        return ADVICE[self.code].says.format_map(self.params)

    @property
    def do(self) -> str:
        return ADVICE[self.code].do.format_map(self.params)


class SeenCalls(Protocol):
    """What is asked of ``store.Seen``."""

    @property
    def hook(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def first_at(self) -> datetime: ...
    @property
    def last_at(self) -> datetime: ...
    @property
    def reference(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def called(self) -> str | None: ...
    @property
    def generation(self) -> str | None: ...


class StrayCalls(Protocol):
    """What is asked of ``store.Stray``."""

    @property
    def called(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def last_at(self) -> datetime: ...


def diagnose(
    calls: Sequence[SeenCalls],
    *,
    now: datetime,
    strays: Sequence[StrayCalls] = (),
    show_time: Callable[[datetime], str] = str,
) -> list[Diagnosed]:
    """The findings of one link, the gravest first.

    ``calls`` are all of the link, ``strays`` those that reached no link while it waits for its
    first call; ``show_time`` says how times read.
    """
    clinic = _Clinic(calls, now, show_time)
    found = [*clinic.findings(), *([] if calls else _elsewhere(strays, show_time))]
    if not any(ADVICE[one.code].level == "problem" for one in found) and clinic.all_hooks_work():
        found.append(clinic.told("working", clinic.newest()))
    order = list(ADVICE)
    return sorted(found, key=lambda one: order.index(one.code))


def diagnose_stray(stray: StrayCalls, *, show_time: Callable[[datetime], str] = str) -> Diagnosed:
    """What is wrong with calls that reached no link at all, if it was FastGPT that made them."""
    params = _of_stray(stray, show_time)
    if has_hook_folder_twice(stray.called):
        return Diagnosed("hook_folder_twice", params)
    if not stray.called.startswith("POST "):
        return Diagnosed("not_post", params)
    return Diagnosed("called_elsewhere", params)


class _Clinic:
    """The calls of one link, by hook."""

    def __init__(
        self, calls: Sequence[SeenCalls], now: datetime, show_time: Callable[[datetime], str]
    ) -> None:
        self._calls = calls
        self._now = now
        self._show_time = show_time
        self._ok = {seen.hook: seen for seen in calls if seen.code == OK}

    def findings(self) -> Iterator[Diagnosed]:
        if not self._calls:
            yield Diagnosed("never_called")
            return
        yield from self._of_errors()
        yield from self._of_tokens()
        yield from self._of_hooks()
        newest = self.newest()
        if self._now - newest.last_at > SILENT_AFTER:
            yield self.told("silent", newest, days=(self._now - newest.last_at).days)
        if "finish" in self._ok and self._ok["finish"].generation:
            yield self.told("generation", self._ok["finish"])

    def newest(self) -> SeenCalls:
        return max(self._calls, key=lambda seen: seen.last_at)

    def all_hooks_work(self) -> bool:
        return {"init", "start", "finish"} <= set(self._ok)

    def told(self, code: str, seen: SeenCalls, **more: object) -> Diagnosed:
        """A finding about these calls."""
        params = {
            "hook": seen.hook,
            "code": seen.code,
            "called": seen.called or "",
            "address": seen.address,
            "reference": seen.reference,
            "generation": seen.generation or "",
            "last_at": self._show_time(seen.last_at),
        }
        return Diagnosed(code, params | more)

    def _of_errors(self) -> Iterator[Diagnosed]:
        told: set[str] = set()
        for seen in sorted(self._unmended(), key=lambda seen: seen.last_at, reverse=True):
            code = _wrong_with(seen)
            if code is not None and code not in told:
                told.add(code)
                yield self.told(code, seen)

    def _of_tokens(self) -> Iterator[Diagnosed]:
        if {"init", "start"} & set(self._ok):
            return
        refused = [seen for seen in self._calls if seen.code in TOKEN_CODES]
        if refused:
            yield self.told("no_good_token", max(refused, key=lambda seen: seen.last_at))

    def _of_hooks(self) -> Iterator[Diagnosed]:
        start, finish = self._ok.get("start"), self._ok.get("finish")
        hooks = {seen.hook for seen in self._calls}
        if "start" not in hooks and finish is not None:
            yield self.told("start_never_seen", finish)
        elif start is not None and "finish" not in hooks:
            if self._now - start.first_at > FINISH_OVERDUE:
                yield self.told("finish_never_seen", start)
        elif start is not None and finish is not None:
            behind = start.last_at - finish.last_at
            if behind > FINISH_STOPPED:
                yield self.told("finish_stopped", finish, days=behind.days)

    def _unmended(self) -> Iterable[SeenCalls]:
        """Refused calls since which the same hook (for an unknown one: any) was not answered."""
        last_ok = {hook: seen.last_at for hook, seen in self._ok.items()}
        any_ok = max(last_ok.values(), default=None)
        for seen in self._calls:
            mended_at = last_ok.get(seen.hook) if seen.hook != "other" else any_ok
            if seen.code != OK and (mended_at is None or seen.last_at > mended_at):
                yield seen


def _wrong_with(seen: SeenCalls) -> str | None:
    """The finding behind a refusal that is no visitor's own matter."""
    if seen.code == "hook_unknown":
        return "hook_folder_twice" if has_hook_folder_twice(seen.called or "") else "hook_unknown"
    if seen.code in FAILURES:
        return "service_failing"
    return {
        "method_not_allowed": "not_post",
        "link_unknown": "key_not_taken",
        "link_disabled": "link_disabled",
        "request_malformed": "body_unreadable",
        "body_too_large": "body_unreadable",
    }.get(seen.code)


def _elsewhere(
    strays: Sequence[StrayCalls], show_time: Callable[[datetime], str]
) -> Iterator[Diagnosed]:
    """Calls that may have been meant for a link which nobody has called yet."""
    if not strays:
        return
    stray = max(strays, key=lambda stray: stray.last_at)
    yield Diagnosed("called_elsewhere", _of_stray(stray, show_time))


def _of_stray(stray: StrayCalls, show_time: Callable[[datetime], str]) -> dict[str, object]:
    return {
        "called": stray.called,
        "address": stray.address,
        "last_at": show_time(stray.last_at),
        "hook": stray.called.rsplit("/", 1)[-1],
    }
