"""Plays FastGPT's three hooks against a link, and says in which of them it hangs.

As a visitor of their own (``turns.visitor_urls``) on a plan that is free. The finish names one run
for each link for ever: the first leaves an answer of 0 points, marked by user and app, and every
later one is a replay that writes nothing. So a test goes the whole way into the books, and
neither usage nor money tells that it was there.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from flask import current_app
from pydantic import BaseModel, Field

from app.admin import hook_calls
from app.admin.desk import Desk
from app.admin.hook_calls import Reply
from app.admin.resources import links
from app.admission.gate import Settlement
from app.links import commands
from app.links.addresses import root_url
from app.links.models import Link
from app.turns import visitor_urls
from app.turns.visitor_urls import UrlSpec

APP_NAME = "shareauth link test"
RUN = "shareauth-link-test"
TOKEN_LASTS_S = 120
SHOWN_CHARS = 4
ANSWER_CHARS_SHOWN = 1000
HTTP_OK = 200
MASK = "…"

Hook = Literal["init", "start", "finish"]
HOOKS: tuple[Hook, ...] = ("init", "start", "finish")

SAID = {
    "ok": "accepted",
    "no_answer": "nothing answered, or not in time",
    "redirected": "something in front answers with a redirect: FastGPT would lose the body",
    "not_http_200": "something in front answered with an error: FastGPT shows its own message",
    "not_ours": "what answered is not this service: the address leads elsewhere",
}
"""Verdicts; every other one is the code of a refusal."""


class CallOut(BaseModel):
    """One hook call, as it went out and came back."""

    hook: Hook
    url: str = Field(description="The key in it is masked.")
    request: str = Field(description="The body; the token in it is masked.")
    status: int | None = Field(description="Of HTTP; null: nothing came back.")
    answer: str
    duration_ms: int
    is_accepted: bool
    verdict: str = Field(description="`ok`, or what is wrong; refusals by their code.")
    said: str


class LinkTestOut(BaseModel):
    """What became of a test."""

    outcome: Literal["passed", "refused", "failed"] = Field(
        description="`passed`: all three hooks accept. `refused`: they answer, and say no. "
        "`failed`: they are not reached as FastGPT would reach them."
    )
    via: Literal["http", "inside"] = Field(
        description="`http`: at the public address. `inside`: handed to the service without a "
        "connection, because the public address cannot be reached from here."
    )
    unreached: str | None = Field(description="Why it was not done over HTTP.")
    takes_test_visitor: bool = Field(
        description="Whether tokens that are minted here open the link; if not, init is refused."
    )
    calls: list[CallOut]


@dataclass(frozen=True, slots=True)
class _Test:
    """One test's link, visitor and secrets."""

    link: Link
    key: str
    user_id: int
    plan_id: int | None
    token: str


def play(desk: Desk, link_id: int) -> LinkTestOut:
    """Ask init, start and finish, until one refuses.

    Raises:
        NotFound: no such link, or none of its keys works (``link_key_missing``).
    """
    test = _prepared(desk, link_id)
    public = root_url(desk.settings.public_url, test.key)
    calls = [_call(test, "init", public, hook_calls.over_http)]
    first = calls[0]
    via: Literal["http", "inside"] = "http"
    if first.status is None:
        via, calls = "inside", []
    for hook in HOOKS[len(calls) :]:
        if calls and not calls[-1].is_accepted:
            break
        if via == "http":
            calls.append(_call(test, hook, public, hook_calls.over_http))
        else:
            calls.append(_call(test, hook, root_url("", test.key), _inside))
    _free_ticket(desk, test)
    return LinkTestOut(
        outcome=_outcome(calls),
        via=via,
        unreached=first.answer if via == "inside" else None,
        takes_test_visitor=visitor_urls.takes_our_tokens(test.link),
        calls=calls,
    )


def _prepared(desk: Desk, link_id: int) -> _Test:
    with desk.change() as session:
        link = links.find(session, desk, link_id)
        key = commands.show_key(session, link, keys=desk.keys, now=desk.now)
        user = visitor_urls.ensure_tester(session, keys=desk.keys, actor=desk.actor, now=desk.now)
        made = visitor_urls.mint(
            session,
            link,
            user,
            UrlSpec(ttl_s=TOKEN_LASTS_S, is_one_time=True, label=APP_NAME),
            keys=desk.keys,
            actor=desk.actor,
            now=desk.now,
        )
        test = _Test(link, key, user.id, user.plan_id, made.text)
        session.flush()
        session.refresh(link)
        session.expunge(link)
    return test


def _inside(url: str, body: bytes) -> Reply:
    return hook_calls.inside(current_app._get_current_object(), url, body)  # type: ignore[attr-defined]  # noqa: SLF001 - Flask's documented way


def _call(test: _Test, hook: Hook, root: str, send: Callable[[str, bytes], Reply]) -> CallOut:
    body = json.dumps({"token": test.token, **_fields(hook)}, separators=(",", ":"))
    url = f"{root}/shareAuth/{hook}"
    reply = send(url, body.encode())
    verdict = _verdict(reply)
    return CallOut(
        hook=hook,
        url=url.replace(test.key, test.key[:SHOWN_CHARS] + MASK),
        request=body.replace(test.token, test.token[: 2 * SHOWN_CHARS] + MASK),
        status=reply.status,
        answer=reply.problem or reply.body.decode("utf-8", "replace")[:ANSWER_CHARS_SHOWN],
        duration_ms=reply.duration_ms,
        is_accepted=verdict == "ok",
        verdict=verdict,
        said=SAID.get(verdict, f"refused: {verdict}"),
    )


def _fields(hook: Hook) -> dict[str, Any]:
    if hook == "init":
        return {}
    if hook == "start":
        return {"question": "link test"}
    node = {"id": RUN, "nodeId": RUN, "moduleName": "link test", "moduleType": "workflowStart"}
    return {
        "appName": APP_NAME,
        "chatId": RUN,
        "responseData": [{**node, "totalPoints": 0, "runningTime": 0}],
    }


def _verdict(reply: Reply) -> str:
    if reply.status is None:
        return "no_answer"
    if 300 <= reply.status < 400:  # noqa: PLR2004 - HTTP's own numbers
        return "redirected"
    if reply.status != HTTP_OK:
        return "not_http_200"
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError):
        return "not_ours"
    is_ours = isinstance(answer, dict) and isinstance(answer.get("code"), str)
    if not is_ours or not isinstance(answer.get("success"), bool):
        return "not_ours"
    return "ok" if answer["success"] else str(answer["code"])


def _outcome(calls: list[CallOut]) -> Literal["passed", "refused", "failed"]:
    last = calls[-1]
    if last.is_accepted:
        return "passed"
    return "failed" if last.verdict in SAID else "refused"


def _free_ticket(desk: Desk, test: _Test) -> None:
    """A replayed finish is told to no gate, for its first one was: say that this question is over.

    Nothing else of the visitor is touched: they are free, and the points are 0.
    """
    held = desk.gate.snapshot(test.user_id, test.link.id)
    if held is None or not held.visitor_open:
        return
    settlement = Settlement(
        user_id=test.user_id,
        link_id=test.link.id,
        plan_id=test.plan_id,
        is_guest=False,
        settle_key=f"link-test:{desk.keys.token_digest(test.token)}",
        points=0,
        charge=0,
        balance=held.balance or 0,
        version=held.version or 0,
        now=desk.now,
    )
    desk.gate.settle(settlement)
