"""What the pages of codes, jobs and refusals show: people, a link, and calls on it."""

from dataclasses import dataclass
from typing import Any

from app.errors import Person
from app.sightings import store
from app.sightings.tally import Tally

from admin_builders import House
from books import make_link, make_users
from sighting_builders import refused, seen


@dataclass
class Scene:
    """Three users (``u_0`` is ``users[0]``), a link that FastGPT calls and one that it does not."""

    house: House
    users: list[int]
    link: int
    silent_link: int

    def saw(self, *sightings: Any) -> None:
        """These calls have reached the database."""
        tally = Tally(on_dropped=lambda *_: None)
        tally.add(sightings)
        with self.house.db.begin() as session:
            store.write(session, calls=tally.calls({}), refusals=tally.refusals, links={})

    def refused(self, code: str, **said: Any) -> Any:
        """A refusal of ``person-0`` on the link, written; ``said`` as of a sighting."""
        person = Person(self.users[0], "u_0", "portal", "person-0")
        link_id = said.pop("link_id", self.link)
        values = {"at": self.house.now, "person": person if link_id else None, **said}
        made = refused(code, link_id, **values)
        self.saw(made)
        return made

    def called(self, hook: str, **said: Any) -> None:
        self.saw(seen(hook, self.link, **{"at": self.house.now, **said}))


def make_scene(house: House) -> Scene:
    with house.db.begin() as session:
        users = make_users(session, house.now, 3)
        link = make_link(session, house.now, "helpdesk")
        silent = make_link(session, house.now, "silent")
    return Scene(house, users, link, silent)
