"""Exports, closed months, schedules and given credit, done in the browser as people do it."""

import csv
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from app.closings.months import month_text
from app.turns import page_pass
from app.users import store as user_store
from playwright.sync_api import Page, expect

import browser_office as office
from browser_console import Console, troubles, violations
from running_service import ACTOR, Service

PHONE = {"width": 390, "height": 844}
WORKED_MS = 30_000
"""So long a page may take to show what a worker does; it follows by itself."""
WORD = {
    "en": {"done": "finished", "delivered": "delivered"},
    "zh": {"done": "已完成", "delivered": "已送达"},
}


def submit(page: Page) -> None:
    page.locator("main form button.btn-primary[type=submit]").last.click()


def user_id(service: Service, subject: str) -> int:
    return service.rows("SELECT id FROM users WHERE subject = :s", s=subject)[0][0]


def own_page(console: Console, subject: str, **options: object) -> Page:
    """The visitor's own page, opened by a link that an operator sent."""
    desk = console.service.desk()
    with desk.change() as session:
        user = user_store.get_by_subject(session, subject)
        signed = page_pass.make_link(
            session, user, lasts=timedelta(hours=1), keys=desk.keys, actor=ACTOR, now=desk.now
        )
    desk.close()
    page = console.context(**options).new_page()
    page.goto(page_pass.address(console.service.url, signed))
    return page


def saved(page: Page, link: str) -> bytes:
    """The file behind a link of the page."""
    with page.expect_download() as download:
        page.locator(link).first.click()
    return Path(download.value.path()).read_bytes()


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_have_an_export_made_and_download_it(console: Console, locale):
    service = console.service
    link, (subject, token) = service.add_link(), service.add_user()
    assert link.start(token)["success"] is True
    assert link.finish(token, [{"id": "n", "totalPoints": 3}])["success"] is True
    page = console.open("finance", locale=locale, path="/admin/exports/")
    desk = service.desk()
    page.select_option("[name=table]", "events")
    page.fill("form[method=post] [name=month]", f"{desk.now.astimezone(desk.settings.zone):%Y-%m}")
    desk.close()
    page.locator("details summary").first.click()
    page.fill("[name=user]", subject)
    page.locator("button[name=how][value=job]").click()
    page.wait_for_url("**/exports/*")
    expect(page.locator("main")).to_contain_text(WORD[locale]["done"], timeout=WORKED_MS)
    text = saved(page, "a[href*='/files/']").decode()
    (mine,) = csv.DictReader(text.splitlines())
    assert subject in mine.values()
    assert mine["points"] == "3"  # whatever prices another task has published


def test_close_a_month_and_open_a_statement(console: Console):
    service = console.service
    month = office.month_to_close(service)
    subject, _ = service.add_user()
    office.pay_in(service, user_id(service, subject), month)
    page = console.open("finance", path=f"/admin/closings/next?month={month_text(month)}")
    expect(page.locator("main .stats")).to_contain_text("250.00")
    page.fill("[name=reason]", "the books are complete")
    page.fill("[name=typed]", month_text(month))
    if page.locator("[name=insist]").count():
        page.check("[name=insist]")
    page.locator("main form button.btn-danger").click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator("main")).to_contain_text(WORD["en"]["done"], timeout=WORKED_MS)
    page.goto(f"/admin/statements/?month={month_text(month)}&search={subject}")
    page.locator("main table a[href*='/statements/']").first.click()
    expect(page.locator("main")).to_contain_text("250.00")
    assert saved(page, "a[href*='form=pdf']").startswith(b"%PDF-")


def test_make_a_schedule_to_a_directory_and_see_its_run(console: Console):
    service = console.service
    name = f"links {uuid.uuid4().hex[:6]}"
    view_id = office.keep_view(service, "tests", name)
    page = console.open("operator", path="/admin/destinations/new/directory")
    page.fill("[name=name]", place := f"disk {name}")
    page.fill("[name=path]", f"reports/{view_id}")
    submit(page)
    page.goto(f"/admin/schedules/new?view={view_id}")
    page.fill("[name=name]", name)
    page.select_option("[name=every]", "week")
    page.get_by_label(place).check()
    submit(page)
    page.wait_for_url("**/schedules/*")
    page.locator("form[action$='/run'] button").click()
    page.locator("dialog#confirm button[value=go]").click()
    expect(page.locator("main .alert-success")).to_be_visible()
    delivered = page.locator("main table a[href*='/deliveries/']")
    expect(delivered.first).to_be_visible(timeout=WORKED_MS)
    delivered.first.click()
    expect(page.locator("main")).to_contain_text(WORD["en"]["delivered"], timeout=WORKED_MS)
    found = list((service.data_dir / "delivered" / "reports" / str(view_id)).rglob("*.csv"))
    assert len(found) == 1


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_give_credit_that_expires_and_see_it_on_the_visitors_page(console: Console, locale):
    subject, _ = console.service.add_user(credit=1)
    number = user_id(console.service, subject)
    page = console.open("finance", locale=locale, path=f"/admin/users/{number}")
    page.locator(f"a[href$='/grants/new/{number}']").first.click()
    page.fill("[name=amount]", "12.50")
    page.fill("[name=last_day]", "2099-12-31")
    page.fill("[name=reason]", "thank you")
    submit(page)
    expect(page.locator("main")).to_contain_text("12.50")
    mine = own_page(console, subject, locale=locale, viewport=PHONE)
    expect(mine.locator("main")).to_contain_text("13.50")
    expect(mine.locator("main")).to_contain_text("12.50")
    expect(mine.locator("main")).to_contain_text("2099-12-31")
    assert violations(mine) == []


def test_visitors_read_their_statements_on_a_phone(console: Console):
    service = console.service
    subject, _ = service.add_user()
    month = office.month_to_close(service)
    office.pay_in(service, user_id(service, subject), month)
    office.close_month(service, month)
    page = own_page(console, subject, locale="zh", viewport=PHONE, color_scheme="dark")
    wrong = troubles(page)
    page.locator("a[href$='/me/statements']").first.click()
    expect(page.locator("main")).to_contain_text(month_text(month))
    assert violations(page) == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert saved(page, "a[href$='.pdf']").startswith(b"%PDF-")
    assert wrong == []
