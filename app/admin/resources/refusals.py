"""Why visitors were refused, and what FastGPT called on links."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app import i18n
from app.admin import paging
from app.admin.desk import Desk
from app.admin.inputs import Number
from app.admin.paging import Page, PageQuery
from app.config import Locale
from app.errors import Invalid
from app.links import store as link_store
from app.moments import Moment
from app.sightings import periods, store
from app.sightings.diagnosis import Diagnosed, Level, diagnose, diagnose_stray
from app.sightings.models import NO_LINK, Refusal
from app.sightings.store import After, Seen, Stray, Wanted
from app.users import store as user_store

Hook = Literal["init", "start", "finish", "other"]
Code = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$")]
LATEST = 10
"""How many a page of a user or a link shows."""
COUNTED_FOR = timedelta(days=7)
COUNTED_MAX = timedelta(days=92)
STRAYS_SINCE = timedelta(days=1)
STRAYS_CONSIDERED = 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class LinkRef(BaseModel):
    id: int
    name: str | None = Field(description="Null: it is not in these books.")


class RefusalOut(BaseModel):
    """One hook call that was not answered with yes."""

    reference: str = Field(description="What the visitor read, and what the log has.")
    at: datetime
    hook: Hook
    code: str = Field(description="The rule or reason.")
    link: LinkRef | None = Field(description="Null: the call reached no link.")
    user_id: int | None
    uid: str | None
    issuer: str | None
    subject: str | None
    address: str = Field(description="Who called: FastGPT's server as a rule.")
    called: str = Field(description="Method and path, without secrets.")
    message: str
    details: dict[str, Any] = Field(description="What it named: `limit`, `wait_s`, `balance`.")

    @classmethod
    def of(cls, refusal: Refusal, names: Mapping[int, str]) -> Self:
        link = None
        if refusal.link_id is not None:
            link = LinkRef(id=refusal.link_id, name=names.get(refusal.link_id))
        return cls.model_validate(
            {
                "reference": refusal.reference,
                "at": refusal.at,
                "hook": refusal.hook,
                "code": refusal.code,
                "link": link,
                "user_id": refusal.user_id,
                "uid": refusal.uid,
                "issuer": refusal.issuer,
                "subject": refusal.subject,
                "address": refusal.address,
                "called": refusal.called,
                "message": refusal.message,
                "details": refusal.details,
            }
        )


class RefusalPage(Page[RefusalOut]):
    """Refusals."""


class RefusalQuery(PageQuery):
    """Which refusals."""

    link_id: Number | None = None
    code: Code | None = None
    hook: Hook | None = None
    uid: Annotated[
        str | None, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$", description="Whose.")
    ] = None
    since: Moment | None = None
    until: Annotated[Moment | None, Field(description="Not that moment itself.")] = None
    no_link: Annotated[bool, Field(description="Only calls that reached no link.")] = False


class CountQuery(BaseModel):
    """What is counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: Annotated[Moment | None, Field(description="Default: 7 days before `until`.")] = None
    until: Annotated[Moment | None, Field(description="Default: now.")] = None
    step: Literal["hour", "day"] = "day"
    link_id: Number | None = None
    hook: Hook | None = None
    no_link: bool = False


class CountOut(BaseModel):
    """How many calls were refused for one reason in one hour or day."""

    beginning: datetime = Field(description="By the clock of `service.time_zone`.")
    code: str
    count: int


class CountsOut(BaseModel):
    """Exact also where a flood left no refusal of its own."""

    since: datetime
    until: datetime
    step: Literal["hour", "day"]
    counts: list[CountOut]

    def totals(self) -> dict[str, int]:
        """By code, the most frequent first."""
        sums: dict[str, int] = {}
        for one in self.counts:
            sums[one.code] = sums.get(one.code, 0) + one.count
        return dict(sorted(sums.items(), key=lambda entry: (-entry[1], entry[0])))


class FindingOut(BaseModel):
    """What is wrong with a set-up in FastGPT, and what to do."""

    code: str
    level: Level
    says: str
    do: str
    params: dict[str, str] = Field(description="What the sentences are filled with.")

    @classmethod
    def of(cls, found: Diagnosed) -> Self:
        params = {name: str(value) for name, value in found.params.items()}
        return cls(code=found.code, level=found.level, says=found.says, do=found.do, params=params)


class StrayOut(BaseModel):
    """Calls from one address that reached no link."""

    called: str
    address: str
    code: str
    count: int
    last_at: datetime
    finding: FindingOut

    @classmethod
    def of(cls, stray: Stray) -> Self:
        return cls(
            called=stray.called,
            address=stray.address,
            code=stray.code,
            count=stray.count,
            last_at=stray.last_at,
            finding=FindingOut.of(diagnose_stray(stray, show_time=datetime.isoformat)),
        )


class StrayQuery(BaseModel):
    """Which of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: Annotated[Moment | None, Field(description="Default: 7 days ago.")] = None
    limit: Annotated[int, Field(ge=1, le=paging.LIMIT_MAX)] = 100


class StraysOut(BaseModel):
    """The latest first."""

    items: list[StrayOut]


class CallOut(BaseModel):
    """All calls of one hook of a link that had one answer."""

    hook: Hook
    code: str = Field(description="`ok`, or why not.")
    count: int
    first_at: datetime
    last_at: datetime
    reference: str = Field(description="Of the last one, and so are the following.")
    address: str
    called: str | None
    generation: str | None = Field(description="Of FastGPT, where the answer showed it.")

    @classmethod
    def of(cls, seen: Seen) -> Self:
        return cls.model_validate(seen, from_attributes=True)


class LinkCallsOut(BaseModel):
    """What FastGPT called on a link, and what that tells."""

    findings: list[FindingOut]
    calls: list[CallOut]


def index(desk: Desk, query: RefusalQuery) -> RefusalPage:
    """Newest first; an operator of certain links gets theirs."""
    place = paging.position(query.cursor, int, int)
    after = None if place is None else After(_moment(int(place[0])), int(place[1]))
    with desk.db.read() as session:
        found = store.list_page(session, _wanted(desk, query), limit=query.limit + 1, after=after)
        names = _names(session, found)
    page = paging.page(
        found,
        query.limit,
        shown=lambda one: RefusalOut.of(one, names),
        at=lambda one: paging.cursor((one.at - EPOCH) // MICROSECOND, one.id),
    )
    return RefusalPage(items=page.items, next=page.next)


def show(desk: Desk, reference: str) -> RefusalOut:
    """Raises: ``refusal_not_found``, also when it was on a link that is not theirs."""
    with desk.db.read() as session:
        found = store.get_by_reference(session, reference, link_ids=desk.caller.link_ids)
        return RefusalOut.of(found, _names(session, [found]))


def count(desk: Desk, query: CountQuery) -> CountsOut:
    """Raises: ``period_invalid``, ``period_too_long``."""
    until = query.until or desk.now
    since = query.since or until - COUNTED_FOR
    if since > until:
        raise Invalid("the period ends before it begins", code="period_invalid")
    if until - since > COUNTED_MAX:
        raise Invalid(f"the period is longer than {COUNTED_MAX.days} days", code="period_too_long")
    with desk.db.read() as session:
        quarters = store.count_by_code(
            session, since=since, until=until, link_ids=_counted_links(desk, query), hook=query.hook
        )
    counted = periods.by_code(quarters, step=query.step, zone=desk.settings.zone)
    return CountsOut(
        since=since,
        until=until,
        step=query.step,
        counts=[
            CountOut(beginning=beginning, code=code, count=number)
            for (beginning, code), number in sorted(counted.items())
        ],
    )


def strays(desk: Desk, query: StrayQuery) -> StraysOut:
    """Raises: WholeHouseOnly, for operators of certain links: these calls reached none."""
    desk.check_whole_house()
    since = query.since or desk.now - COUNTED_FOR
    with desk.db.read() as session:
        found = store.list_strays(session, since=since, limit=query.limit)
    return StraysOut(items=[StrayOut.of(stray) for stray in found])


def of_user(desk: Desk, user_id: int) -> list[RefusalOut]:
    """The user's latest, for a page about them; none for who may not see refusals."""
    if not desk.may("refusals:read"):
        return []
    with desk.db.read() as session:
        user = user_store.find_by_id(session, user_id)
        if user is None:
            return []
        return _latest(session, Wanted(uid=user.uid, link_ids=desk.caller.link_ids))


def of_link(desk: Desk, link_id: int) -> list[RefusalOut]:
    """The link's latest, for a page about it; none for who may not see refusals."""
    if not desk.may("refusals:read") or not desk.sees_link(link_id):
        return []
    with desk.db.read() as session:
        return _latest(session, Wanted(link_id=link_id))


def calls_of_link(desk: Desk, link_id: int) -> LinkCallsOut:
    """Raises: ``link_not_found``, also when it is not theirs to see."""
    paging.check_number(link_id, link_store.LinkNotFound.code)
    desk.check_link(link_id)
    with desk.db.read() as session:
        if link_store.find_by_id(session, link_id) is None:
            raise link_store.LinkNotFound("there is no such link")
        seen = store.list_calls(session, link_id)
        near = _strays_for(desk, session)
    found = diagnose(seen, now=desk.now, strays=near, show_time=datetime.isoformat)
    return LinkCallsOut(
        findings=[FindingOut.of(one) for one in found], calls=[CallOut.of(one) for one in seen]
    )


def link_choices(desk: Desk) -> list[LinkRef]:
    """The links whose refusals they may see, by name."""
    with desk.db.read() as session:
        links = link_store.list_names(session)
        return [LinkRef(id=one, name=name) for one, name in links if desk.sees_link(one)]


def told_visitor(desk: Desk, refusal: RefusalOut, locale: Locale) -> str:
    """What the visitor read, as the sentences are now, in this language."""
    of_link: Mapping[str, Mapping[str, str]] = {}
    if refusal.link is not None:
        with desk.db.read() as session:
            link = link_store.find_by_id(session, refusal.link.id)
            of_link = {} if link is None else link.messages
    of_all: Mapping[str, Mapping[str, str]] = {
        code: {str(language): text for language, text in texts.items()}
        for code, texts in i18n.by_code(desk.settings.messages).items()
    }
    return i18n.sentence(refusal.code, locale, refusal.details, of_link, of_all)


def _strays_for(desk: Desk, session: Session) -> Sequence[Stray]:
    if desk.caller.link_ids is not None:
        return ()
    return store.list_strays(session, since=desk.now - STRAYS_SINCE, limit=STRAYS_CONSIDERED)


def _latest(session: Session, wanted: Wanted) -> list[RefusalOut]:
    found = store.list_page(session, wanted, limit=LATEST)
    names = _names(session, found)
    return [RefusalOut.of(one, names) for one in found]


def _names(session: Session, refusals: Iterable[Refusal]) -> dict[int, str]:
    return link_store.names(session, {one.link_id for one in refusals if one.link_id is not None})


def _wanted(desk: Desk, query: RefusalQuery) -> Wanted:
    if query.link_id is not None and query.no_link:
        raise Invalid("a link and no link exclude each other", code="filters_exclude")
    return Wanted(
        uid=query.uid,
        link_id=query.link_id,
        code=query.code,
        hook=query.hook,
        since=query.since,
        until=query.until,
        reached_no_link=query.no_link,
        link_ids=desk.caller.link_ids,
    )


def _counted_links(desk: Desk, query: CountQuery) -> frozenset[int] | None:
    """None: all, and the calls that reached none."""
    scope = desk.caller.link_ids
    if query.link_id is not None:
        wanted = frozenset({query.link_id})
    elif query.no_link:
        wanted = frozenset({NO_LINK})
    else:
        return scope
    return wanted if scope is None else wanted & scope


def _moment(microseconds: int) -> datetime:
    try:
        return EPOCH + microseconds * MICROSECOND
    except OverflowError:
        raise Invalid("this cursor is not one of this list", code="cursor_invalid") from None
