"""Settings: one frozen model per ``[section]`` of config.example.toml.

Order of precedence: environment (``SHAREAUTH_SECTION__KEY``; an empty variable counts as not
given), then the TOML file named by ``SHAREAUTH_CONFIG``, then ``PORT`` and ``DATA_DIR`` of the
environment, then the defaults here. A secret ``x`` may come from a file named by ``x_file``.
Nothing outside this module and ``sources`` reads the environment.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from app import sources
from app.alert_settings import AlertSettings, MailSettings
from app.delivery_settings import DeliverySettings
from app.errors import Invalid
from app.export_settings import ExportSettings
from app.report_settings import ReportSettings
from app.retention_settings import Retention
from app.sources import CONFIG_VARIABLE, PREFIX
from app.statement_settings import StatementSettings
from app.visitor_settings import VisitorSettings

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
SECRETS = (
    ("service", "secret_key"),
    ("database", "url"),
    ("redis", "url"),
    ("oidc", "client_secret"),
    ("mail", "password"),
)
"""Settings that may come from a file: ``secret_key_file`` and so on."""
MISSING_KEY = (
    "service.secret_key: required when database.url and redis.url are given; "
    "make one with `openssl rand -hex 32` and keep it with the database's backups"
)


class SettingsError(Invalid):
    """Settings that cannot be used; the message lists every problem, one a line."""

    code = "settings_invalid"


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not a time zone of the IANA database")
    return name


def _split(value: object) -> object:
    """Lists may be written with commas where only text is possible (the environment)."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _with_driver(url: str) -> str:
    """Any spelling of a PostgreSQL address, for the driver that is installed."""
    return re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql+psycopg://", url)


def _known_database(url: SecretStr) -> SecretStr:
    if not re.match(r"(postgresql\+psycopg|sqlite)://.", _with_driver(url.get_secret_value())):
        raise ValueError("begins with postgresql+psycopg:// or sqlite:///")
    return url


def _known_redis(url: SecretStr) -> SecretStr:
    if not re.match(r"(rediss?|unix|sentinels?|clusters?)://.", url.get_secret_value()):
        raise ValueError("begins with redis://, rediss://, unix://, sentinel:// or cluster://")
    return url


Directory = Annotated[Path, AfterValidator(Path.expanduser)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_known_database)]
RedisUrl = Annotated[SecretStr, AfterValidator(_known_redis)]
ZoneName = Annotated[str, AfterValidator(_known_zone)]
Locale = Literal["zh", "en"]
Network = Annotated[
    IPv4Network | IPv6Network, BeforeValidator(lambda v: ip_network(str(v), strict=False))
]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_split)]


class Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )


class Service(Section):
    """Where the service lives and how it listens."""

    data_dir: Directory = Path("data")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    workers: int = Field(default=4, ge=1, le=64)
    threads: int = Field(default=8, ge=1, le=128)
    public_url: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+$")
    """How FastGPT reaches this service; root URLs begin with it. Default: http://host:port."""
    time_zone: ZoneName = "Asia/Shanghai"
    """Days and months of limits, allowances and reports begin by this clock."""
    locale: Locale = "zh"
    """The language of messages when neither the visitor nor the link says one."""
    secret_key: SecretStr | None = Field(default=None, min_length=32)
    """Seals secrets and digests tokens; at least 32 characters; never change it."""
    trusted_proxies: Networks = ()
    """Peers whose X-Forwarded-For is believed."""
    graceful_timeout_s: int = Field(default=30, ge=1)
    """How long requests in flight may take to finish when the service stops."""


class DatabaseSettings(Section):
    """Without ``url``: SQLite in the data directory."""

    url: DatabaseUrl | None = None
    pool_size: int = Field(default=10, ge=1, le=200)
    lock_timeout_s: float = Field(default=5, gt=0)
    on_outage: Literal["serve", "refuse", "admit"] = "serve"
    """While it is away: let in whom a worker remembers and whose balance the gate holds, nobody, or
    also those whose balance and quotas only the database knows. Finishes are spooled."""
    outage_max_s: float = Field(default=3600, ge=0)
    """After so long an outage nobody is let in until it is over."""


class RedisSettings(Section):
    """Without ``url``: the bundled Valkey, with its data in the data directory."""

    url: RedisUrl | None = None
    """redis://, rediss://, unix://, sentinel://h1:26379,h2:26379/service/0 or cluster://h1:6379,h2:6379"""
    namespace: str = Field(default="shareauth", pattern=r"^[a-z0-9_-]{1,32}$")
    timeout_ms: int = Field(default=40, ge=1, le=10_000)
    """What one answer may take before the outage policy decides instead."""
    on_outage: Literal["degrade", "refuse", "admit"] = "degrade"
    retry_after_ms: int = Field(default=500, ge=10)
    """How long the breaker stays open before Redis is asked again."""


class Hooks(Section):
    body_bytes_max: int = Field(default=32 * 1024 * 1024, ge=1024)
    unkeyed_link: str | None = None
    """Name of the link that a root URL without a key stands for; empty: no such root."""
    unkeyed_finish_addresses: Networks = ()
    """The only peers whose finish is taken at the root without a key."""
    staleness_max_s: float = Field(default=2, gt=0)
    """While Redis is away: how long a worker may answer from memory before it asks the database."""
    quarantine_days: int = Field(default=90, ge=1)
    """How long finishes that could not be read are kept."""
    refusals_days: int = Field(default=90, ge=1)
    """How long it can be found why a call was refused."""


class SpoolSettings(Section):
    """Where finishes wait while the database cannot take them."""

    directory: Directory | None = None
    """On a local disk, one for each machine. Default: ``spool`` in the data directory."""
    after_s: float = Field(default=5, gt=0, le=60)
    """How long the database may take over a finish before it is spooled instead."""
    bytes_max: int = Field(default=1024**3, ge=1024**2)
    """Nothing more is spooled then; somebody is told at 50 and at 80 %."""


class Identity(Section):
    session_max_age_s: int = Field(default=12 * 3600, ge=0)
    """How long a visitor who opened a link with a valid token may go on after it expired."""
    allow_private_jwks: bool = False
    """Whether key sets may be fetched from private addresses."""


class Admission(Section):
    ticket_ttl_s: int = Field(default=900, ge=1)
    """After so long without a finish, a question no longer counts as open and its hold is free."""
    first_hold: Decimal = Field(default=Decimal("0.1"), ge=0)
    """What a question holds before any answer on the link has been seen (wallet currency)."""
    first_points: Decimal = Field(default=Decimal("0.1"), ge=0)
    """The same for points quotas."""
    last_question: Literal["admit", "refuse"] = "admit"
    """When less is left, of the balance or of a points quota, than a question is expected to take:
    admit it, holding all that is left, or refuse it."""
    reload_s: int = Field(default=600, ge=10)
    """How long a balance or a count loaded from the ledger serves before it is loaded again."""


class Metering(Section):
    points_per_price_unit: Decimal = Field(default=Decimal("0.00001"), gt=0)
    """What one unit of the 2023 ``price`` field (1e-5 CNY) is worth in points."""
    replay_window_s: int = Field(default=600, ge=0)
    """Bodies without node ids: an identical one within this time is the same finish again."""
    points_per_node_max: Decimal = Field(default=Decimal(1_000_000), gt=0)
    """A node that claims more is not believed: it counts as missing, with a warning."""


class Billing(Section):
    currency: str = Field(default="CNY", pattern=r"^[A-Z][A-Z0-9]{1,11}$")


class Admin(Section):
    """The console, its JSON API, and who may use them."""

    enabled: bool = True
    session_idle_s: int = Field(default=8 * 3600, ge=60)
    """An operator who does nothing for so long signs in again."""
    session_max_age_s: int = Field(default=7 * 24 * 3600, ge=300)
    """So long after the sign-in they do it again in any case."""
    second_factor: Literal["optional", "required"] = "optional"
    """Whether operators with a password must have a second factor."""
    api_calls_per_minute: int = Field(default=600, ge=1)
    """What one API token or session may ask of the JSON API."""


class Oidc(Section):
    """Single sign-on for operators; off without ``issuer_url``."""

    issuer_url: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+$")
    client_id: str = ""
    client_secret: SecretStr | None = None
    redirect_url: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+/admin/sso/finish$")
    """Where the provider sends people back to; by default below ``service.public_url``."""
    label: str = Field(default="Single sign-on", max_length=60)
    """What the button says."""
    scopes: Annotated[tuple[str, ...], BeforeValidator(_split)] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    """The claim that lists somebody's groups; dots reach into objects."""
    roles: dict[str, Literal["owner", "operator", "finance", "support", "viewer"]] = Field(
        default_factory=dict
    )
    """``[oidc.roles]``: group = role; who is in several gets the one that may most."""
    default_role: Literal["owner", "operator", "finance", "support", "viewer"] | None = None
    """For those in none of these groups; without it they are refused."""

    @model_validator(mode="after")
    def _has_a_client(self) -> Self:
        if self.issuer_url and not self.client_id:
            raise ValueError("client_id is required with issuer_url")
        return self


class Logging(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Demo(Section):
    """What the first start of the embedded set-up creates."""

    enabled: bool = True
    credit: Decimal = Field(default=Decimal(1000), ge=0)


class Settings(Section):
    service: Service = Service()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    hooks: Hooks = Hooks()
    spool: SpoolSettings = SpoolSettings()
    identity: Identity = Identity()
    admission: Admission = Admission()
    metering: Metering = Metering()
    reports: ReportSettings = ReportSettings()
    retention: Retention = Retention()
    billing: Billing = Billing()
    statements: StatementSettings = StatementSettings()
    admin: Admin = Admin()
    oidc: Oidc = Oidc()
    visitor: VisitorSettings = VisitorSettings()
    alerts: AlertSettings = AlertSettings()
    mail: MailSettings = MailSettings()
    deliveries: DeliverySettings = DeliverySettings()
    exports: ExportSettings = ExportSettings()
    logging: Logging = Logging()
    demo: Demo = Demo()
    issuers: tuple[dict[str, Any], ...] = ()
    """``[[issuers]]``: validated as ``tokens.issuers.IssuerSpec`` when the runtime is built."""
    messages: dict[Locale, dict[str, str]] = Field(default_factory=dict)
    """``[messages.zh]`` and ``[messages.en]``: the operator's own sentences by code."""

    @property
    def is_production(self) -> bool:
        """Nothing is embedded: both the database and Redis are run by somebody else."""
        return self.database.url is not None and self.redis.url is not None

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.service.time_zone)

    @property
    def database_url(self) -> str:
        if self.database.url is not None:
            return _with_driver(self.database.url.get_secret_value())
        return f"sqlite:///{self.service.data_dir.resolve() / 'shareauth.sqlite3'}"

    @property
    def spool_directory(self) -> Path:
        return self.spool.directory or self.service.data_dir.resolve() / "spool"

    @property
    def public_url(self) -> str:
        fallback = f"http://{self.service.host}:{self.service.port}"
        return (self.service.public_url or fallback).rstrip("/")

    @model_validator(mode="after")
    def _production_has_its_secret(self) -> Self:
        if self.is_production and self.service.secret_key is None:
            raise ValueError(MISSING_KEY)
        return self


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read file and environment.

    Raises:
        SettingsError: anything unknown or wrong, all of it at once.
    """
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    values = sources.read_file(environ, problems)
    sources.overlay_environment(values, environ, problems)
    sources.take_plain_names(values, environ)
    sources.read_secret_files(values, SECRETS, problems)
    settings = _validate(values, problems)
    if problems or settings is None:
        raise SettingsError("settings cannot be used:\n" + "\n".join(f"  - {p}" for p in problems))
    return settings


@contextlib.contextmanager
def chosen(config_file: Path | None, data_dir: Path | None) -> Iterator[None]:
    """Let the options of a command line win, in this process and in those it starts."""
    options = {CONFIG_VARIABLE: config_file, f"{PREFIX}SERVICE__DATA_DIR": data_dir}
    given = {name: str(path) for name, path in options.items() if path is not None}
    before = {name: os.environ[name] for name in given if name in os.environ}
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            os.environ.pop(name, None)
        os.environ.update(before)


def environment() -> Mapping[str, str]:
    """What ``load`` reads, for whoever explains where settings come from."""
    return os.environ


def metrics_directory(environ: Mapping[str, str] | None = None) -> Path | None:
    """Where the worker processes keep their metrics for one another; None in a single process.

    The variable is prometheus_client's own, which reads it when it is first imported.
    """
    environ = os.environ if environ is None else environ
    named = environ.get(METRICS_VARIABLE)
    return Path(named) if named else None


def _validate(values: dict[str, Any], problems: list[str]) -> Settings | None:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        for entry in error.errors(include_input=False, include_url=False):
            place = ".".join(str(part) for part in entry["loc"])
            message = entry["msg"].removeprefix("Value error, ")
            if entry["type"] == "extra_forbidden":
                message = "unknown setting"
            problems.append(f"{place}: {message}" if place else message)
        if _lacks_secret(values) and MISSING_KEY not in problems:
            problems.append(MISSING_KEY)
        return None


def _lacks_secret(values: Mapping[str, Any]) -> bool:
    """The check of ``Settings``, which does not run while another setting is wrong."""
    service, database, redis = (values.get(name) for name in ("service", "database", "redis"))
    return all(
        isinstance(table, dict) and table.get("url") for table in (database, redis)
    ) and not (isinstance(service, dict) and service.get("secret_key"))
