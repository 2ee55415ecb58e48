"""Finishes ready to be settled, and books to settle them in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from app.ledger import store as ledger_store
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from app.metering.body import parse_finish
from app.metering.counting import count
from app.plans.models import Plan
from app.pricing.book import PriceBook
from app.statements import verification
from app.turns.fingerprint import fingerprint
from app.turns.link_context import LinkContext, PlanContext, UserContext, Visitor
from app.turns.price_shelf import PricedBy
from app.turns.settle import FinishRules, Turn

from books import NANO, make_link, make_users

ONE = Decimal(1)
RULES = FinishRules(
    currency="CNY",
    zone=ZoneInfo("Asia/Shanghai"),
    points_per_price_unit=Decimal("0.00001"),
    points_per_node_max=Decimal(1_000_000),
    replay_window=timedelta(seconds=60),
)
PRICED_BY = PricedBy(PriceBook(per_point=Decimal("0.5")), None)


@dataclass
class Stage:
    """Users on a link, with the rows they need."""

    db: Any
    now: datetime
    users: int = 3
    link_id: int = field(init=False)
    plan_id: int = field(init=False)
    user_ids: list[int] = field(init=False)

    def __post_init__(self) -> None:
        with self.db.begin() as session:
            self.user_ids = make_users(session, self.now, self.users)
            self.link_id = make_link(session, self.now)
            plan = Plan(name="p", limits={}, price_multiplier=NANO, created_at=self.now)
            session.add(plan)
            session.flush()
            self.plan_id = plan.id

    def visitor(self, user: int, *, is_guest: bool = False) -> Visitor:
        plan = PlanContext(self.plan_id, "p", VisitorLimits(), 0, ONE)
        link = LinkContext(
            id=self.link_id,
            name="demo",
            status="active",
            locale=None,
            messages={},
            issuers=None,
            allows_guests=True,
            guest_plan=plan,
            price_multiplier=ONE,
            limits=LinkLimits(),
            visitor_limits=VisitorLimits(),
            guest_limits=GuestLimits(),
            counting="auto",
            share_url=None,
            revision=1,
        )
        user_id = self.user_ids[user] if user < len(self.user_ids) else user
        context = UserContext(
            id=user_id,
            uid=f"u_{user}",
            issuer_name="portal",
            subject=f"person-{user}",
            name=None,
            locale=None,
            status="active",
            plan=plan,
            limits=VisitorLimits(),
            tokens_valid_after=None,
        )
        return Visitor(link, context, is_guest, "token", 1)

    def turn(self, name: str, user: int = 0, *, points: object = 2, **changes: Any) -> Turn:
        """A finish with one chat node; ``name`` is its run id. ``has_ids=False`` leaves it out."""
        has_ids = changes.pop("has_ids", True)
        visitor = self.visitor(user, is_guest=changes.pop("is_guest", False))
        node = {
            **({"id": name} if has_ids else {}),
            "nodeId": "n",
            "moduleType": "chatNode",
            "model": "gpt-4o",
            "inputTokens": 10,
            "outputTokens": 5,
            "totalPoints": points,
        }
        fields = {"responseData": [node], "appName": changes.pop("app_name", "a")}
        return make_turn(visitor, fields, name, self.now, changes)

    def findings(self) -> list[str]:
        """What a verification of the whole books finds."""
        return [found.code for found in verification.verify(self.db, zone=RULES.zone).findings]

    def balance(self, user: int = 0) -> tuple[int, int]:
        """A user's balance in nano-units, and the version of their wallet."""
        with self.db.read() as session:
            wallet = ledger_store.find_account(session, self.user_ids[user])
            return (0, 0) if wallet is None else (wallet.balance, wallet.version)


def make_turn(
    visitor: Visitor,
    fields: Mapping[str, Any],
    reference: str,
    received_at: datetime,
    changes: Mapping[str, Any],
) -> Turn:
    raw = json.dumps(dict(fields)).encode()
    body = parse_finish(raw)
    usage = count(
        body.nodes, regime="auto", points_per_node_max=RULES.points_per_node_max, has_chat_id=False
    )
    known = {
        "visitor": visitor,
        "body": body,
        "body_bytes": len(raw),
        "usage": usage,
        "fingerprint": fingerprint(visitor.link.id, visitor.user_id, body),
        "priced_by": PRICED_BY,
        "reference": reference,
        "received_at": received_at,
    }
    return Turn(**(known | dict(changes)))
