"""Signing in with a second factor, as a person does it."""

import pyotp
import pytest

from browser_console import PASSWORD, Console

WORDS = {
    "en": {"set": "Set it up", "on": "Switch it on", "kept": "I have kept them", "next": "Go on"},
    "zh": {"set": "设置", "on": "开启", "kept": "我已保存", "next": "继续"},
}


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_second_factor_is_set_up_and_asked_for(console: Console, locale):
    words = WORDS[locale]
    page = console.open("viewer", locale=locale, path="/admin/account/second-factor")
    page.click(f"main button:has-text('{words['set']}')")
    secret = page.locator("main code").inner_text()
    page.fill("[name=code]", pyotp.TOTP(secret).now())
    page.click(f"button:has-text('{words['on']}')")
    recovery_codes = page.locator("main pre").inner_text().split()
    assert len(recovery_codes) == 10
    page.click(f"a:has-text('{words['kept']}')")
    name = page.locator("main dd").first.inner_text()

    stranger = console.context(locale=locale).new_page()
    stranger.goto("/admin/plans/")
    stranger.fill("[name=name]", name)
    stranger.fill("[name=password]", PASSWORD)
    stranger.click("main button.btn-primary")
    stranger.wait_for_url("**/sign-in/code**")
    stranger.goto("/admin/plans/")
    assert "/admin/sign-in" in stranger.url, "half a sign-in opens nothing"

    stranger.goto("/admin/sign-in/code?next=/admin/plans/")
    stranger.fill("[name=code]", "000000")
    stranger.click(f"button:has-text('{words['next']}')")
    assert stranger.locator("[role=alert]").is_visible()
    stranger.fill("[name=code]", recovery_codes[0])
    stranger.click(f"button:has-text('{words['next']}')")
    stranger.wait_for_url("**/admin/plans/")
