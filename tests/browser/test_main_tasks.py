"""What operators come for, done in the browser as they do it, in both languages."""

import csv
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from app.pricing.book import DEFAULT_BOOK
from playwright.sync_api import Page, expect

from browser_console import Console

pytestmark = pytest.mark.parametrize("locale", ["en", "zh"])

WAITS = {
    "en": {"balance": "balance", "denied": "Your role does not allow this"},
    "zh": {"balance": "余额", "denied": "您的角色没有此权限"},
}


def submit(page: Page) -> None:
    page.locator("main form button.btn-primary[type=submit]").last.click()


def confirm(page: Page) -> None:
    page.locator("dialog#confirm button[value=go]").click()


def user_page(page: Page, subject: str) -> None:
    """Find somebody by the search field, as the keyboard gets there."""
    page.goto("/admin/users/")
    page.keyboard.press("/")
    page.keyboard.type(subject)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=subject, exact=True).click()


def test_create_a_link_and_test_it(console: Console, locale):
    page = console.open("operator", locale=locale, path="/admin/links/new")
    page.fill("[name=name]", f"helpdesk {uuid.uuid4().hex[:8]}")
    page.fill("[name=share_url]", "https://fastgpt.example/chat/share?shareId=abc0123456789")
    submit(page)
    page.wait_for_url("**/ready")
    root = page.locator(".copyable input").first.input_value()
    assert root.startswith(f"{console.service.url}/l/")
    page.locator("form[action$='/test'] button").first.click()
    expect(page.locator("main .alert-success")).to_be_visible()
    for hook in ("init", "start", "finish"):
        expect(page.locator("main")).to_contain_text(f"/shareAuth/{hook}")


def test_find_out_why_a_visitor_was_refused(console: Console, locale):
    service = console.service
    subject, token = service.add_user(credit=0)
    answer = service.add_link().start(token)
    assert answer["code"] == "balance_too_low"
    reference = answer["reference"]
    deadline = time.monotonic() + 30
    while not service.rows("SELECT 1 FROM refusals WHERE reference = :r", r=reference):
        assert time.monotonic() < deadline, "the refusal was never written down"
        time.sleep(0.1)
    page = console.open("support", locale=locale, path="/admin/refusals/")
    page.fill("[name=reference]", reference)
    page.locator("form[action$='/find'] button").click()
    expect(page.locator("main")).to_contain_text(subject)
    expect(page.locator("main")).to_contain_text(WAITS[locale]["balance"])


def test_top_up_and_see_the_wallet(console: Console, locale):
    subject, token = console.service.add_user(credit=0)
    page = console.open("finance", locale=locale)
    user_page(page, subject)
    page.locator("a[href$='/money'], a[href*='/money?']").first.click()
    page.fill("[name=amount]", "12.50")
    page.fill("[name=reason]", "order 4711")
    page.locator("button[value=preview]").click()
    expect(page.locator("main .stats")).to_contain_text("12.50")
    page.locator("button[value=book]").click()
    expect(page.locator("main")).to_contain_text("12.50")
    page.goto(f"{page.url.split('?')[0].rstrip('/')}/statement")
    expect(page.locator("main")).to_contain_text("order 4711")
    assert console.service.add_link().start(token)["success"] is True, "the gate knows at once"


def test_change_a_price_with_preview(console: Console, locale):
    page = console.open("finance", locale=locale, path="/admin/prices/new")
    note = f"dearer {uuid.uuid4().hex[:8]}"
    text = page.input_value("[name=book]")
    assert str(DEFAULT_BOOK.currency) in text
    charge = f"1.{uuid.uuid4().int % 10**5:05d}1"
    lines = [line for line in text.splitlines() if not line.startswith("per_point")]
    page.fill("[name=book]", "\n".join([f'per_point = "{charge}"', *lines]))
    page.fill("[name=note]", note)
    submit(page)
    expect(page.locator("main")).to_contain_text(charge)
    page.locator("form[action$='/publish'] button").click()
    confirm(page)
    page.wait_for_url(lambda url: "/preview" not in url and "/publish" not in url)
    page.goto("/admin/prices/")
    expect(page.locator("main")).to_contain_text(note)


def test_export_a_month(console: Console, locale):
    service = console.service
    link, (subject, token) = service.add_link(), service.add_user()
    assert link.start(token)["success"] is True
    app = f"=app {uuid.uuid4().hex}"
    assert link.finish(token, [{"id": "n", "totalPoints": 2}], appName=app)["success"] is True
    month = datetime.now(UTC).astimezone(service.desk().settings.zone).strftime("%Y-%m")
    page = console.open("finance", locale=locale, path=f"/admin/exports/?month={month}&bom=1")
    with page.expect_download() as download:
        page.locator(f"a[href*='/exports/events'][href*='{month}']").click()
    text = Path(download.value.path()).read_text("utf-8")
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(text.removeprefix("\ufeff").splitlines()))
    (mine,) = [row for row in rows if subject in row.values()]
    assert f"'{app}" in mine.values(), "text that looks like a formula is no formula"


def test_a_viewer_may_not_top_up(console: Console, locale):
    subject, _ = console.service.add_user(credit=3)
    page = console.open("viewer", locale=locale)
    user_page(page, subject)
    assert page.locator("a[href$='/money'], a[href*='/money?']").count() == 0
    answer = page.goto(f"{page.url.split('?')[0].rstrip('/')}/money")
    assert answer.status == 403
    expect(page.locator("main")).to_contain_text(WAITS[locale]["denied"])


def test_sign_in_through_the_organisation(console: Console, locale):
    page = console.context(locale=locale).new_page()
    page.goto("/admin/users/")
    page.locator("a[href*='/sso/begin']").click()
    page.wait_for_url(f"{console.provider.issuer}/**")
    page.get_by_role("button", name="Anna Owner").click()
    page.wait_for_url(f"{console.service.url}/admin/users/")
    expect(page.locator("nav .foot")).to_contain_text("anna")
