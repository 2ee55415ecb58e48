"""Bars stand where pygal would put them, in far fewer elements."""

import re

import pytest
from app.pagekit import charts
from app.pagekit.drawing import pygal
from flask import Flask

LABELS = ["Mon", "Tue", "Wed", "Thu"]
SERIES = {
    "up": [3, 0, 2.5, None],
    "down & back": [-1, 4, -2, None],
    "higher": [12, 1e-3, 7, 0],
}
_RECT = re.compile(r'<rect x="(\S+)" y="(\S+)" rx="0" ry="0" width="(\S+)" height="(\S+)" class="r')
_OUTLINE = re.compile(r"M(\S+) (\S+)h(\S+)V(\S+)h-\S+z")


@pytest.fixture(autouse=True)
def _page():
    with Flask("page").app_context():
        yield
    charts._drawings.clear()


def drawn(*, is_narrow=False):
    return charts.bars(LABELS, SERIES, title='What "they" used', is_narrow=is_narrow)


@pytest.mark.parametrize("is_narrow", [False, True])
def test_bars_stand_where_pygal_puts_them(is_narrow):
    narrow = charts._narrow(LABELS) if is_narrow else {}
    chart = pygal.StackedBar(**charts._options(LABELS, SERIES) | narrow)
    rects = [tuple(map(float, found)) for found in _RECT.findall(theirs(chart))]
    outlines = [tuple(map(float, found)) for found in _OUTLINE.findall(drawn(is_narrow=is_narrow))]
    ours = [(x, min(top, end), width, abs(end - top)) for x, top, width, end in outlines]
    visible = [rect for rect in rects if rect[3]]
    assert len(ours) == len(visible) == 8
    for bar, rect in zip(ours, visible, strict=True):
        assert bar == pytest.approx(rect, abs=0.02)


def theirs(chart):
    return charts._drawn(chart, LABELS, SERIES, "")


def test_a_series_is_one_path_and_nothing_is_for_a_script():
    body = drawn()
    assert body.count('class="rect reactive"') == len(SERIES)
    assert "<desc" not in body
    assert 'aria-label="What &#34;they&#34; used"' in body
    assert "down &amp; back" in body


def test_the_same_figures_are_drawn_once():
    assert drawn() is drawn()
    assert drawn() is not drawn(is_narrow=True)


@pytest.mark.parametrize(("label", "most"), [("{:02}-26", 12), ("11-{:02} 00:00", 9)])
def test_labels_do_not_touch_one_another(label, most):
    labels = [label.format(number) for number in range(60)]
    svg = charts.bars(labels, {"one": [1] * len(labels)}, title="x")
    shown = re.findall(r'class="major"[^>]*>([^<]+)</text>', svg[svg.index("axis x") :])
    assert len(set(shown) & set(labels)) == most
