"""What the documentation names is there: files, headings, commands, settings, metrics, codes."""

import re
import tomllib
from decimal import Decimal

import click
import pages
import pytest
from app.cli import main
from app.cli.frame import Later
from app.config import Settings
from app.i18n import MESSAGES
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from app.pricing.book import PriceBook
from app.telemetry import metrics
from pages import ENGLISH, PAGES, ROOT, chinese
from pydantic import BaseModel

README = ["README.md", "README.zh-CN.md"]
LIMITS = ["docs/limits.md", "docs/limits.zh-CN.md"]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for link in pages.links(page):
        assert not link.startswith("http"), f"{page} links to {link}: name it instead"
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page} links to {link}"
        if anchor:
            known = pages.anchors(str(target.resolve().relative_to(ROOT)))
            assert anchor in known, f"{page} links to {link}"


@pytest.mark.parametrize("page", ENGLISH)
def test_both_languages_have_the_same_structure(page):
    other = chinese(page)
    assert [level for level, _ in pages.headings(page)] == [
        level for level, _ in pages.headings(other)
    ]
    assert [block.language for block in pages.blocks(page)] == [
        block.language for block in pages.blocks(other)
    ]
    assert pages.prose(page).count("\n|") == pages.prose(other).count("\n|")


@pytest.mark.parametrize("page", ENGLISH)
def test_both_languages_give_the_same_commands(page):
    assert _commands(page) == _commands(chinese(page))


@pytest.mark.parametrize("page", ENGLISH)
def test_both_languages_show_the_same_outputs(page):
    assert _outputs(page) == _outputs(chinese(page))


@pytest.mark.parametrize("page", README)
def test_the_refusal_shown_is_the_one_given(page):
    (shown,) = re.findall(
        r'"code":"token_rejected".*"message":"([^"]+?)( ?[（(])', pages.read(page)
    )
    locale = "zh" if page.endswith(".zh-CN.md") else "en"
    assert shown[0] == MESSAGES["token_rejected"][locale]


@pytest.mark.parametrize("page", ENGLISH)
def test_both_languages_name_the_same_things(page):
    """Settings, codes, options: whatever is code and holds no words."""
    named = [
        {span for span in pages.spans(one) if re.fullmatch(r"[a-z_.:/{}=-]+", span)}
        for one in (page, chinese(page))
    ]
    assert named[0] == named[1]


@pytest.mark.parametrize("page", ENGLISH)
def test_both_languages_link_to_the_same_places(page):
    plain = [
        [link.partition("#")[0].replace(".zh-CN", "") for link in pages.links(one)]
        for one in (page, chinese(page))
    ]
    assert sorted(plain[0]) == sorted(plain[1])


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_exists(page):
    shown = [block for block in pages.blocks(page) if block.language in ("sh", "bash")]
    lines = "\n".join(block.commands.replace("\\\n", " ") for block in shown).splitlines()
    texts = lines + pages.spans(page)
    found = [one for text in texts for one in re.findall(r"(?:^|[\s(])shareauth ([^;)|]*)", text)]
    assert all(_check_command(words) for words in found)


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_exists(page):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    text = "\n".join([block.text for block in pages.blocks(page)] + pages.spans(page))
    for target in re.findall(r"\bmake ([a-z]+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_exists(page):
    text = pages.read(page)
    sections = "|".join(_sections())
    spelled = [span for span in pages.spans(page) if re.fullmatch(rf"({sections})\.\w+", span)]
    variables = re.findall(r"SHAREAUTH_([A-Z]+__[A-Z_]+)", text)
    named = spelled + [name.lower().replace("__", ".", 1) for name in variables]
    assert [name for name in named if not _is_setting(name.removesuffix("_file"))] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_file_in_toml_can_be_used(page):
    for block in pages.blocks(page):
        if block.language != "toml":
            continue
        values = tomllib.loads(block.text, parse_float=Decimal)
        name = block.text.partition("\n")[0].removeprefix("# ")
        for section in values.values():
            if isinstance(section, dict) and "password_file" in section:
                section["password"] = section.pop("password_file")  # its file is not here
        model = {"config.toml": Settings, "book.toml": PriceBook}[name]
        model.model_validate(values)


@pytest.mark.parametrize("page", README)
def test_the_settings_that_matter_have_their_defaults(page):
    generated = {"service.public_url", "service.secret_key", "database.url", "redis.url"}
    for name, default, _ in pages.table(page, first="service.public_url"):
        if name not in generated:
            assert default == str(_default(name)), name


@pytest.mark.parametrize("page", README)
def test_every_metric_is_in_the_table(page):
    listed = {name: labels for name, labels, _ in pages.table(page, first="shareauth_")}
    there = {}
    for metric in metrics.METRICS:
        name = metric.describe()[0].name
        is_counter = metric.describe()[0].type == "counter"
        there[f"{name}_total" if is_counter else name] = ", ".join(metric._labelnames)
    assert listed == there


@pytest.mark.parametrize("page", README)
def test_every_code_of_an_answer_is_in_the_table(page):
    assert {row[0] for row in pages.table(page, first="ok")} == set(MESSAGES)


@pytest.mark.parametrize("page", LIMITS)
def test_every_limit_is_in_the_table(page):
    kinds = [VisitorLimits, GuestLimits, LinkLimits]
    listed = {}
    for names, *marks in pages.table(page, first="questions-per-minute"):
        for name in re.split("[,、] ?", names):
            listed[name.replace("-", "_")] = [bool(mark) for mark in marks]
    there = {name for kind in kinds for name in kind.model_fields}
    assert listed == {name: [name in kind.model_fields for kind in kinds] for name in there}


@pytest.mark.parametrize("page", LIMITS)
def test_refusals_are_listed_in_the_order_of_the_gate(page):
    script = (ROOT / "app/admission/admit.lua").read_text("utf-8")
    said = re.findall(r"refused\('(\w+)'", script)
    assert [row[1] for row in pages.table(page, first="1")] == said


@pytest.mark.parametrize("page", README)
def test_the_tree_is_the_tree(page):
    (tree,) = [block.text for block in pages.blocks(page) if block.text.startswith("app/\n")]
    named = re.findall(r"^  (\S+)", tree, re.MULTILINE)
    packages = {f"{path.parent.name}/" for path in (ROOT / "app").glob("*/__init__.py")}
    assert {name for name in named if name.endswith("/")} == packages
    assert [name for name in named if not (ROOT / "app" / name).exists()] == []
    tops = re.findall(r"^(\S+)", tree, re.MULTILINE)
    assert [top for top in tops if not (ROOT / top).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_loaded_from_elsewhere(page):
    assert re.findall(r"!\[[^\]]*\]\(https?:|<img|<script|<iframe", pages.read(page)) == []


@pytest.mark.parametrize(
    "image", sorted((ROOT / "docs/images").glob("*.svg")), ids=lambda p: p.name
)
def test_images_load_nothing_and_have_words(image):
    text = image.read_text("utf-8")
    assert re.findall(r"href|url\((?!#)|@import|<script|<image", text) == []
    assert "prefers-color-scheme: dark" in text
    assert "<title" in text
    assert "<desc" in text


def _commands(page):
    """Whatever is run, with the one word that may differ made the same."""
    return [
        re.sub(r"--locale (zh|en)|visitor_rate:.*", "", block.commands)
        for block in pages.blocks(page)
        if block.language in ("sh", "bash")
    ]


def _outputs(page):
    return [
        re.sub(r'"message":"[^"]+"', "", block.text)
        for block in pages.blocks(page)
        if block.is_output
    ]


def _check_command(words):
    """Follow the words down the tree of commands, and know each option."""
    command: click.Command = main
    for word in re.split(r"\s+", words.strip()):
        if isinstance(command, click.Group) and not word.startswith("-"):
            found = command.commands.get(word)
            assert found is not None, f"shareauth {words}: {word}?"
            command = found.load() if isinstance(found, Later) else found
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    given = set(re.findall(r"(?<=\s)--[a-z-]+", " " + words)) - {"--help"}
    assert given <= known | {"--version"}, f"shareauth {words}: {given - known}?"
    return True


def _sections():
    return [name for name, field in Settings.model_fields.items() if _is_model(field.annotation)]


def _is_setting(name):
    section, _, key = name.partition(".")
    return section in _sections() and key in type(_section(section)).model_fields


def _default(name):
    section, _, key = name.partition(".")
    return getattr(_section(section), key)


def _section(name):
    return getattr(Settings(), name)


def _is_model(annotation):
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
