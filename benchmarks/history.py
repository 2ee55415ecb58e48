"""Play months of chats into a data directory, through the real books, to look at the console with.

    .venv/bin/python benchmarks/history.py --data-dir /tmp/demo --days 90 --chats 6000

Every answer is metered, priced and posted as if it had come at its time; nothing is written past
the service. The same seed gives the same history. Beside it stands what operators did: plans,
prices, departments, credit that expires, closed months, schedules; a running service makes their
files.
"""

import argparse
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import history_office as office
from app import config
from app.cli.session import Desk, open_desk
from app.closings.months import month_after, month_at
from app.funding import changes
from app.funding.changes import Change
from app.keys import new_reference
from app.links import commands as link_commands
from app.links import store as link_store
from app.links.commands import LinkSpec
from app.money import NANO
from app.plans import store as plan_store
from app.runtime import Runtime
from app.simulator import payloads
from app.simulator.javascript import stringify
from app.tokens import commands as token_commands
from app.tokens import store as token_store
from app.tokens.commands import MintSpec
from app.tokens.issuers import LOCAL
from app.turns.doors import Door
from app.turns.finish import Arrival
from app.users import commands as user_commands
from app.users import store as user_store
from app.users.commands import UserSpec
from rich.progress import track

LINKS = {"support": 5, "sales": 3, "handbook": 2, "legal": 1}
"""Name: how many of the questions, in parts."""
APPS = {
    "support": ("售后助手", "Returns desk"),
    "sales": ("产品顾问",),
    "handbook": ("员工手册",),
    "legal": ("合同审阅",),
}
GIVEN = [
    "Wei",
    "Min",
    "Lei",
    "Na",
    "Jun",
    "Yan",
    "Tao",
    "Fang",
    "Hui",
    "Bo",
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Emma",
    "Felix",
]
FAMILY = [
    "Li",
    "Wang",
    "Zhang",
    "Liu",
    "Chen",
    "Yang",
    "Zhao",
    "Huang",
    "Zhou",
    "Wu",
    "Smith",
    "Braun",
]
GENERATIONS = ("G3", "G4", "G5")
CREDIT = 2000 * NANO
TOP_UP_EVERY = 60
SATURDAY = 5
FAVOURED = 8
LAUNCH = 0.35
"""How busy the first day is, compared with the last."""


@dataclass(frozen=True, slots=True)
class Person:
    user_id: int
    tokens: dict[str, str]


def main() -> None:
    options = parsed()
    os.environ["SHAREAUTH_SERVICE__DATA_DIR"] = str(options.data_dir)
    rng = random.Random(options.seed)
    with open_desk() as desk:
        now = desk.now
        begun = first_moment(now, options.days)
        office.prepare(desk, begun)
        keys = dict(made_links(desk))
        people = list(made_people(desk, rng, options.people, begun))
        runtime = Runtime.build(config.load())
        try:
            moments = sorted(times(rng, now, options.days, options.chats))
            favoured = [person.user_id for person in people[:FAVOURED]]
            calendar = office.Calendar(desk)
            gifts = [begun + timedelta(days=30), now - timedelta(days=20)]
            for number, moment in enumerate(track(moments, description="Playing chats")):
                while gifts and gifts[0] <= moment:
                    office.give(desk, favoured, gifts.pop(0), days=30)
                person = people[int(len(people) * rng.random() ** 2.2)]
                calendar.go_on(person.user_id, moment)
                play(runtime, rng, keys, person, moment)
                if number % TOP_UP_EVERY == 0:
                    top_up(desk, rng.choice(people), moment, f"history:{options.seed}:{number}")
        finally:
            runtime.close()
        first, running = (month_at(at, desk.settings.zone) for at in (begun, now))
        over = (month for month in (first, month_after(first)) if month < running)
        office.keep_books(desk, list(over))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="of a stopped or running service"
    )
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--chats", type=int, default=6000)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def made_links(desk: Desk) -> Iterator[tuple[str, str]]:
    """Each link's name and its key."""
    for name in LINKS:
        with desk.change() as session:
            link = link_store.find_by_name(session, name)
            if link is not None:
                yield name, link_commands.show_key(session, link, keys=desk.keys, now=desk.now)
                continue
            spec = LinkSpec(
                name=name,
                share_url=f"https://fastgpt.example/chat/share?shareId={name}0a1b2c3d",
            )
            made = link_commands.create(
                session, spec, keys=desk.keys, actor=desk.actor, now=desk.now
            )
            yield name, made.key


def made_people(desk: Desk, rng: random.Random, count: int, since: datetime) -> Iterator[Person]:
    for number in range(count):
        given, family = rng.choice(GIVEN), rng.choice(FAMILY)
        subject = f"{given}.{family}{number}".lower()
        with desk.change() as session:
            issuer = token_store.get_issuer(session, LOCAL)
            plan = plan_store.find_by_name(session, office.STAFF) if number % 3 else None
            spec = UserSpec(
                issuer_id=issuer.id,
                subject=subject,
                name=f"{given} {family}",
                plan_id=None if plan is None else plan.id,
            )
            known = user_store.find(session, issuer.id, subject)
            user = known or user_commands.create(
                session, spec, uid=desk.keys.uid(LOCAL, subject), actor=desk.actor, now=since
            )
            office.employ(rng, user)
            tokens = {
                name: token_commands.mint(
                    session,
                    MintSpec(
                        user_id=user.id,
                        link_id=link_store.find_by_name(session, name).id,
                        ttl_s=86400,
                        label="history",
                    ),
                    keys=desk.keys,
                    actor=desk.actor,
                    now=desk.now,
                ).text
                for name in LINKS
            }
            person = Person(user.id, tokens)
        top_up(desk, person, since, f"history:first:{subject}")
        yield person


def top_up(desk: Desk, person: Person, moment: datetime, key: str) -> None:
    change = Change(
        user_id=person.user_id,
        amount=CREDIT,
        currency=desk.settings.billing.currency,
        reason="bank transfer",
        idempotency_key=key,
    )
    changes.top_up(desk.db, change, actor=desk.actor, now=moment)


def first_moment(now: datetime, days: int) -> datetime:
    """No question is older."""
    return (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)


def times(rng: random.Random, now: datetime, days: int, chats: int) -> Iterator[datetime]:
    """Working hours, quiet weekends, slow growth."""
    weights = [
        (LAUNCH + (1 - LAUNCH) * day / days)
        * (0.25 if (now - timedelta(days=days - day)).weekday() >= SATURDAY else 1)
        * rng.uniform(0.8, 1.2)
        for day in range(days + 1)
    ]
    for day in rng.choices(range(days + 1), weights, k=chats):
        hour = min(max(rng.gauss(6, 2.6), 0), 23.9)  # UTC: the early afternoon of Shanghai
        start = first_moment(now, days) + timedelta(days=day)
        moment = start + timedelta(hours=hour, seconds=rng.uniform(0, 59))
        if moment < now:
            yield moment


def play(
    runtime: Runtime,
    rng: random.Random,
    keys: dict[str, str],
    person: Person,
    moment: datetime,
) -> None:
    """One answer on one link; some people ask much more than others."""
    name = rng.choices(list(LINKS), list(LINKS.values()))[0]
    payload = payloads.make(rng, rng.choice(GENERATIONS))[0]
    fields = {**payload.fields, "appName": rng.choice(APPS[name]), "token": person.tokens[name]}
    body = stringify(fields).encode()
    arrival = Arrival(body=body, reference=new_reference(), now=moment.astimezone(UTC))
    runtime.finishes.settle(Door.with_key(keys[name]), arrival)


if __name__ == "__main__":
    main()
