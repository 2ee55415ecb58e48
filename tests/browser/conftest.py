"""A real Chromium, and a real service with a console to open in it."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from browser_console import Console
from fakes.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from running_service import start_service

PAGES = {"SHAREAUTH_ADMIN__ENABLED": "true", "SHAREAUTH_VISITOR__ENABLED": "true"}
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
CONFIG = f"""\
[oidc]
issuer_url = "{{issuer}}"
client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
[oidc.roles]
owners = "owner"
staff = "viewer"
"""
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("there is no Chromium on this machine: `make browser` says more")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def console(chromium, tmp_path_factory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("console")
    with OidcProvider() as provider:
        settings = folder / "config.toml"
        settings.write_text(CONFIG.format(issuer=provider.issuer))
        environ = {"SHAREAUTH_CONFIG": str(settings), "SHAREAUTH_SERVICE__WORKERS": "1", **PAGES}
        service = start_service(environ, folder / "data")
        yield Console(service, chromium, provider)
        service.stop()
