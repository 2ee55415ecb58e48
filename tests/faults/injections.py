"""Every fault, by name. Each begins at once and returns what ends it."""

import contextlib
import random
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import psutil
import psycopg
import redis

from faults import processes
from faults.clock import AHEAD_S
from faults.cluster import Cluster
from faults.proxy import Behaviour

Heal = Callable[[], None]
Inject = Callable[[Cluster, random.Random], Heal]
BOTH = ("sqlite", "postgresql")
MOMENT = (0.0, 0.0)
"""Of faults that are over as soon as they have happened."""
SECONDS = (0.5, 4.0)
COMMIT = b"COMMIT"


@dataclass(frozen=True, slots=True)
class Fault:
    """``target`` is what it breaks: two faults of one target never overlap.

    ``lasts`` bounds how long, in seconds.
    """

    name: str
    target: Literal["service", "valkey", "database", "disk", "clock"]
    lasts: tuple[float, float]
    databases: tuple[str, ...]
    inject: Inject


FAULTS: dict[str, Fault] = {}


def _fault(
    target: Literal["service", "valkey", "database", "disk", "clock"],
    lasts: tuple[float, float] = SECONDS,
    on: tuple[str, ...] = BOTH,
) -> Callable[[Inject], Inject]:
    def register(inject: Inject) -> Inject:
        name = inject.__name__
        FAULTS[name] = Fault(name, target, lasts, on, inject)
        return inject

    return register


def _over() -> None:
    """Nothing to end."""


@_fault("service", MOMENT)
def worker_killed(cluster: Cluster, chance: random.Random) -> Heal:
    processes.send(_one_of(cluster.workers(), chance), signal.SIGKILL)
    return _over


@_fault("service", MOMENT)
def all_workers_killed(cluster: Cluster, _chance: random.Random) -> Heal:
    processes.send(cluster.workers(), signal.SIGKILL)
    return _over


@_fault("service", MOMENT)
def jobs_killed(cluster: Cluster, _chance: random.Random) -> Heal:
    processes.send(cluster.jobs(), signal.SIGKILL)
    return _over


@_fault("service", MOMENT)
def parent_killed(cluster: Cluster, _chance: random.Random) -> Heal:
    cluster.tell(signal.SIGKILL)
    return _over


@_fault("service", MOMENT)
def everything_killed(cluster: Cluster, _chance: random.Random) -> Heal:
    """As when the machine's memory runs out, or a container is killed."""
    family = cluster.service_processes()
    cluster.tell(signal.SIGKILL)
    processes.send(family, signal.SIGKILL)
    return _over


@_fault("service")
def worker_frozen(cluster: Cluster, chance: random.Random) -> Heal:
    return processes.freeze(_one_of(cluster.workers(), chance))


@_fault("service")
def jobs_frozen(cluster: Cluster, _chance: random.Random) -> Heal:
    return processes.freeze(cluster.jobs())


@_fault("service", MOMENT)
def reloaded(cluster: Cluster, _chance: random.Random) -> Heal:
    cluster.tell(signal.SIGHUP)
    return _over


@_fault("service", MOMENT)
def restarted(cluster: Cluster, _chance: random.Random) -> Heal:
    """In order: what is in flight is finished, and the next one starts."""
    cluster.tell(signal.SIGTERM)
    return _over


@_fault("valkey")
def valkey_killed(cluster: Cluster, _chance: random.Random) -> Heal:
    return cluster.valkey.kill()


@_fault("valkey", MOMENT)
def valkey_restarted(cluster: Cluster, _chance: random.Random) -> Heal:
    """It comes back at once, empty."""
    cluster.valkey.kill()()
    return _over


@_fault("valkey", MOMENT)
def valkey_flushed(cluster: Cluster, _chance: random.Random) -> Heal:
    with contextlib.suppress(redis.RedisError), contextlib.closing(cluster.valkey.client()) as it:
        it.flushall()
    return _over


@_fault("valkey")
def valkey_frozen(cluster: Cluster, _chance: random.Random) -> Heal:
    return cluster.valkey.freeze()


@_fault("valkey", on=("postgresql",))
def valkey_replies_lost(cluster: Cluster, chance: random.Random) -> Heal:
    """Scripts run, and nobody hears of it."""
    lost = Behaviour(cut="after", trigger=b"EVALSHA", share=0.3)
    cluster.valkey.proxy.behave(lost, chance.getrandbits(32))
    return cluster.valkey.proxy.pass_all


@_fault("valkey", on=("postgresql",))
def valkey_slow(cluster: Cluster, chance: random.Random) -> Heal:
    cluster.valkey.proxy.behave(Behaviour(delay_s=chance.uniform(0.01, 0.2)))
    return cluster.valkey.proxy.pass_all


@_fault("database", on=("postgresql",))
def database_killed(cluster: Cluster, _chance: random.Random) -> Heal:
    cluster.postgres.kill()
    return cluster.postgres.start


@_fault("database", on=("postgresql",))
def database_frozen(cluster: Cluster, _chance: random.Random) -> Heal:
    return cluster.postgres.freeze()


@_fault("database", on=("postgresql",))
def backend_frozen(cluster: Cluster, chance: random.Random) -> Heal:
    return processes.freeze(_one_of(cluster.postgres.backends(), chance))


@_fault("database", MOMENT, on=("postgresql",))
def backend_killed(cluster: Cluster, chance: random.Random) -> Heal:
    """The server then ends all others and recovers, as it does after any crash."""
    processes.send(_one_of(cluster.postgres.backends(), chance), signal.SIGKILL)
    return cluster.postgres.start


@_fault("database", on=("postgresql",))
def commits_unheard(cluster: Cluster, chance: random.Random) -> Heal:
    """The connection breaks after the commit, before the service hears of it."""
    behaviour = Behaviour(cut="after", trigger=COMMIT, share=chance.uniform(0.2, 0.8))
    cluster.database_proxy.behave(behaviour, chance.getrandbits(32))
    return cluster.database_proxy.pass_all


@_fault("database", on=("postgresql",))
def commits_lost(cluster: Cluster, chance: random.Random) -> Heal:
    """The connection breaks before the server is told to commit."""
    behaviour = Behaviour(cut="before", trigger=COMMIT, share=chance.uniform(0.2, 0.8))
    cluster.database_proxy.behave(behaviour, chance.getrandbits(32))
    return cluster.database_proxy.pass_all


@_fault("database", on=("postgresql",))
def database_slow(cluster: Cluster, chance: random.Random) -> Heal:
    cluster.database_proxy.behave(Behaviour(delay_s=chance.uniform(0.02, 0.6)))
    return cluster.database_proxy.pass_all


@_fault("database", on=("postgresql",))
def database_silent(cluster: Cluster, chance: random.Random) -> Heal:
    """The network takes everything and brings nothing; some connections never come back."""
    cluster.database_proxy.behave(Behaviour(is_silent=True))
    are_cut = chance.random() < 0.5

    def end() -> None:
        if are_cut:
            cluster.database_proxy.cut_all()
        cluster.database_proxy.pass_all()

    return end


@_fault("database", on=("postgresql",))
def database_unreachable(cluster: Cluster, _chance: random.Random) -> Heal:
    cluster.database_proxy.behave(Behaviour(refuses=True))
    cluster.database_proxy.cut_all()
    return cluster.database_proxy.pass_all


@_fault("database", on=("postgresql",))
def wallets_locked(cluster: Cluster, _chance: random.Random) -> Heal:
    """Somebody's long transaction."""
    stack = contextlib.ExitStack()
    with contextlib.suppress(psycopg.Error):
        connection = stack.enter_context(contextlib.closing(cluster.postgres.connect()))
        connection.execute("SET lock_timeout = '5s'")
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE ledger_accounts IN ACCESS EXCLUSIVE MODE")
    return stack.close


@_fault("database", on=("sqlite",))
def sqlite_locked(cluster: Cluster, _chance: random.Random) -> Heal:
    """Another program holds the write lock."""
    stack = contextlib.ExitStack()
    with contextlib.suppress(sqlite3.Error):
        path = cluster.data_dir / "shareauth.sqlite3"
        connection = sqlite3.connect(path, timeout=5, check_same_thread=False)
        stack.enter_context(contextlib.closing(connection))
        connection.isolation_level = None
        connection.execute("BEGIN EXCLUSIVE")
    return stack.close


@_fault("disk")
def disk_full(cluster: Cluster, _chance: random.Random) -> Heal:
    """Of the spool, and of SQLite where that is the database."""
    return cluster.disk.fill()


@_fault("clock")
def clock_set_ahead(cluster: Cluster, chance: random.Random) -> Heal:
    cluster.clock.set(AHEAD_S + chance.choice((61, 700, 2 * 3600, 11 * 3600)))
    return cluster.clock.set_right


@_fault("clock")
def clock_set_back(cluster: Cluster, chance: random.Random) -> Heal:
    cluster.clock.set(AHEAD_S - chance.choice((5, 61, 700, 3 * 3600)))
    return cluster.clock.set_right


def _one_of(found: list[psutil.Process], chance: random.Random) -> list[psutil.Process]:
    return [chance.choice(found)] if found else []
