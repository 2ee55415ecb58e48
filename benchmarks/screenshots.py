r"""Take the pictures of docs/images from a running service, for whoever changes a page.

    .venv/bin/python benchmarks/history.py --data-dir /tmp/demo --days 90 --chats 6000
    SHAREAUTH_SERVICE__DATA_DIR=/tmp/demo .venv/bin/shareauth serve
    .venv/bin/python benchmarks/screenshots.py --url http://127.0.0.1:8080 \
        --name admin --password … --user 7 --link 2 --visitor-page http://127.0.0.1:8080/me/s/…

Each page twice: light on a desktop in English, dark on a phone in Chinese. The sign-in wants an
operator who has chosen a password and has no second factor.
"""

import argparse
import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent.parent / "docs" / "images"
PAGES = {
    "overview": "/admin/",
    "usage": "/admin/usage/",
    "departments": "/admin/usage/?by=attribute%3Adepartment&by=model&limit=8&period=90d",
    "answers": "/admin/usage/events",
    "refused": "/admin/usage/refused?period=90d",
    "exports": "/admin/exports/",
    "schedules": "/admin/schedules/",
    "destinations": "/admin/destinations/",
    "deliveries": "/admin/deliveries/",
    "users": "/admin/users/",
    "user": "/admin/users/{user}",
    "statement": "/admin/users/{user}/statement",
    "links": "/admin/links/",
    "link": "/admin/links/{link}",
    "link-ready": "/admin/links/{link}/ready",
    "refusals": "/admin/refusals/",
    "issuers": "/admin/issuers/",
    "token-check": "/admin/tokens/check",
    "plans": "/admin/plans/",
    "prices": "/admin/prices/",
    "calculator": "/admin/prices/calculator",
    "codes": "/admin/codes/",
    "grants": "/admin/grants/",
    "closings": "/admin/closings/",
    "closing-preview": "/admin/closings/next",
    "papers": "/admin/statements/",
    "ledger": "/admin/ledger/",
    "alerts": "/admin/alerts/",
    "alert-rules": "/admin/alerts/rules",
    "self-audit": "/admin/self-audit/",
    "findings": "/admin/findings/",
    "jobs": "/admin/jobs/",
    "audit": "/admin/audit/",
    "privacy": "/admin/privacy/",
    "operators": "/admin/operators/",
    "roles": "/admin/operators/roles",
    "settings": "/admin/settings/",
    "account": "/admin/account",
}
FIRST = {
    "export": ("/admin/exports/", r"/exports/\d+$"),
    "schedule": ("/admin/schedules/", r"/schedules/\d+$"),
    "delivery": ("/admin/deliveries/", r"/deliveries/\d+$"),
    "grant": ("/admin/grants/", r"/grants/\d+$"),
    "closing": ("/admin/closings/", r"/closings/[\d-]+$"),
    "paper": ("/admin/statements/", r"/statements/[\d-]+$"),
}
"""Name: a page, and the first link on it whose address matches is what is shown."""
VISITOR = {"visitor": "/me", "visitor-papers": "/me/statements"}
VIEWS = {
    "desktop": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"},
}
LOCALES = {"desktop": ("en-GB", "en"), "phone": ("zh-CN", "zh")}
COLOURS = 128
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]


def main() -> None:
    options = parsed()
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=options.chromium, args=OPTIONS)
        for view, settings in VIEWS.items():
            browser_locale, locale = LOCALES[view]
            context = chromium.new_context(base_url=options.url, locale=browser_locale, **settings)
            page = context.new_page()
            sign_in(page, options.name, options.password, locale)
            for name, path in PAGES.items():
                take(page, path.format(user=options.user, link=options.link), name, view)
            for name, (path, pattern) in FIRST.items():
                take(page, first_link(page, path, pattern), name, view)
            if options.visitor_page:
                page.goto(options.visitor_page)
                for name, path in VISITOR.items():
                    take(page, f"{path}?lang={locale}", name, view)
        chromium.close()


def take(page: Page, path: str, name: str, view: str) -> None:
    answer = page.goto(path)
    print(view, name, answer.status)
    place = IMAGES / f"{name}-{view}.png"
    page.screenshot(path=place)
    with Image.open(place) as picture:  # a third of the size, and looks the same
        picture.convert("RGB").quantize(COLOURS).save(place, optimize=True)


def first_link(page: Page, path: str, pattern: str) -> str:
    page.goto(path)
    links = [link.get_attribute("href") or "" for link in page.locator("main a[href]").all()]
    return next(link for link in links if re.search(pattern, link))


def sign_in(page: Page, name: str, password: str, locale: str) -> None:
    page.goto("/admin/sign-in")
    page.fill("[name=name]", name)
    page.fill("[name=password]", password)
    page.click("main button.btn-primary")
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.goto("/admin/account")
    switch = page.locator(f"button[name=locale][value={locale}]")
    if switch.count():
        switch.first.evaluate("button => button.form.requestSubmit(button)")
        page.wait_for_load_state()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--name", default="admin")
    parser.add_argument("--password", required=True)
    parser.add_argument("--user", type=int, required=True, help="the id of a user to show")
    parser.add_argument("--link", type=int, required=True, help="the id of a link to show")
    parser.add_argument("--visitor-page", help="from `shareauth users page-link`")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    return parser.parse_args()


if __name__ == "__main__":
    main()
