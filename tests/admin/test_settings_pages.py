"""The settings page tells where each value comes from, and no secret."""

import dataclasses

import pytest
from app import provenance
from app.config import SECRETS, Settings
from pydantic import BaseModel, SecretStr


def with_every_secret(settings):
    """The settings with a telling text in the place of every secret, and these texts."""
    texts = []
    changed = {}
    for section in Settings.model_fields:
        part = getattr(settings, section)
        if not isinstance(part, BaseModel):
            continue
        secret = {}
        for name, field in type(part).model_fields.items():
            if "SecretStr" in str(field.annotation) or (section, name) in SECRETS:
                texts.append(f"hush-{section}-{name}")
                secret[name] = SecretStr(f"redis://:{texts[-1]}@127.0.0.1:1/0")
        changed[section] = part.model_copy(update=secret)
    issuer = {"name": "x", "kind": "hs256", "secret": "hush-issuer"}
    changed["issuers"] = (issuer,)
    return settings.model_copy(update=changed), [*texts, "hush-issuer"]


def test_no_secret_is_shown(house, monkeypatch):
    settings, texts = with_every_secret(house.settings)
    assert len(texts) >= len(SECRETS) + 1
    browser = house.browser("owner")
    program = house.program("settings:read")
    runtime = dataclasses.replace(house.runtime, settings=settings)
    monkeypatch.setitem(house.app.extensions, "shareauth", runtime)
    shown = browser.get("/admin/settings/")
    told = str(program.get("/settings")) + str(program.get("/versions"))
    assert "given, not shown" in shown
    assert [text for text in texts if text in shown or text in told] == []


def test_values_say_where_they_come_from(house, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[service]\nworkers = 1\n[database]\nurl_file = "/x"\n', "utf-8")
    environ = {
        "SHAREAUTH_CONFIG": str(file),
        "SHAREAUTH_SERVICE__LOCALE": "en",
        "SHAREAUTH_REDIS__URL_FILE": "/y",
        "DATA_DIR": "/z",
    }
    found = {(one.section, one.name): one for one in provenance.explain(house.settings, environ)}
    origins = {key[1]: found[key].origin for key in found if key[0] == "service"}
    assert origins["workers"] == "file"
    assert origins["locale"] == "environment"
    assert origins["data_dir"] == "environment"
    assert origins["public_url"] == "start"
    assert origins["threads"] == "default"
    assert found["database", "url"].origin == "secret_file"
    assert found["redis", "url"].origin == "secret_file"
    assert found["service", "port"].needs_restart
    assert not found["service", "workers"].needs_restart
    assert found["service", "workers"].default == "4"


def test_every_setting_has_a_meaning(house):
    silent = [one.name for one in provenance.explain(house.settings, {}) if not one.meaning]
    assert silent == []


@pytest.mark.parametrize("role", ["viewer", "support", "finance"])
def test_settings_are_for_those_who_run_the_service(house, role):
    house.browser(role).get("/admin/settings/", status=403)


def test_settings_are_explained_in_chinese(house):
    house_in_chinese = house.browser("owner", locale="zh")
    house_in_chinese.get("/admin/settings/")
    assert "监听的端口。" in house_in_chinese.text()
    assert "在 50 % 和 80 % 时发出通知。" in house_in_chinese.text()
