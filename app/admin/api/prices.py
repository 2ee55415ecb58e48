"""``/prices``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.paging import PageQuery
from app.admin.resources import calculator, prices
from app.admin.resources.calculator import CalculationIn, CostOut, MeteringIn
from app.admin.resources.prices import (
    PricePreviewIn,
    PricePreviewOut,
    PricePublishIn,
    PriceVersionOut,
    PriceVersionPage,
)

section = Section("prices", "Prices")


@section.get("/prices", permission="prices:read")
def list_prices(desk: Desk, query: PageQuery) -> PriceVersionPage:
    """List versions of the price book, the one that takes effect last first."""
    return prices.index(desk, query)


@section.get("/prices/current", permission="prices:read")
def get_current_prices(desk: Desk) -> PriceVersionOut:
    """Show the prices in force."""
    return prices.show(desk, None)


@section.get("/prices/<int:version>", permission="prices:read")
def get_prices(desk: Desk, version: int) -> PriceVersionOut:
    """Show one version."""
    return prices.show(desk, version)


@section.post("/prices/preview", permission="prices:read")
def preview_prices(desk: Desk, body: PricePreviewIn) -> PricePreviewOut:
    """Try prices on what was used.

    Says what the answers of a period, the last month by default, would have cost: by model, node
    kind and user, against the prices that would be replaced. Of many answers every n-th is priced.
    Nothing is published.
    """
    return prices.preview(desk, body)


@section.post("/prices", permission="prices:write", status=201)
def publish_prices(desk: Desk, body: PricePublishIn) -> PriceVersionOut:
    """Publish a new version.

    Answers are charged by the version in force when their finish comes; nothing charged before
    changes. Give `expect`, and only what was previewed is published.
    """
    return prices.publish(desk, body)


@section.post("/prices/calculate", permission="prices:read")
def calculate_cost(desk: Desk, body: CalculationIn) -> CostOut:
    """Say what a chat with these model calls would cost, step by step."""
    return calculator.calculate(desk, body)


@section.post("/prices/meter", permission="prices:read")
def meter_response(desk: Desk, body: MeteringIn) -> CostOut:
    """Meter and price a responseData of FastGPT.

    It is counted as a finish would be, and kept nowhere.
    """
    return calculator.meter(desk, body)
