"""What pricing again would change, user by user: read in one snapshot, nothing is written."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from app.db import Database
from app.rerating import selection as periods
from app.rerating import store, tariff
from app.rerating.priced import Outcome
from app.rerating.selection import Month, Selection
from app.rerating.store import Owner
from app.rerating.tariff import Target
from app.rerating.walk import Quest, Walk

LEFT_MAX = 100
"""So many answers that are left as they are stand in a preview by name; the others are counted."""
DIGEST_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Left:
    """An answer that cannot be priced again, and why: a code of ``priced.PROBLEMS``."""

    reference: str
    owner: Owner
    problem: str


@dataclass(frozen=True, slots=True)
class UserSums:
    """What would change for one user; nano-units.

    ``events`` are priced again, ``changes`` of them to another charge or another free part;
    ``left`` are not. ``charged`` is what they cost before the run, ``would_be`` after it.
    ``to_book`` is the change of the wallet that is not booked yet, in ``open_months``.
    """

    owner: Owner
    events: int
    changes: int
    left: int
    charged: int
    would_be: int
    to_book: int
    open_months: tuple[Month, ...]

    @property
    def difference(self) -> int:
        return self.would_be - self.charged

    @property
    def balance_after(self) -> int:
        return self.owner.balance + self.to_book

    @property
    def falls_below_zero(self) -> bool:
        """The wallet would have less than nothing, and less than now."""
        return self.to_book < 0 and self.balance_after < 0


@dataclass(frozen=True, slots=True)
class Preview:
    """What was found. ``digest`` stands for every change and every answer that is left.

    ``quest`` is what was asked, bounded to the events that were there.
    """

    digest: str
    quest: Quest
    users: tuple[UserSums, ...]
    left: tuple[Left, ...]
    left_by_problem: Counter[str]

    def total(self, name: str) -> int:
        """The sum of one number of all users, such as ``changes`` or ``difference``."""
        return sum(getattr(user, name) for user in self.users)

    @property
    def below_zero(self) -> tuple[UserSums, ...]:
        return tuple(user for user in self.users if user.falls_below_zero)


@dataclass(slots=True)
class _Sums:
    events: int = 0
    changes: int = 0
    left: int = 0
    charged: int = 0
    would_be: int = 0
    to_book: int = 0
    open_months: list[Month] = field(default_factory=list)

    def add(self, one: Outcome, month: Month) -> None:
        if one.after is None:
            self.left += 1
            return
        self.events += 1
        self.changes += one.is_change
        self.charged += one.before.charge
        self.would_be += one.after.charge
        self.to_book += one.current.charge - one.after.charge
        if one.is_open and month not in self.open_months:
            self.open_months.append(month)


@dataclass(slots=True)
class _Findings:
    digest: Any = field(default_factory=hashlib.sha256)
    left: list[Left] = field(default_factory=list)
    left_by_problem: Counter[str] = field(default_factory=Counter)

    def add(self, one: Outcome, owner: Owner) -> None:
        if one.problem is not None:
            self.left_by_problem[one.problem] += 1
            if len(self.left) < LEFT_MAX:
                self.left.append(Left(one.reference, owner, one.problem))
        if one.problem is not None or one.is_change:
            self.digest.update(f"{one.digested()}\n".encode())


def preview(
    db: Database, selection: Selection, target: Target, *, zone: ZoneInfo, run: str | None = None
) -> Preview:
    """Price the selected answers again and add them up, in memory that grows with the users only.

    ``run`` is the digest of a preview that may have been applied in part: what that run has booked
    is looked through, so that the same preview comes out as before it. ``zone`` is the operator's.

    Raises:
        PriceVersionNotFound: the target is no version.
    """
    findings = _Findings()
    users: list[UserSums] = []
    with db.read() as session:
        bounded = replace(selection, last_event=store.last_event(session))
        quest = Quest(bounded, tariff.load(session, target), run)
        for spans in store.iter_spans(session, bounded):
            owners = store.load_owners(session, [span.user_id for span in spans])
            for span in spans:
                owner = owners[span.user_id]
                sums = _Sums()
                for month in periods.months(span.user_id, span.first, span.last, zone=zone):
                    _add_month(Walk(session, quest, month), month, owner, sums, findings)
                users.append(_user_sums(owner, sums))
    return Preview(
        digest=findings.digest.hexdigest()[:DIGEST_LENGTH],
        quest=quest,
        users=tuple(users),
        left=tuple(findings.left),
        left_by_problem=findings.left_by_problem,
    )


def _add_month(walk: Walk, month: Month, owner: Owner, sums: _Sums, findings: _Findings) -> None:
    while page := walk.page():
        for one in page:
            sums.add(one, month)
            findings.add(one, owner)


def _user_sums(owner: Owner, sums: _Sums) -> UserSums:
    return UserSums(
        owner=owner,
        events=sums.events,
        changes=sums.changes,
        left=sums.left,
        charged=sums.charged,
        would_be=sums.would_be,
        to_book=sums.to_book,
        open_months=tuple(sums.open_months),
    )
