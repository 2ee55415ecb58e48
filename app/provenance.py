"""The effective settings, each with where it comes from, for people who look at them.

Secrets are told as given or not given; their values never leave the settings.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from app import config, sources
from app.config import SECRETS, Settings
from app.sources import PREFIX

FIXED_WHILE_RUNNING = (
    ("service", "host"),
    ("service", "port"),
    ("service", "data_dir"),
    ("service", "secret_key"),
    ("database", "url"),
    ("redis", "url"),
)
"""What only a restart changes: sockets, the bundled Valkey and the lock belong to the parent."""
NAMED_PLAINLY = {
    "service.data_dir": "Where the embedded database, the bundled Valkey, the secret and the spool "
    "live.",
    "service.host": "The address it listens on.",
    "service.port": "The port it listens on.",
    "service.workers": "Processes that answer requests.",
    "service.threads": "Requests that one of them answers at a time.",
    "database.url": "PostgreSQL, or another SQLite file; without it SQLite in the data directory.",
    "database.pool_size": "Connections that each process keeps at most.",
    "database.lock_timeout_s": "How long a change waits for another one's lock.",
    "redis.namespace": "With it begin all keys in Redis.",
    "redis.on_outage": "While Redis is away: let in by what a worker knows, nobody, or everybody.",
    "hooks.body_bytes_max": "Larger bodies are refused; a larger finish is quarantined unread.",
    "billing.currency": "Of the wallets and the prices.",
    "admin.enabled": "Whether there is a console and its JSON API.",
    "oidc.issuer_url": "Who signs operators in.",
    "oidc.client_id": "The service's name there.",
    "oidc.client_secret": "The service's secret there.",
    "oidc.scopes": "What is asked of it.",
    "logging.level": "The least weight of what is logged.",
    "logging.format": "Of the lines of the log.",
    "demo.enabled": "Whether the first start makes a link and visitors to try.",
    "demo.credit": "What each of these visitors has.",
    "mail.host": "The server; without it no mail is sent.",
    "mail.port": "Its port.",
    "mail.username": "For signing in there.",
    "mail.password": "For signing in there.",
    "mail.sender": "The address that mail comes from.",
    "mail.timeout_s": "How long sending one may take.",
}
"""Settings whose names say enough where they are declared, not to whoever only looks at them."""
PLAIN_NAMES = {"port": "PORT", "data_dir": "DATA_DIR"}

Origin = Literal["default", "file", "environment", "secret_file", "start"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``value`` and ``default`` are text; None: not given, or a secret.

    ``origin`` ``start``: whoever started the service gave it in the program.
    """

    section: str
    name: str
    value: str | None
    default: str | None
    origin: Origin
    is_secret: bool
    is_given: bool
    needs_restart: bool
    meaning: str | None


def explain(settings: Settings, environ: Mapping[str, str] | None = None) -> list[Setting]:
    """Every setting of every section, in the order of the configuration.

    Where they come from is looked up now: in the file, the environment.
    """
    environ = config.environment() if environ is None else environ
    in_file = sources.read_file(environ, [])
    return [
        _setting(section, name, field, settings, in_file, environ)
        for section, part in _sections(settings)
        for name, field in type(part).model_fields.items()
    ] + [_table(name, settings, in_file) for name in ("issuers", "messages")]


def _sections(settings: Settings) -> Iterator[tuple[str, BaseModel]]:
    for name in type(settings).model_fields:
        part = getattr(settings, name)
        if isinstance(part, BaseModel):
            yield name, part


def _setting(
    section: str,
    name: str,
    field: FieldInfo,
    settings: Settings,
    in_file: Mapping[str, Any],
    environ: Mapping[str, str],
) -> Setting:
    value = getattr(getattr(settings, section), name)
    default = field.get_default(call_default_factory=True)
    is_secret = (section, name) in SECRETS or isinstance(value, SecretStr)
    is_given = value is not None if is_secret else value != default
    return Setting(
        section=section,
        name=name,
        value=None if is_secret else _text(value),
        default=None if is_secret else _text(default),
        origin=_origin(section, name, in_file, environ, is_given=is_given),
        is_secret=is_secret,
        is_given=is_given,
        needs_restart=(section, name) in FIXED_WHILE_RUNNING,
        meaning=_one_line(field.description or NAMED_PLAINLY.get(f"{section}.{name}")),
    )


def _origin(
    section: str,
    name: str,
    in_file: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    is_given: bool,
) -> Origin:
    variable = f"{PREFIX}{section}__{name}".upper()
    if environ.get(variable):
        return "environment"
    if (section, name) in SECRETS and environ.get(f"{variable}_FILE"):
        return "secret_file"
    table = in_file.get(section)
    if isinstance(table, dict) and name in table:
        return "file"
    if (section, name) in SECRETS and isinstance(table, dict) and f"{name}_file" in table:
        return "secret_file"
    if section == "service" and environ.get(PLAIN_NAMES.get(name, "")):
        return "environment"
    return "start" if is_given else "default"


def _table(name: str, settings: Settings, in_file: Mapping[str, Any]) -> Setting:
    """Issuers and messages: how many. Issuers may hold secrets, so nothing of them is told."""
    count = len(getattr(settings, name))
    field = type(settings).model_fields[name]
    return Setting(
        section=name,
        name=name,
        value=str(count),
        default="0",
        origin="file" if name in in_file else "start" if count else "default",
        is_secret=False,
        is_given=count > 0,
        needs_restart=False,
        meaning=_one_line(field.description),
    )


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} = {one}" for key, one in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _one_line(text: str | None) -> str | None:
    return None if text is None else " ".join(text.replace("``", "").split())
