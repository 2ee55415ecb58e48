"""Finish bodies of every FastGPT generation, random by seed, each with its exact total."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from app.money import EXACT, NANO
from app.simulator import recipes, texts
from app.simulator.containers import total_of
from app.simulator.javascript import stringify
from app.simulator.nodes import GENERATIONS, Node, Pen
from app.simulator.texts import Json

CUT_SHORT = "cut_short"
_RARE_WEIGHT = 1
_USUAL_WEIGHT = 10


@dataclass(frozen=True, slots=True)
class Payload:
    """What FastGPT posts to finish after one round, and what it is worth.

    ``total`` is exact: points, or the 2023 price in 1e-5 CNY when ``unit`` says so.
    """

    generation: str
    shape: str
    fields: Json
    total: Decimal
    unit: Literal["points", "price"]

    @property
    def name(self) -> str:
        return f"{self.generation} {self.shape}"

    @property
    def is_distinct(self) -> bool:
        """Whether anything in it tells it from another round of the same visitor."""
        return bool(self.fields.get("responseData"))

    def body(self, token: str) -> bytes:
        """The request's body for this visitor, byte for byte as axios would send it."""
        return stringify({"token": token, **self.fields}).encode()

    def nano(self, rates: "Rates") -> tuple[int, int | None]:
        """What the ledger must hold for it: nano-points, and the charge where it is known.

        Each is the exact total, multiplied and then rounded half up, once.
        """
        factor = rates.points_per_price_unit if self.unit == "price" else Decimal(1)
        points = EXACT.multiply(self.total, factor)
        if rates.charge_per_point is None:
            return _nano(points), None
        return _nano(points), _nano(EXACT.multiply(points, rates.charge_per_point))


@dataclass(frozen=True, slots=True)
class Rates:
    """What the operator's settings make of a total.

    ``charge_per_point`` holds all multipliers; None when more than points is priced, so that only
    the service knows what an answer costs.
    """

    points_per_price_unit: Decimal = Decimal("0.00001")
    charge_per_point: Decimal | None = None


def shapes(generation: str) -> Sequence[str]:
    """The names of the shapes that answers of this generation can have."""
    return tuple(recipes.RECIPES[generation])


def make(rng: random.Random, generation: str, shape: str | None = None) -> tuple[Payload, ...]:
    """The finish bodies of one chat: one, or two when it paused for the visitor.

    A shape not asked for by name is drawn; ``generation`` is one of ``GENERATIONS``.
    """
    known = recipes.RECIPES[generation]
    weights = [_RARE_WEIGHT if name in recipes.RARE else _USUAL_WEIGHT for name in known]
    drawn = shape or rng.choices(list(known), weights)[0]
    pen = Pen(rng, generation)
    common = _common(pen)
    return tuple(_payload(pen, drawn, common, nodes) for nodes in known[drawn](pen))


def make_cut_short(rng: random.Random, generation: str) -> Payload:
    """The finish of a round whose visitor closed the page while the answer was streaming."""
    pen = Pen(rng, generation)
    return _payload(pen, CUT_SHORT, _common(pen), recipes.cut_short(pen))


def _common(pen: Pen) -> Json:
    fields: Json = {}
    if pen.generation not in ("G0", "G1"):
        fields["appName"] = texts.app_name(pen.rng)
    if pen.generation == "G5":
        fields["chatId"] = texts.identifier(pen.rng, 24)
    return fields


def _nano(amount: Decimal) -> int:
    return int(EXACT.multiply(amount, Decimal(NANO)).to_integral_value(ROUND_HALF_UP))


def _payload(pen: Pen, shape: str, common: Json, nodes: Sequence[Node]) -> Payload:
    fields = dict(common)
    if shape != "no_response_data":
        fields["responseData"] = [node.fields for node in nodes]
    unit: Literal["points", "price"] = "price" if pen.money == "price" else "points"
    return Payload(pen.generation, shape, fields, total_of(nodes), unit)


__all__ = ["CUT_SHORT", "GENERATIONS", "Payload", "Rates", "make", "make_cut_short", "shapes"]
