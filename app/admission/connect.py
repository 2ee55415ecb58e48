"""Where Redis is, and one client for it, whatever the topology.

All keys of a deployment live in one slot, so behind Sentinel and in Redis Cluster there is, at any
moment, exactly one server to ask. ``locate`` finds it (slow: asks around, outside of requests);
requests then talk to it directly, with the same few round trips and the same time budget as to a
single server. redis-py's own Sentinel and Cluster clients would look for it within the request.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import MovedError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import Sentinel

from app.errors import Invalid

Address = tuple[str, int]
Topology = Literal["single", "sentinel", "cluster"]

CONNECTIONS_MAX = 1024
"""A pool grows to one connection for each thread that asks at once; a full pool would look like an
outage."""
LOCATE_TIMEOUT_S = 1.0
PATIENCE_S = 0.25
"""How long a second answer may take on a machine so busy that Redis may not have been run."""

_PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379, "cluster": 6379}
_YES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_TLS_TEXT = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
_TLS_FLAGS = ("ssl_check_hostname",)


class RedisUrlInvalid(Invalid):
    """The setting ``redis.url`` cannot be understood."""

    code = "redis_url_invalid"


@dataclass(frozen=True, slots=True)
class Target:
    """A Redis URL taken apart."""

    topology: Topology
    addresses: tuple[Address, ...] = ()
    path: str | None = None
    service: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    """For the servers: db, username, password, TLS."""
    sentinel_options: dict[str, Any] = field(default_factory=dict)


def parse_url(url: str) -> Target:
    """Read ``redis://``, ``rediss://``, ``unix://``, ``sentinel://`` and ``cluster://``.

    Shape: ``scheme://[user:password@]host[:port][,host[:port]...][/...][?option=...]``; the path is
    the database, or ``/service[/database]`` for sentinel. Options: ``ssl``, ``ssl_ca_certs``,
    ``ssl_certfile``, ``ssl_keyfile``, ``ssl_cert_reqs``, ``ssl_check_hostname``, ``db``, and
    ``sentinel_username``, ``sentinel_password`` where the sentinels ask for their own.

    Raises:
        RedisUrlInvalid: says what is wrong; never repeats a password.
    """
    parts = urlsplit(url)
    if parts.scheme != "unix" and parts.scheme not in _PORTS:
        raise RedisUrlInvalid(
            "redis.url: begin with redis://, rediss://, unix://, sentinel:// or cluster://"
        )
    query = dict(parse_qsl(parts.query))
    sentinel_options = _credentials(
        query.pop("sentinel_username", None), query.pop("sentinel_password", None)
    )
    options = _options(parts, query)
    if parts.scheme == "unix":
        if not parts.path:
            raise RedisUrlInvalid("redis.url: unix:// needs the path of a socket")
        return Target("single", path=unquote(parts.path), options=options)
    addresses = tuple(_addresses(parts))
    if parts.scheme == "sentinel":
        service, _, db = parts.path.strip("/").partition("/")
        if not service:
            raise RedisUrlInvalid("redis.url: sentinel:// needs /service after the addresses")
        return Target(
            "sentinel",
            addresses,
            service=unquote(service),
            options=options | _database(db),
            sentinel_options=sentinel_options,
        )
    options |= _database(parts.path.strip("/"))
    if parts.scheme == "cluster":
        if options.pop("db", 0) != 0:
            raise RedisUrlInvalid("redis.url: a cluster has only database 0")
        return Target("cluster", addresses, options=options)
    if len(addresses) != 1:
        raise RedisUrlInvalid(f"redis.url: {parts.scheme}:// takes one address; see cluster://")
    return Target("single", addresses, options=options)


class Server:
    """The one server that holds the keys, and a pool of connections to it. Thread-safe."""

    def __init__(self, target: Target, *, slot_of: str, timeout_s: float) -> None:
        self._target = target
        self._slot = key_slot(slot_of.encode())
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._address: Address | None = None
        self._client: redis.Redis | None = None
        self._patient: redis.Redis | None = None
        if target.topology == "single":
            self._use(next(iter(target.addresses), None))

    @property
    def client(self) -> redis.Redis:
        """The client for the server.

        Raises:
            redis.ConnectionError: it has not been found yet.
        """
        client = self._client
        if client is None:
            raise redis.ConnectionError("the server has not been located yet")
        return client

    @property
    def patient_client(self) -> redis.Redis:
        """The same server, waited for longer; see ``PATIENCE_S``.

        Raises:
            redis.ConnectionError: as for ``client``.
        """
        client = self._patient
        if client is None:
            raise redis.ConnectionError("the server has not been located yet")
        return client

    def locate(self) -> None:
        """Find the server again: it may be another one after a failover.

        Raises:
            redis.RedisError: nobody knows where it is.
        """
        if self._target.topology == "sentinel":
            self._move(self._ask_sentinels())
        elif self._target.topology == "cluster":
            self._move(self._ask_cluster())

    def follow(self, moved: MovedError) -> None:
        """Go where a cluster node says the slot has gone."""
        self._move((str(moved.host), int(moved.port)))

    def close(self) -> None:
        with self._lock:
            clients = self._client, self._patient
            self._client = self._patient = None
        for client in clients:
            if client is not None:
                client.close()

    def _move(self, address: Address) -> None:
        with self._lock:
            if address == self._address and self._client is not None:
                return
            # The old pools are left to the threads that use them; they close with the last one.
            self._use(address)

    def _use(self, address: Address | None) -> None:
        self._address = address
        self._client = self._connect_to(address, self._timeout_s)
        self._patient = self._connect_to(address, max(PATIENCE_S, self._timeout_s))

    def _ask_sentinels(self) -> Address:
        timeouts = _timeouts(LOCATE_TIMEOUT_S)
        sentinel = Sentinel(  # type: ignore[no-untyped-call]
            list(self._target.addresses),
            sentinel_kwargs={**_plain(), **timeouts, **self._target.sentinel_options},
        )
        try:
            host, port = sentinel.discover_master(  # type: ignore[no-untyped-call]
                self._target.service
            )
        finally:
            sentinel.close()
        return str(host), int(port)

    def _ask_cluster(self) -> Address:
        problem: redis.RedisError = redis.ConnectionError("no address of the cluster is known")
        known = (*self._target.addresses, *filter(None, [self._address]))
        for address in known:
            client = self._connect_to(address, LOCATE_TIMEOUT_S)
            try:
                for first, last, primary, *_ in _slot_ranges(client):
                    if first <= self._slot <= last:
                        return str(primary[0] or address[0]), int(primary[1])
            except redis.RedisError as error:
                problem = error
            finally:
                client.close()
        raise problem

    def _connect_to(self, address: Address | None, timeout_s: float) -> redis.Redis:
        options = {**_plain(), **_timeouts(timeout_s), **self._target.options}
        if address is None:
            return redis.Redis(unix_socket_path=self._target.path, **options)
        return redis.Redis(host=address[0], port=address[1], **options)


def _slot_ranges(client: redis.Redis) -> list[Any]:
    ranges = client.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
    return list(ranges) if isinstance(ranges, list) else []


def _plain() -> dict[str, Any]:
    """No round trip but the command's own, and no second try: the budget is a few milliseconds.

    redis-py 8 would otherwise say HELLO for RESP3, send its own name and version, subscribe to
    maintenance notices, and try ten times over with growing pauses.
    """
    return {
        "protocol": 2,
        "driver_info": None,
        "retry": Retry(NoBackoff(), 0),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "max_connections": CONNECTIONS_MAX,
        "decode_responses": True,
    }


def _timeouts(timeout_s: float) -> dict[str, float]:
    return {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}


def _options(parts: SplitResult, query: dict[str, str]) -> dict[str, Any]:
    username, password = query.pop("username", parts.username), query.pop("password", None)
    options = _credentials(username, password or parts.password)
    if "db" in query:
        options |= _database(query.pop("db"))
    if parts.scheme == "rediss" or _flag("ssl", query.pop("ssl", "0")):
        options["ssl"] = True
    options |= {name: query.pop(name) for name in _TLS_TEXT if name in query}
    options |= {name: _flag(name, query.pop(name)) for name in _TLS_FLAGS if name in query}
    if query:
        raise RedisUrlInvalid(f"redis.url: unknown option {min(query)!r}")
    if not options.get("ssl") and any(name.startswith("ssl_") for name in options):
        raise RedisUrlInvalid("redis.url: ssl_ options need rediss:// or ssl=1")
    return options


def _credentials(username: str | None, password: str | None) -> dict[str, Any]:
    given = {"username": username, "password": password}
    return {name: unquote(text) for name, text in given.items() if text}


def _database(text: str) -> dict[str, Any]:
    if not text:
        return {}
    if not text.isascii() or not text.isdigit():
        raise RedisUrlInvalid(f"redis.url: {text!r} is not the number of a database")
    return {"db": int(text)}


def _flag(name: str, text: str) -> bool:
    if text.lower() not in _YES:
        raise RedisUrlInvalid(f"redis.url: {name} is 1 or 0")
    return _YES[text.lower()]


def _addresses(parts: SplitResult) -> Iterator[Address]:
    # Not parts.hostname and parts.port: they know nothing of lists.
    for written in parts.netloc.rpartition("@")[2].split(","):
        try:
            one = urlsplit(f"//{written}")
            host, port = one.hostname, one.port
        except ValueError:
            raise RedisUrlInvalid(f"redis.url: {written!r} is not host:port") from None
        if not host:
            raise RedisUrlInvalid("redis.url: an address is missing")
        yield host, port or _PORTS[parts.scheme]
