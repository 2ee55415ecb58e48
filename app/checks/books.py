"""SA5xx: prices, links, the ledger, what could not be recorded, and the sums of reports."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.checks.finding import Finding, failed, ok, warning
from app.ledger import verify
from app.links import store as link_store
from app.metering import store as metering_store
from app.pricing import store as price_store
from app.reports.proof import check

VERIFIED = timedelta(days=1)
COMPARED = timedelta(days=2)


def check_books(session: Session, *, currency: str, now: datetime) -> Iterator[Finding]:
    """SA501 to SA505, in one snapshot."""
    yield _check_prices(session, currency, now)
    yield _check_links(session, now)
    yield _check_ledger(session, now)
    yield _check_quarantine(session)
    yield _check_reports(session, now)


def _check_prices(session: Session, currency: str, now: datetime) -> Finding:
    version = price_store.find_in_force(session, now)
    if version is None:
        return warning(
            "SA501",
            "prices",
            "no price book is in force: a FastGPT point costs one unit of the currency",
            "Publish yours with `shareauth prices publish FILE`.",
        )
    book = price_store.book_of(version)
    if book.currency != currency:
        return failed(
            "SA501",
            "prices",
            f"version {version.id} is in {book.currency}, the wallets are in {currency}",
            "Publish prices in the currency of billing.currency, or set that back.",
        )
    return ok("SA501", "prices", f"version {version.id} is in force")


def _check_links(session: Session, now: datetime) -> Finding:
    links = link_store.list_all(session)
    if not links:
        return warning(
            "SA502", "links", "there is none", "Make one: `shareauth links create NAME`."
        )
    keyless = [one.name for one in links if not link_store.list_live_keys(session, one.id, now)]
    if keyless:
        return failed(
            "SA502",
            "links",
            f"no key works for {', '.join(keyless)}",
            "FastGPT is refused there: `shareauth links rotate-key NAME`.",
        )
    homeless = [one.name for one in links if one.share_url is None]
    if homeless:
        return warning(
            "SA502",
            "links",
            f"no share URL for {', '.join(homeless)}",
            "Visitor URLs begin with a placeholder: `shareauth links update NAME --share-url …`.",
        )
    return ok("SA502", "links", f"{len(links)} with keys and share URLs")


def _check_ledger(session: Session, now: datetime) -> Finding:
    """Only the last day: the worker verifies everything every night."""
    found = next(verify.verify(session, since=now - VERIFIED), None)
    if found is not None:
        return failed(
            "SA503",
            "ledger",
            found.message,
            "Run `shareauth ledger verify` for all findings, and keep the last backups.",
        )
    return ok("SA503", "ledger", "the last day adds up; `shareauth ledger verify` reads it all")


def _check_quarantine(session: Session) -> Finding:
    count = metering_store.count_quarantined(session)
    if count:
        return warning(
            "SA504",
            "quarantine",
            f"{count} finishes could not be recorded",
            "They may be money: `shareauth quarantine list`.",
        )
    return ok("SA504", "quarantine", "empty")


def _check_reports(session: Session, now: datetime) -> Finding:
    """Two days, so that a whole one by the operator's clock is among them."""
    found = next(check.differences(session, since=now - COMPARED, until=now), None)
    if found is not None:
        return failed(
            "SA505",
            "reports",
            f"the sums of reports differ from the books: {found}",
            "The books are right: `shareauth usage rebuild` makes the sums anew from them.",
        )
    waits = check.waits_since(session, now=now)
    if waits is not None:
        return warning(
            "SA505",
            "reports",
            f"answers since {waits} are in no report yet",
            "Does `shareauth serve` or `shareauth worker` run? Its log says why they wait.",
        )
    return ok("SA505", "reports", "the last two days equal the books")
