"""The visitors' page on a phone and beside it, in both languages, and the way from it to a chat."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from app.links import commands as link_commands
from app.links.commands import LinkSpec
from app.turns import page_pass
from app.users import store as user_store

from browser_console import Console, troubles, violations
from running_service import ACTOR

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
SHARE_PATH = "/chat/share?shareId=abc123"


class ChatPage(BaseHTTPRequestHandler):
    """Stands in for FastGPT's share page: says what it was told of where the visitor came from."""

    def do_GET(self) -> None:
        said = f"chat opened, referrer {self.headers.get('Referer')}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def fastgpt() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), ChatPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def page_link(console: Console, fastgpt: str) -> str:
    """A link to the page of the demo user, to whom a chat on that FastGPT is open."""
    desk = console.service.desk()
    with desk.change() as session:
        spec = LinkSpec(name="helpdesk", share_url=fastgpt + SHARE_PATH)
        link_commands.create(session, spec, keys=desk.keys, actor=ACTOR, now=desk.now)
        user = user_store.get_by_subject(session, "demo")
        signed = page_pass.make_link(
            session, user, lasts=timedelta(hours=1), keys=desk.keys, actor=ACTOR, now=desk.now
        )
    desk.close()
    return page_pass.address(console.service.url, signed)


@pytest.mark.parametrize(
    ("locale", "colours", "size"), [("en", "light", PHONE), ("zh", "dark", DESK)]
)
def test_the_page_is_fit_for_everybody(console, page_link, locale, colours, size):
    page = console.context(locale=locale, color_scheme=colours, viewport=size).new_page()
    page.goto("/me")
    assert violations(page) == []
    page.goto(page_link)
    assert page.url == f"{console.service.url}/me"
    wrong = troubles(page)
    for path in ("/me", "/me/usage", "/me/statement"):
        page.goto(path)
        assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-CN"}[locale]
        assert violations(page) == [], path
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), path
    assert wrong == []


def test_a_button_leads_to_the_chat_and_tells_it_nothing_else(console, page_link, fastgpt):
    page = console.context(viewport=PHONE).new_page()
    page.goto(page_link)
    page.get_by_role("button", name="helpdesk", exact=True).click()
    page.wait_for_url(lambda url: url.startswith(fastgpt))
    assert page.url.startswith(f"{fastgpt}{SHARE_PATH}&authToken=sat_")
    assert page.inner_text("body") == "chat opened, referrer None"
