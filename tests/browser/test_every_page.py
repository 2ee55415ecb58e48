"""Every page in both languages, in the browser: complete, quiet, and fit for everybody."""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from app.alerts import destination_commands
from app.alerts.conditions import CONDITIONS
from app.alerts.destination_commands import DestinationSpec
from app.background import handlers, rerate_preview
from app.background.rerate import Choice
from app.closings.months import month_text
from app.codes import commands as code_commands
from app.codes.commands import BatchSpec
from app.config import Settings
from app.factory import create_app
from app.metering import store as metering_store
from app.metering.store import QuarantineRow
from app.plans.commands import PlanSpec
from app.runtime import Runtime
from app.tokens import issuer_commands
from app.tokens.issuers import IssuerSpec
from werkzeug.routing import Rule

import browser_office as office
from browser_console import Console, troubles, violations
from running_service import ACTOR, Service, wait_for

NOT_TO_BE_OPENED = {
    "documents.viewer_static",
    "documents.openapi_json",
    "nowhere.nothing",
    "sso.begin",
    "sso.finish",
    "sso.leave",
    "users.personal_data",
    "views.show",  # leads to the page whose view it is
}
DOWNLOAD = re.compile(r"\.(csv|jsonl?)$|/files?(/|$)")
NOT_OURS = {"documents.viewer"}
"""The viewer of the API document: it is another project's page."""
NODE = {"id": "n", "moduleType": "chatNode", "model": "gpt-4o", "totalPoints": 1}
OF_TEXT_AND_COLOUR = (
    "aria-command-name",
    "aria-input-field-name",
    "button-name",
    "color-contrast",
    "document-title",
    "empty-heading",
    "empty-table-header",
    "html-has-lang",
    "html-lang-valid",
    "image-alt",
    "label",
    "link-in-text-block",
    "link-name",
    "select-name",
    "summary-name",
    "svg-img-alt",
    "valid-lang",
)
"""What can differ between languages and between colours; the rest is the same template."""


@dataclass(frozen=True)
class Look:
    locale: str
    colours: str
    lang: str
    rules: tuple[str, ...] = ()


LOOKS = (
    Look("en", "light", "en"),
    Look("zh", "dark", "zh-CN", OF_TEXT_AND_COLOUR),
)


def pages(folder) -> list[Rule]:
    """The rules of all pages of the console."""
    runtime = Runtime.build(Settings.model_validate({"service": {"data_dir": folder}}))
    app = create_app(runtime.settings, runtime)
    runtime.close()
    return [
        rule
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
        if rule.rule.startswith("/admin")
        and not rule.endpoint.startswith("api_")
        and "GET" in rule.methods
        and rule.endpoint not in NOT_TO_BE_OPENED
        and not DOWNLOAD.search(rule.rule)
    ]


@pytest.fixture(scope="module")
def examples(console: Console) -> dict[str, object]:
    """For each part of an address something that is there; by the rule's endpoint where it says
    too little."""
    service = console.service
    plan = PlanSpec(name=f"staff {uuid.uuid4().hex[:6]}")
    subject, token = service.add_user(plan=plan)
    link = service.add_link()
    assert link.start(token)["success"] is True
    answer = link.finish(token, [NODE])
    assert answer["success"] is True
    user_id = _id(service, "users", "subject", subject)
    refused = link.start(service.add_visitor(credit=0))["reference"]
    wait_for(lambda: _is_there(service, "refusals", refused), service.log)
    return {
        **_made(service, link.link_id),
        **_kept(service, user_id),
        "user_id": user_id,
        "link_id": link.link_id,
        "plans.show": plan.name,
        "version": 1,
        "entry": 1,
        "condition": CONDITIONS[0],
        "kind": "webhook",
        "way": "channel",
        "transaction_id": service.rows("SELECT max(id) FROM ledger_transactions")[0][0],
        "usage.event": answer["reference"],
        "refusals.show": refused,
        "operators.show": (name := console.add_operator("viewer")),
        "operators.edit": name,
    }


def _made(service: Service, link_id: int) -> dict[str, object]:
    """What is made by commands: its numbers and names."""
    name = f"page {uuid.uuid4().hex[:6]}"
    reference = uuid.uuid4().hex
    desk = service.desk()
    known = {"actor": ACTOR, "now": desk.now}
    with desk.change() as session:
        issuer = IssuerSpec(name=name.replace(" ", "-"), kind="channel", pattern="wx[0-9a-f]{32}")
        issuer_commands.create_issuer(session, issuer, keys=desk.keys, **known)
        batch = BatchSpec(name=name, amount=10**9, currency="CNY", count=2)
        code_commands.create(session, batch, keys=desk.keys, **known)
        spec = DestinationSpec(name=name, kind="webhook", url="https://alerts.example/hook")
        added = destination_commands.add(session, spec, keys=desk.keys, **known)
        kept = QuarantineRow(reference, link_id, desk.now, "not_json", 1, b"[")
        metering_store.quarantine(session, kept, keys=desk.keys)
        year = Choice(
            since=datetime(2026, 1, 1, tzinfo=UTC),
            until=datetime.now(UTC) + timedelta(days=1),
            price="in-force",
        )
        job_id = handlers.enqueue(session, rerate_preview.KIND, year, **known).id
        made = {
            "destination_id": added.destination.id,
            "job_id": job_id,
            "issuers.show": issuer.name,
            "codes.show": name,
            "findings.kept": reference,
        }
    desk.close()
    return made


def _kept(service: Service, user_id: int) -> dict[str, object]:
    """A closed month, credit, and files that a worker made and delivered."""
    month = office.month_to_close(service)
    office.pay_in(service, user_id, month)
    office.close_month(service, month)
    destination_id, _ = office.add_directory(service)
    schedule_id, delivery_id = office.deliver_report(service, destination_id)
    return {
        "month": month_text(month),
        "number": office.statement_of(service, user_id),
        "grants.show": office.give_credit(service, user_id),
        "destinations.show": destination_id,
        "destinations.new": "s3",
        "schedule_id": schedule_id,
        "delivery_id": delivery_id,
        "export_id": office.make_export(service),
    }


def _id(service: Service, table: str, column: str, value: str) -> int:
    return service.rows(f"SELECT id FROM {table} WHERE {column} = :value", value=value)[0][0]


def _is_there(service: Service, table: str, reference: str) -> bool:
    return bool(
        service.rows(f"SELECT 1 FROM {table} WHERE reference = :reference", reference=reference)
    )


def address(rule: Rule, examples: dict[str, object]) -> str:
    """Fails for a page of which nobody has given an example."""

    def fill(part: re.Match[str]) -> str:
        assert rule.endpoint in examples or part[1] in examples, f"no example for {rule}"
        return str(examples.get(rule.endpoint, examples.get(part[1])))

    return re.sub(r"<(?:\w+:)?(\w+)>", fill, rule.rule)


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look.locale}-{look.colours}")
def test_every_page_is_complete_and_accessible(console: Console, examples, tmp_path, look):
    page = console.open("owner", locale=look.locale, color_scheme=look.colours)
    wrong = troubles(page)
    for rule in pages(tmp_path):
        path = address(rule, examples)
        answer = page.goto(path)
        assert answer.status == 200, path
        assert page.title().endswith("shareauth"), path
        assert page.locator("html").get_attribute("lang") == look.lang, path
        assert wrong == [], path
        if rule.endpoint in NOT_OURS:
            page.wait_for_load_state("networkidle")
        else:
            assert violations(page, look.rules) == [], path
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), path
