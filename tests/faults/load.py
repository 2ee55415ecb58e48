"""FastGPT's side of a run: asks and reports without pause, and remembers what it was answered."""

import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, field, replace

import urllib3
from app.money import EXACT
from app.simulator import contract, payloads
from app.simulator.fastgpt import HEADERS, Visitor
from app.simulator.javascript import exact, stringify
from app.simulator.payloads import Payload, Rates

THREADS = 6
TIMEOUT_S = 60.0
"""Much longer than any fault lasts: who waits for it was forgotten."""
PAUSE_S = 0.1
AWAY_PAUSE_S = 0.2
"""After a connection that failed: a server that is not there refuses thousands in a second."""
COPY_SHARE = 0.15
INIT_SHARE = 0.3
START_SHARE = 0.6
MAY_BE_REFUSED = {
    "init": {"database_away", "database_busy"},
    "start": {"database_away", "database_busy", "unavailable"},  # the last: both stores are lost
    "finish": {"not_recorded"},
}
"""The codes with which a visitor who is known, and has credit, may be sent away in a fault."""


@dataclass(frozen=True, slots=True)
class Reply:
    """``is_accepted`` is None when no answer came."""

    is_accepted: bool | None
    code: str = ""
    reference: str = ""


@dataclass(slots=True)
class Finish:
    """One answer's finish: its exact worth in nano-units, and every reply to it and its copies.

    No two of a visitor are worth the same, so the books tell them apart by that alone.
    """

    subject: str
    name: str
    body: bytes
    points: int
    charge: int
    replies: list[Reply] = field(default_factory=list)

    @property
    def is_answered(self) -> bool:
        """Whether anybody was told that it is kept."""
        return any(reply.is_accepted for reply in self.replies)


class Load:
    """Many threads that each play FastGPT, from ``start`` to ``stop``."""

    def __init__(
        self, root_url: str, visitors: tuple[Visitor, ...], rates: Rates, seed: int
    ) -> None:
        self.finishes: list[Finish] = []
        self.answers: Counter[tuple[str, str]] = Counter()
        self.violations: list[str] = []
        self._hooks = f"{root_url}/shareAuth"
        self._visitors = visitors
        self._rates = rates
        self._seed = seed
        self._worths: set[tuple[str, int]] = set()
        self._uids: dict[str, str] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._pool = urllib3.PoolManager(
            maxsize=4 * THREADS, retries=False, timeout=TIMEOUT_S, headers=HEADERS
        )
        self._threads = [
            threading.Thread(target=self._play, args=(number,)) for number in range(THREADS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin nothing more, and wait for what is on its way."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def close(self) -> None:
        self._pool.clear()

    def ask_all(self) -> list[str]:
        """One question and its finish for each visitor; what was refused of it."""
        chance = random.Random(f"{self._seed}:after")
        refused = []
        for visitor in self._visitors:
            asked = self._call("start", visitor, {"token": visitor.token, "question": "?"})
            finish = self._write(chance, visitor)
            self._send(finish, visitor)
            refused += [f"start: {asked.code}"] * (not asked.is_accepted)
            refused += [f"finish: {finish.replies[-1].code}"] * (not finish.is_answered)
        return refused

    def _play(self, number: int) -> None:
        chance = random.Random(f"{self._seed}:{number}")
        while not self._stopping.is_set():
            visitor = chance.choice(self._visitors)
            if chance.random() < INIT_SHARE:
                self._call("init", visitor, {"token": visitor.token})
            if chance.random() < START_SHARE:
                self._call("start", visitor, {"token": visitor.token, "question": "?"})
            finish = self._write(chance, visitor)
            copies = chance.randint(1, 2) if chance.random() < COPY_SHARE else 0
            at_once = chance.random() < 0.5
            beside = [self._send_beside(finish, visitor) for _ in range(copies if at_once else 0)]
            self._send(finish, visitor)
            for _ in range(0 if at_once else copies):
                self._stopping.wait(chance.uniform(0, PAUSE_S))
                self._send(finish, visitor)
            for thread in beside:
                thread.join()
            is_away = finish.replies[-1].is_accepted is None
            self._stopping.wait(AWAY_PAUSE_S if is_away else chance.uniform(0, PAUSE_S))

    def _send_beside(self, finish: Finish, visitor: Visitor) -> threading.Thread:
        thread = threading.Thread(target=self._send, args=(finish, visitor))
        thread.start()
        return thread

    def _write(self, chance: random.Random, visitor: Visitor) -> Finish:
        generation = chance.choice(payloads.GENERATIONS)
        plain = chance.choice(payloads.make(chance, generation))
        with self._lock:
            number = len(self.finishes) + 1
            payload, points, charge = self._priced(plain, number)
            while (visitor.subject, points) in self._worths:
                number += 1
                payload, points, charge = self._priced(plain, number)
            self._worths.add((visitor.subject, points))
            body = payload.body(visitor.token)
            finish = Finish(visitor.subject, payload.name, body, points, charge)
            self.finishes.append(finish)
        return finish

    def _priced(self, plain: Payload, number: int) -> tuple[Payload, int, int]:
        payload = _marked(plain, number)
        points, charge = payload.nano(self._rates)
        if charge is None:
            raise ValueError("a run needs prices that are known from outside")
        return payload, points, charge

    def _send(self, finish: Finish, visitor: Visitor) -> None:
        finish.replies.append(self._post("finish", visitor, finish.body))

    def _call(self, hook: str, visitor: Visitor, fields: dict[str, object]) -> Reply:
        return self._post(hook, visitor, stringify(fields).encode())

    def _post(self, hook: str, visitor: Visitor, body: bytes) -> Reply:
        try:
            answer = self._pool.request("POST", f"{self._hooks}/{hook}", body=body, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            name = type(error).__name__
            self._note(hook, name)
            if isinstance(error, urllib3.exceptions.ReadTimeoutError):
                self.violations.append(
                    f"{hook}: no answer in {TIMEOUT_S} s, nor a broken connection"
                )
            return Reply(None, name)
        read = contract.read(hook, answer.status, answer.data)
        self._judge(hook, visitor, read, answer.data)
        self._note(hook, read.code)
        if read.is_accepted is None:
            return Reply(None, read.code)
        return Reply(read.is_accepted, read.code, json.loads(answer.data)["reference"])

    def _judge(self, hook: str, visitor: Visitor, read: contract.Answer, body: bytes) -> None:
        problems = list(read.violations)
        if read.is_accepted is False and read.code not in MAY_BE_REFUSED[hook]:
            problems.append(f"refused as {read.code}")
        with self._lock:
            if read.uid and self._uids.setdefault(visitor.subject, read.uid) != read.uid:
                problems.append("uid_changed")
            self.violations += [f"{hook}: {problem}: {body[:300]!r}" for problem in problems]

    def _note(self, hook: str, code: str) -> None:
        with self._lock:
            self.answers[hook, code] += 1


def _marked(plain: Payload, number: int) -> Payload:
    """The same answer with one node more, whose amount no other has."""
    nodes = list(plain.fields.get("responseData") or ())
    money = "price" if plain.unit == "price" else "totalPoints"
    bill = number / 1000
    node = {"moduleName": "mark", "moduleType": "tool", money: bill}
    if not nodes or "id" in nodes[0]:
        node["id"] = f"mark{number:012d}"
    return replace(
        plain,
        fields={**plain.fields, "responseData": [*nodes, node]},
        total=EXACT.add(plain.total, exact(bill)),
    )
