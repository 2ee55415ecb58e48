"""Every page in both languages, in the browser: complete, quiet, and fit for everybody."""

import re

import pytest
from app.config import Settings
from app.factory import create_app
from app.runtime import Runtime

from browser_console import Console, troubles, violations

NOT_TO_BE_OPENED = {
    "documents.viewer_static",
    "documents.openapi_json",
    "sso.begin",
    "sso.finish",
    "sso.leave",
}
DOWNLOAD = re.compile(r"\.(csv|jsonl?)$|/exports/.")
NOT_OURS = {"documents.viewer"}
"""The viewer of the API document: it is another project's page."""


def plain_pages(folder):
    """The paths of the console's pages that need no id."""
    runtime = Runtime.build(Settings.model_validate({"service": {"data_dir": folder}}))
    app = create_app(runtime.settings, runtime)
    paths = {
        rule.rule: rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/admin")
        and not rule.endpoint.startswith("api_")
        and not rule.arguments
        and "GET" in rule.methods
        and rule.endpoint not in NOT_TO_BE_OPENED
        and not DOWNLOAD.search(rule.rule)
    }
    runtime.close()
    return paths


@pytest.mark.parametrize(("locale", "colours"), [("en", "light"), ("zh", "dark")])
def test_every_page_is_complete_and_accessible(console: Console, tmp_path, locale, colours):
    page = console.open("owner", locale=locale, color_scheme=colours)
    wrong = troubles(page)
    for path, endpoint in sorted(plain_pages(tmp_path).items()):
        answer = page.goto(path)
        assert answer.status == 200, path
        assert page.title().endswith("shareauth"), path
        assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-CN"}[locale]
        assert wrong == [], path
        if endpoint in NOT_OURS:
            page.wait_for_load_state("networkidle")
        else:
            assert violations(page) == [], path
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), path
