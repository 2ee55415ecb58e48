"""The price book: what usage costs a visitor, in the currency of the wallets."""

import hashlib
import json
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue

from app.money import EXACT

MODELS_MAX = 500


def _exact(value: object) -> object:
    """The Decimal that text or an integer says, also where nothing else is converted."""
    if isinstance(value, float):
        raise ValueError('write amounts as text, such as "0.25": a float is not exact')  # noqa: TRY004 - pydantic turns it into its own error
    if isinstance(value, str | int) and not isinstance(value, bool):
        try:
            return Decimal(value)
        except InvalidOperation:
            raise ValueError('write amounts as plain decimals, such as "0.25"') from None
    return value


def _shortest(value: Decimal) -> Decimal:
    return Decimal(plain(value))


def plain(value: Decimal) -> str:
    """An exact amount as decimal text without exponent and trailing zeros."""
    text = f"{value.normalize(EXACT):f}"
    return "0" if text == "-0" else text


_AS_JSON: JsonSchemaValue = {
    "anyOf": [
        {"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,9})?$"},
        {"type": "integer", "minimum": 0, "maximum": 10**6},
    ]
}

Price = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(ge=0, le=10**6, decimal_places=9),
    AfterValidator(_shortest),
    WithJsonSchema(_AS_JSON, mode="validation"),
]


class ModelPrice(BaseModel):
    """What tokens of the models that match cost, beside what their points cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")
    """A glob over the display name FastGPT sends: ``*``, ``?``, ``[…]``; case does not matter."""
    applies: Literal["always", "zero_points"] = "always"
    """``zero_points``: only where FastGPT charged no points, as with a team's own key."""
    input_per_1k: Price = Decimal(0)
    output_per_1k: Price = Decimal(0)
    embedding_per_1k: Price = Decimal(0)
    rerank_per_1k: Price = Decimal(0)

    def matches(self, model: str) -> bool:
        return fnmatchcase(model.casefold(), self.pattern.casefold())


class PriceBook(BaseModel):
    """One version of the prices. Amounts are text in JSON, with up to nine decimals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str = Field(default="CNY", pattern=r"^[A-Z][A-Z0-9]{1,11}$")
    per_point: Price = Decimal(1)
    per_question: Price = Decimal(0)
    """Added for every answer."""
    minimum: Price = Decimal(0)
    """An answer costs at least this, after multipliers and before the allowance."""
    zero_usage: Literal["free", "charged"] = "free"
    """Whether ``per_question`` and ``minimum`` also hold for an answer in which no model was called
    and no points were used, such as one that failed at once."""
    monthly_allowance: Price = Decimal(0)
    """What each user may use for free in a calendar month of the operator's time zone."""
    cost_per_point: Price | None = None
    """What a point costs the operator; charges nobody, and is for reports of the margin alone."""
    models: tuple[ModelPrice, ...] = Field(default=(), max_length=MODELS_MAX)
    """The first that matches the model, and whose ``applies`` holds, prices a line."""

    def document(self) -> dict[str, object]:
        """The book as stored: JSON-safe, amounts as text. What is not said is not there."""
        return self.model_dump(mode="json", exclude_none=True)

    def digest(self) -> str:
        """SHA-256 in hex; equal books have equal digests however their amounts were written."""
        canonical = json.dumps(
            self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def is_free(self) -> bool:
        """Whether nothing can ever cost anything by this book."""
        amounts = [self.per_point, self.per_question, self.minimum]
        for rule in self.models:
            amounts += [
                rule.input_per_1k,
                rule.output_per_1k,
                rule.embedding_per_1k,
                rule.rerank_per_1k,
            ]
        return not any(amounts)


DEFAULT_BOOK = PriceBook()
"""Before any version is published: a point costs one unit, nothing else costs anything."""
