"""The console of a running service, opened in a real Chromium."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.operators import commands, passwords
from app.operators.commands import OperatorSpec
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request

from fakes.oidc_provider import OidcProvider
from running_service import ACTOR, Service

PASSWORD = "a password for tests"
TIMEOUT_MS = 30_000


@dataclass
class Console:
    """The console of one service, and people to open it as."""

    service: Service
    chromium: Browser
    provider: OidcProvider
    """The organisation's sign-on, to which the service sends operators."""
    count: int = 0

    def add_operator(self, role: str, *, locale: str = "en") -> str:
        """Their name; the password is ``PASSWORD``."""
        self.count += 1
        desk = self.service.desk()
        with desk.db.begin() as session:
            spec = OperatorSpec.model_validate(
                {"name": f"{role}{self.count}", "role": role, "locale": locale}
            )
            operator = commands.create(session, spec, actor=ACTOR, now=desk.now).operator
            operator.password_hash = passwords.hashed(PASSWORD)
            operator.must_change_password = False
        desk.close()
        return str(spec.name)

    def open(
        self, role: str = "owner", *, locale: str = "en", path: str = "/admin/", **options: object
    ) -> Page:
        """A page on which a new operator of this role has just signed in."""
        name = self.add_operator(role, locale=locale)
        page = self.context(locale=locale, **options).new_page()
        page.goto(f"{self.service.url}{path}")
        page.fill("[name=name]", name)
        page.fill("[name=password]", PASSWORD)
        page.click("main button.btn-primary")
        page.wait_for_url(lambda url: "sign-in" not in url)
        return page

    def context(self, *, locale: str = "en", **options: object) -> BrowserContext:
        made = self.chromium.new_context(
            base_url=self.service.url,
            locale={"en": "en-GB", "zh": "zh-CN"}[locale],
            **options,
        )
        made.set_default_timeout(TIMEOUT_MS)
        return made


def troubles(page: Page) -> list[str]:
    """A list to which the page's errors and whatever it could not load are added as they come.

    What the browser gives up because the next page is opened is no trouble.
    """
    found: list[str] = []

    def note(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":
            found.append(f"not loaded: {request.url}")

    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    page.on("requestfailed", note)
    return found


def violations(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """What axe finds wrong on a page: the rule and the first element that breaks it.

    ``rules`` are the only ones that are looked at; none: all.
    """
    # What it would load beforehand is for a rule that is not among its usual ones.
    options: dict[str, object] = {"resultTypes": ["violations"], "preload": False}
    if rules:
        options["runOnly"] = list(rules)
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]
