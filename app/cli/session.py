"""What a command works with: settings, database, keys, the gate, who asks and when."""

import contextlib
import functools
import getpass
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from app import config, revision, schema
from app.audit.journal import Actor
from app.cli import foundation
from app.cli.frame import Report
from app.config import Settings
from app.db import Database
from app.errors import Conflict, Invalid
from app.first_start import prepare, secret_key
from app.keys import Keys
from app.tokens import issuers
from app.tokens.issuers import IssuerSpec

if TYPE_CHECKING:
    from app.admission.gate import Gate

M = TypeVar("M", bound=BaseModel)

GATE_TIMEOUT_MS = 1000
UNHEARD = (
    "Done, but Redis does not answer: workers notice the change within a minute. "
    "`shareauth doctor` says more."
)


class SchemaBehind(Conflict):
    """The database is not at the version this program was written for."""

    code = "schema_behind"


class Desk:
    """One command's collaborators; each is made when it is first asked for.

    The gate is told of changes after they are committed. When no Redis answers, because the
    service is stopped, there is nobody to tell: the next worker reads the database.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now = datetime.now(UTC)
        self.actor = Actor(name=_user_name(), source="cli")

    @functools.cached_property
    def db(self) -> Database:
        return Database(
            self.settings.database_url,
            pool_size=2,
            lock_timeout_s=self.settings.database.lock_timeout_s,
        )

    @functools.cached_property
    def keys(self) -> Keys:
        return Keys(secret_key(self.settings))

    @functools.cached_property
    def configured_issuers(self) -> tuple[IssuerSpec, ...]:
        return issuers.parse_configured(self.settings.issuers)

    @functools.cached_property
    def gate(self) -> "Gate":
        # A hook has milliseconds; a person would rather wait than have their change go unheard.
        redis = self.settings.redis.model_copy(update={"timeout_ms": GATE_TIMEOUT_MS})
        patient = self.settings.model_copy(update={"redis": redis})
        # They bring the whole service along, and most commands need neither.
        from app.admission.gate import Gate  # noqa: PLC0415
        from app.runtime import redis_url  # noqa: PLC0415

        return Gate(patient, url=redis_url(patient))

    @contextlib.contextmanager
    def change(self) -> Iterator[Session]:
        """One transaction; when it commits, every worker hears that links or users have changed."""
        with self.db.begin() as session:
            before = revision.current(session)
            yield session
            after = revision.current(session)
        if after > before:
            self.announce(after)

    def announce(self, number: int) -> None:
        """Tell the workers of a committed change, and the person when Redis could not be told."""
        is_told = self.gate.announce(number)
        if not is_told and self.settings.redis.url is not None:
            click.echo(UNHEARD, err=True)

    def close(self) -> None:
        for name in ("gate", "db"):
            if name in vars(self):
                vars(self)[name].close()


@contextlib.contextmanager
def open_desk() -> Iterator[Desk]:
    """A desk on a database that has this version's tables and what every installation needs.

    An embedded set-up that was never started is made here; a given database never is, for its
    address may be mistyped.

    Raises:
        SchemaBehind: migrations are missing.
    """
    desk = Desk(config.load())
    try:
        _ensure_ready(desk)
        yield desk
    finally:
        desk.close()


def with_desk(command: Callable[..., Report]) -> Callable[..., Report]:
    """Give ``command`` a desk as its first argument, closed when it returns."""

    @functools.wraps(command)
    def at_desk(*args: Any, **kwargs: Any) -> Report:  # noqa: ANN401 - whatever click parsed
        with open_desk() as desk:
            return command(desk, *args, **kwargs)

    return at_desk


def validated(model: type[M], values: dict[str, object]) -> M:
    """The spec made of what was typed.

    Raises:
        Invalid: names each value that is wrong, and why.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_problem(entry) for entry in error.errors(include_url=False))
        raise Invalid(problems) from None


def _problem(entry: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in entry["loc"])
    message = str(entry["msg"]).removeprefix("Value error, ")
    if entry["type"] == "extra_forbidden":
        message = "not known here"
    return f"{place}: {message}" if place else message


def _ensure_ready(desk: Desk) -> None:
    settings = desk.settings
    is_embedded = settings.database.url is None
    if is_embedded:
        prepare(settings.service.data_dir)
    found = schema.current(desk.db)
    if found is None and is_embedded:
        schema.upgrade(desk.db)
    elif not schema.serves(found):
        state = "has no tables yet" if found is None else f"is at {found}, not {schema.head()}"
        raise SchemaBehind(f"the database {state}: run `shareauth db upgrade`")
    foundation.ensure(desk.db, settings, actor=desk.actor, now=desk.now)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except OSError:  # no name for this uid, as in a container with an arbitrary one
        return "unknown"
