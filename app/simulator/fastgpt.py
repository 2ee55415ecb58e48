"""One FastGPT with its visitors' browsers: opens pages, asks, and reports what was used.

As FastGPT does it: no retries, no redirect followed without a word, ``finish`` sent without
waiting for what comes of it, and nothing sent at all for a question that was refused.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Self

import urllib3

from app.simulator import contract
from app.simulator.chats import Chat, Round
from app.simulator.contract import Answer, Hook
from app.simulator.javascript import stringify
from app.simulator.tally import Tally

HEADERS = {
    "Accept": "application/json, text/plain, */*",
    "Content-Type": "application/json",
    "User-Agent": "axios/1.8.2",
    "Accept-Encoding": "gzip, compress, deflate, br",
}
TIMEOUT_S = 60.0
"""What FastGPT gave its relay; a hook called directly may hang for ever."""
_SAMPLE_BYTES = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a token; ``subject`` is how the ledger names them."""

    subject: str
    token: str


class FastGPT:
    """Plays chats against one hook root URL. Safe to use from many threads.

    ``tabs`` runs a visitor's other tabs, ``couriers`` sends the finishes; they are the caller's
    to shut down. Use as a context manager: leaving closes the connections.
    """

    def __init__(
        self,
        root_url: str,
        visitors: Sequence[Visitor],
        *,
        tally: Tally,
        tabs: Executor,
        couriers: Executor,
        connections: int,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._root_url = root_url.rstrip("/")
        self._visitors = visitors
        self._tally = tally
        self._tabs = tabs
        self._couriers = couriers
        self._uids: dict[str, str] = {}
        self._uids_lock = threading.Lock()
        self._finishes: list[Future[None]] = []
        self._stopping = threading.Event()
        self._pool = urllib3.PoolManager(
            maxsize=connections, retries=False, timeout=timeout_s, headers=HEADERS
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def stop(self) -> None:
        """Begin no more questions; what was asked is still answered and reported."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def is_there(self) -> bool:
        """Whether anything at all answers at the root URL."""
        try:
            self._pool.request("GET", f"{self._root_url}/shareAuth/init", redirect=False)
        except urllib3.exceptions.HTTPError:
            return False
        return True

    def hold(self, chat: Chat) -> None:
        """Play one chat to its end, but for finishes that are still on their way."""
        visitor = self._visitors[chat.visitor]
        self._tally.count("chats")
        if not self._read_pages(visitor, chat.opening_inits):
            self._tally.count("pages_refused")
            return
        others = [self._tabs.submit(self._ask_all, visitor, tab) for tab in chat.tabs[1:]]
        self._ask_all(visitor, chat.tabs[0])
        for other in others:
            other.result()

    def deliver_all(self) -> None:
        """Wait until every finish that was sent has had its answer."""
        while self._finishes:
            self._finishes.pop().result()

    def _ask_all(self, visitor: Visitor, rounds: Sequence[Round]) -> None:
        for turn in rounds:
            if self.is_stopping or not self._ask(visitor, turn):
                return

    def _ask(self, visitor: Visitor, turn: Round) -> bool:
        """One round; False when the question was refused, or the visitor left."""
        self._read_pages(visitor, turn.inits_before)
        self._tally.count("questions")
        answer = self._call("start", visitor, {"token": visitor.token, "question": turn.question})
        if not answer.is_accepted:
            self._tally.count("questions_refused")
            return False
        self._tally.count("questions_admitted")
        time.sleep(turn.wait_s / 2)
        self._read_pages(visitor, turn.inits_during)
        time.sleep(turn.wait_s / 2)
        if turn.payload is None:
            self._tally.count("answers_lost")
            return False
        self._tally.sent(visitor.subject, turn.payload)
        self._tally.count("finishes")
        body = turn.payload.body(visitor.token)
        self._send_later(visitor, body, turn.finish_delay_s)
        for after_s in turn.copies_after_s:
            self._tally.count("copies")
            self._send_later(visitor, body, turn.finish_delay_s + after_s)
        self._read_pages(visitor, turn.inits_after)
        return True

    def _read_pages(self, visitor: Visitor, count: int) -> bool:
        """So many reads of the share page, each of which asks init; False: the last was refused."""
        is_known = True
        for _ in range(count):
            answer = self._call("init", visitor, {"token": visitor.token})
            is_known = bool(answer.is_accepted)
            if not is_known:
                break
        return is_known

    def _send_later(self, visitor: Visitor, body: bytes, delay_s: float) -> None:
        self._finishes.append(self._couriers.submit(self._finish, visitor, body, delay_s))

    def _finish(self, visitor: Visitor, body: bytes, delay_s: float) -> None:
        time.sleep(delay_s)
        self._post("finish", visitor, body)

    def _call(self, hook: Hook, visitor: Visitor, fields: dict[str, object]) -> Answer:
        return self._post(hook, visitor, stringify(fields).encode())

    def _post(self, hook: Hook, visitor: Visitor, body: bytes) -> Answer:
        begun = time.perf_counter()
        try:
            reply = self._pool.request(
                "POST", f"{self._root_url}/shareAuth/{hook}", body=body, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            answer, sample = contract.no_answer(), f"{type(error).__name__}: {error}"
        else:
            answer = contract.read(hook, reply.status, reply.data)
            sample = f"HTTP {reply.status} {reply.data[:_SAMPLE_BYTES]!r}"
        taken_s = time.perf_counter() - begun
        answer = self._hold_to_first_uid(visitor, answer)
        self._tally.answered(hook, taken_s, answer, sample)
        return answer

    def _hold_to_first_uid(self, visitor: Visitor, answer: Answer) -> Answer:
        if not answer.uid:
            return answer
        with self._uids_lock:
            first = self._uids.setdefault(visitor.token, answer.uid)
        if first == answer.uid:
            return answer
        return Answer(
            answer.is_accepted, answer.uid, answer.code, (*answer.violations, "uid_changed")
        )
