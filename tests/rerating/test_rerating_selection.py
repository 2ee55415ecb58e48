"""Which answers, in which months, by which version."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from app.errors import Invalid
from app.pricing.book import PriceBook
from app.pricing.models import PriceVersion
from app.rerating.selection import Selection, months
from app.rerating.tariff import IN_FORCE, Tariff

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def test_months_are_those_of_the_operators_clock():
    found = list(months(7, at(2026, 11, 30, 15, 59), at(2026, 12, 31, 16), zone=SHANGHAI))
    assert [month.key for month in found] == ["2026-11", "2026-12", "2027-01"]
    assert (found[1].start, found[1].end) == (at(2026, 11, 30, 16), at(2026, 12, 31, 16))
    assert {month.user_id for month in found} == {7}


def test_months_follow_each_other_without_a_gap_over_a_change_of_the_clock():
    found = list(months(1, at(2026, 1, 1, 12), at(2027, 1, 1, 12), zone=ZoneInfo("Europe/Berlin")))
    assert len(found) == 13
    assert [month.end for month in found[:-1]] == [month.start for month in found[1:]]


def test_a_period_is_half_open():
    period = Selection(at(2026, 11, 1), at(2026, 12, 1), link_id=3, last_event=9)

    def takes(received_at: datetime, link_id: int = 3, event_id: int = 9) -> bool:
        return period.takes(event_id=event_id, link_id=link_id, received_at=received_at)

    assert takes(at(2026, 11, 1))
    assert not takes(at(2026, 12, 1))
    assert not takes(at(2026, 11, 5), link_id=4)
    assert not takes(at(2026, 11, 5), event_id=10)


def test_a_period_that_ends_before_it_begins_is_refused():
    with pytest.raises(Invalid, match="before it begins"):
        Selection(at(2026, 12, 1), at(2026, 12, 1))


def version(number: int, effective_at: datetime, **book) -> PriceVersion:
    document = PriceBook(**book).document()
    return PriceVersion(id=number, effective_at=effective_at, document=document)


VERSIONS = [
    version(1, at(2026, 3, 1)),
    version(2, at(2026, 1, 1), per_point="2"),
    version(3, at(2026, 3, 1), per_point="3", monthly_allowance="4"),
]


def test_in_force_is_the_newest_version_that_had_begun_and_of_two_the_later():
    tariff = Tariff(VERSIONS, IN_FORCE)
    found = [tariff.at(moment)[0] for moment in (at(2025, 1, 1), at(2026, 1, 1), at(2026, 3, 1))]
    assert found == [None, 2, 3]
    assert tariff.at(at(2025, 1, 1))[1] == PriceBook()
    assert tariff.gives_allowances


def test_a_number_is_that_version_at_any_time():
    tariff = Tariff(VERSIONS, 2)
    assert tariff.at(at(2020, 1, 1)) == (2, PriceBook(per_point="2"))
    assert not tariff.gives_allowances
    assert tariff.allowance_of(3) == 4 * 10**9
