r"""Take the pictures of docs/images from a running service, for whoever changes a page.

    .venv/bin/python benchmarks/history.py --data-dir /tmp/demo --days 90 --chats 6000
    SHAREAUTH_SERVICE__DATA_DIR=/tmp/demo .venv/bin/shareauth serve
    .venv/bin/python benchmarks/screenshots.py --url http://127.0.0.1:8080 \
        --name admin --password … --user 7 --link 2 --visitor-page http://127.0.0.1:8080/me/s/…

Each page twice: light on a desktop in English, dark on a phone in Chinese. The sign-in wants an
operator who has chosen a password and has no second factor.
"""

import argparse
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent.parent / "docs" / "images"
PAGES = {
    "overview": "/admin/",
    "usage": "/admin/usage/",
    "answers": "/admin/usage/events",
    "exports": "/admin/exports/",
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
    "ledger": "/admin/ledger/",
    "alerts": "/admin/alerts/",
    "alert-rules": "/admin/alerts/rules",
    "self-audit": "/admin/self-audit/",
    "findings": "/admin/findings/",
    "jobs": "/admin/jobs/",
    "audit": "/admin/audit/",
    "operators": "/admin/operators/",
    "roles": "/admin/operators/roles",
    "settings": "/admin/settings/",
    "account": "/admin/account",
}
VIEWS = {
    "desktop": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"},
}
LOCALES = {"desktop": ("en-GB", "en"), "phone": ("zh-CN", "zh")}
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
                place = path.format(user=options.user, link=options.link)
                answer = page.goto(place)
                print(view, name, answer.status)
                page.screenshot(path=IMAGES / f"{name}-{view}.png")
            if options.visitor_page:
                page.goto(options.visitor_page)
                page.goto(f"/me?lang={locale}")
                page.screenshot(path=IMAGES / f"visitor-{view}.png")
        chromium.close()


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
