"""Settings: where they come from, which wins, and that nothing wrong gets through."""

import re
import tomllib
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path

import pytest
from app import config, sources
from app.config import Settings, SettingsError, load
from pydantic import BaseModel

EXAMPLE = Path(__file__).resolve().parents[1] / "config.example.toml"
SECRET = "0123456789abcdef0123456789abcdef"
PRODUCTION = {
    "SHAREAUTH_DATABASE__URL": "postgresql+psycopg://u:pw@db/shareauth",
    "SHAREAUTH_REDIS__URL": "redis://redis/0",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """No config.toml of the checkout is picked up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "DEFAULT_CONFIG_FILES", (Path("config.toml"),))


def _problems(environ):
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return caught.value.message.splitlines()[1:]


def _file(tmp_path, text):
    path = tmp_path / "given.toml"
    path.write_text(text, "utf-8")
    return {"SHAREAUTH_CONFIG": str(path)}


def test_nothing_given_is_the_embedded_setup():
    settings = load({"HOME": "/nowhere", "PATH": "/bin"})
    assert settings == Settings()
    assert not settings.is_production
    assert settings.database_url.startswith("sqlite:////")
    assert settings.database_url.endswith("/data/shareauth.sqlite3")
    assert settings.public_url == "http://127.0.0.1:8080"


def test_environment_wins_over_the_file_and_the_file_over_defaults(tmp_path):
    environ = _file(tmp_path, "[service]\nport = 9000\nworkers = 2\n")
    settings = load({**environ, "SHAREAUTH_SERVICE__PORT": "9001"})
    assert (settings.service.port, settings.service.workers) == (9001, 2)
    assert settings.service.threads == Settings().service.threads


def test_config_toml_of_the_working_directory_is_read(tmp_path):
    (tmp_path / "config.toml").write_text("[billing]\ncurrency = 'USD'\n")
    assert load({}).billing.currency == "USD"


def test_all_problems_are_listed_at_once(tmp_path):
    environ = _file(
        tmp_path,
        "[service]\nport = 99999\ncolour = 'red'\ntime_zone = 'Mars/Base'\n[nonsense]\na = 1\n"
        "[messages.fr]\nok = 'x'\n",
    )
    told = _problems(
        {
            **environ,
            "SHAREAUTH_REDIS__ON_OUTAGE": "panic",
            "SHAREAUTH_WORKERS": "4",
            "SHAREAUTH_DATABASE__URL": "mysql://x/y",
            "SHAREAUTH_SERVICE__SECRET_KEY_FILE": str(tmp_path / "absent"),
        }
    )
    text = "\n".join(told)
    for place in (
        "service.port:",
        "service.colour: unknown setting",
        "'Mars/Base' is not a time zone",
        "nonsense: unknown setting",
        "messages.fr",
        "redis.on_outage:",
        "SHAREAUTH_WORKERS: not a setting",
        "database.url: begins with",
        "service.secret_key_file:",
    ):
        assert place in text
    assert len(told) == 9


def test_production_without_a_secret_is_refused_even_beside_other_problems():
    assert any("service.secret_key: required" in p for p in _problems(PRODUCTION))
    told = _problems({**PRODUCTION, "SHAREAUTH_SERVICE__PORT": "0"})
    assert len([p for p in told if "service.secret_key: required" in p]) == 1
    assert len(told) == 2


def test_production_with_a_secret_is_accepted():
    settings = load({**PRODUCTION, "SHAREAUTH_SERVICE__SECRET_KEY": SECRET})
    assert settings.is_production


def test_short_secret_is_refused_and_not_repeated():
    told = "\n".join(_problems({"SHAREAUTH_SERVICE__SECRET_KEY": "hunter2"}))
    assert "service.secret_key" in told
    assert "hunter2" not in told


def test_problems_never_show_a_password():
    told = "\n".join(_problems({"SHAREAUTH_REDIS__URL": "http://:hunter2@redis"}))
    assert "redis.url: begins with" in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("service", "secret_key", SECRET),
        ("database", "url", "sqlite:////tmp/x.sqlite3"),
        ("redis", "url", "redis://localhost"),
    ],
)
def test_secret_may_come_from_a_file(tmp_path, section, key, value):
    path = tmp_path / "secret"
    path.write_text(f"{value}\n")
    settings = load({f"SHAREAUTH_{section}__{key}_FILE".upper(): str(path)})
    assert getattr(getattr(settings, section), key).get_secret_value() == value


def test_secret_given_twice_in_one_place_is_a_problem(tmp_path):
    text = f"[service]\nsecret_key = '{SECRET}'\nsecret_key_file = 'x'\n"
    assert "given twice" in _problems(_file(tmp_path, text))[0]


def test_secret_of_the_environment_replaces_the_file_named_in_the_config_file(tmp_path):
    environ = _file(tmp_path, "[service]\nsecret_key_file = '/absent'\n")
    settings = load({**environ, "SHAREAUTH_SERVICE__SECRET_KEY": SECRET})
    assert settings.service.secret_key.get_secret_value() == SECRET


def test_empty_variable_counts_as_not_given():
    settings = load({"SHAREAUTH_DATABASE__URL": "", "SHAREAUTH_CONFIG": ""})
    assert settings == Settings()


def test_variables_of_the_test_suite_are_no_settings():
    assert load({"SHAREAUTH_TEST_POSTGRES": "postgresql://x"}) == Settings()


def test_lists_in_the_environment_are_written_with_commas():
    given = {"SHAREAUTH_SERVICE__TRUSTED_PROXIES": "10.1.2.3/8, ::1"}
    networks = (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert load(given).service.trusted_proxies == networks


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_any_spelling_of_postgresql_uses_the_installed_driver(scheme):
    settings = load({"SHAREAUTH_DATABASE__URL": f"{scheme}://u:p@db:5432/x"})
    assert settings.database_url == "postgresql+psycopg://u:p@db:5432/x"


@pytest.mark.parametrize("text", ["[service\n", "a = \x00", "\udcff"])
def test_unreadable_file_is_a_problem_not_a_crash(tmp_path, text):
    path = tmp_path / "given.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert str(path) in _problems({"SHAREAUTH_CONFIG": str(path)})[0]


def test_named_file_that_is_absent_is_a_problem(tmp_path):
    assert "absent.toml" in _problems({"SHAREAUTH_CONFIG": str(tmp_path / "absent.toml")})[0]


def test_amounts_of_the_file_never_pass_through_floats(tmp_path):
    environ = _file(tmp_path, "[admission]\nfirst_hold = 0.12345678901234567890\n")
    assert load(environ).admission.first_hold == Decimal("0.12345678901234567890")


def test_settings_print_no_secret():
    settings = load({**PRODUCTION, "SHAREAUTH_SERVICE__SECRET_KEY": SECRET})
    assert SECRET not in repr(settings)
    assert "pw" not in repr(settings.database)


def test_home_directory_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    data_dir = load({"SHAREAUTH_SERVICE__DATA_DIR": "~/share"}).service.data_dir
    assert data_dir == Path("/somewhere/share")


def test_metrics_directory_is_the_one_prometheus_client_reads():
    assert config.metrics_directory({}) is None
    assert config.metrics_directory({"PROMETHEUS_MULTIPROC_DIR": "/m"}) == Path("/m")


# --- config.example.toml ---


def test_example_loads_and_equals_the_defaults():
    assert load({"SHAREAUTH_CONFIG": str(EXAMPLE)}) == Settings()


SECTIONS = [
    (name, field.annotation)
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
]


@pytest.mark.parametrize(
    ("section", "model"), SECTIONS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_example_shows_every_setting_and_no_other(section, model):
    text = EXAMPLE.read_text("utf-8")
    active = set(tomllib.loads(text)[section])
    block = text.split(f"\n[{section}]\n")[1].split("\n[")[0]
    commented = set(re.findall(r"^# ([a-z_]+) = ", block, re.MULTILINE))
    without_default = {n for n, f in model.model_fields.items() if f.default is None}
    assert active == set(model.model_fields) - without_default
    assert without_default <= commented
    assert commented <= without_default | {"name", "balance_too_low"}


def test_short_names_of_make_run_count_where_nothing_else_is_said(tmp_path):
    plain = {"PORT": "9001", "DATA_DIR": "/var/tmp/a", "HOST": "x86_64-conda-linux-gnu"}
    settings = load(plain)
    assert (settings.service.port, str(settings.service.data_dir)) == (9001, "/var/tmp/a")
    assert settings.service.host == "127.0.0.1"
    assert load({**plain, "SHAREAUTH_SERVICE__PORT": "9002"}).service.port == 9002
    file = tmp_path / "other.toml"
    file.write_text("[service]\nport = 9003\n")
    settings = load({**plain, "SHAREAUTH_CONFIG": str(file)})
    assert (settings.service.port, str(settings.service.data_dir)) == (9003, "/var/tmp/a")
    assert load({"PORT": "", "DATA_DIR": ""}).service.port == 8080


def test_a_short_name_that_cannot_be_used_is_a_problem_like_any_other():
    with pytest.raises(SettingsError, match=r"service\.port"):
        load({"PORT": "tcp://10.0.0.1:80"})
