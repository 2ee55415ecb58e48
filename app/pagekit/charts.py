"""Charts as SVG in the page itself: no script is needed, and they print.

The page's style sheet colours them, so that they follow dark and light. pygal draws; its own style
and script elements are taken out, for the content security policy allows neither.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from cachetools import LRUCache
from markupsafe import Markup, escape

from app.pagekit import formats, languages
from app.pagekit.drawing import pygal

WIDTH, HEIGHT = 900, 260
NARROW_WIDTH, NARROW_HEIGHT = 480, 300
"""Of charts that stand beside each other: drawn wide, their texts would be too small to read."""
LABELS_MAX, LABEL_CHARS_MAX = 12, 100
"""Beside each other below a wide chart; below a narrow one half as many."""
SERIES_MAX = 8
"""The style sheet has so many colours; put the rest into one series of others."""

DRAWINGS_KEPT = 64
"""The same figures are looked at again and again, and a drawing takes as long as a report."""

Values = Sequence[Decimal | int | float | None]


# pygal has no types.
class _Quick:
    """pygal's way to look attributes up, without asking for its state twice each time."""

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - as Python has it
        if name != "state" and not name.startswith("__"):
            state = object.__getattribute__(self, "__dict__").get("state")
            if state is not None and name in state.__dict__:
                return state.__dict__[name]
        return object.__getattribute__(self, name)


class _StackedBar(_Quick, pygal.StackedBar):  # type: ignore[misc]
    """All bars of a series are one path: pygal makes six elements of each, most for its script."""

    def bar(self, serie: Any, rescale: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002 - pygal's
        del rescale  # there is one scale
        view, below, above = self.view, self.negative_cumulation, self.positive_cumulation
        rise, ground = view.height / view.box.height, view.y(0)
        stretch = view.width / view.box.width
        room = stretch / self._len
        gap = room * self._series_margin
        width, corner = room - 2 * gap, view.x(0) + gap
        outlines = []
        for place, (x, value) in enumerate(serie.points):
            if not value:
                continue  # of nothing not even a line is to be seen
            ends = below if value < 0 else above
            foot = ends[place]
            ends[place] = head = foot + value
            outlines.append(
                f"M{corner + x * stretch:.2f} {ground - head * rise:.2f}"
                f"h{width:.2f}V{ground - foot * rise:.2f}h{-width:.2f}z"
            )
        plot = self.svg.serie(serie)["plot"]
        self.svg.node(plot, "path", d="".join(outlines), class_="rect reactive")


class _Line(_Quick, pygal.Line):  # type: ignore[misc]
    pass


_drawings: LRUCache[tuple[object, ...], Markup] = LRUCache(DRAWINGS_KEPT)
_lock = threading.Lock()


def bars(
    labels: Sequence[str],
    series: Mapping[str, Values],
    *,
    title: str,
    is_narrow: bool = False,
) -> Markup:
    """Stacked bars, one for each label. ``title`` is what a screen reader says."""

    def draw() -> Markup:
        narrow = _narrow(labels) if is_narrow else {}
        chart = _StackedBar(**_options(labels, series) | narrow)
        return _drawn(chart, labels, series, title)

    return _kept(("bars", is_narrow), labels, series, title, draw)


def lines(labels: Sequence[str], series: Mapping[str, Values], *, title: str) -> Markup:
    """One line for each series."""

    def draw() -> Markup:
        chart = _Line(**_options(labels, series), dots_size=2, fill=False)
        return _drawn(chart, labels, series, title)

    return _kept(("lines",), labels, series, title, draw)


def _kept(
    kind: tuple[object, ...],
    labels: Sequence[str],
    series: Mapping[str, Values],
    title: str,
    draw: Callable[[], Markup],
) -> Markup:
    """The drawing of the same figures in the same language, if there is one yet."""
    told = tuple((name, tuple(values)) for name, values in series.items())
    key = (*kind, languages.current(), title, tuple(labels), told)
    with _lock:
        drawing = _drawings.get(key)
    if drawing is None:
        drawing = draw()
        with _lock:
            _drawings[key] = drawing
    return drawing


def _options(labels: Sequence[str], series: Mapping[str, Values]) -> dict[str, Any]:
    return {
        "css": [],
        "js": [],
        "no_prefix": True,
        "disable_xml_declaration": True,
        "width": WIDTH,
        "height": HEIGHT,
        "margin": 4,
        "spacing": 6,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 4,
        "legend_box_size": 10,
        "show_legend": len(series) > 1,
        **_fitting(labels),
        "truncate_label": 20,
        "truncate_legend": 24,
        "value_formatter": lambda value: formats.decimal(_plain(value), 4),
        "formatter": None,
        "include_x_axis": True,
        "min_scale": 3,
        "max_scale": 5,
    }


def _narrow(labels: Sequence[str]) -> dict[str, Any]:
    return {
        "width": NARROW_WIDTH,
        "height": NARROW_HEIGHT,
        "legend_at_bottom_columns": 2,
        **_fitting(labels, part=2),
    }


def _fitting(labels: Sequence[str], *, part: int = 1) -> dict[str, Any]:
    """As many labels as can stand beside each other without touching."""
    longest = max(map(len, labels), default=1) or 1
    most = max(2, min(LABELS_MAX // part, LABEL_CHARS_MAX // part // longest))
    return {
        "x_labels_major_count": min(len(labels), most),
        "show_minor_x_labels": len(labels) <= most,
    }


def _drawn(chart: Any, labels: Sequence[str], series: Mapping[str, Values], title: str) -> Markup:  # noqa: ANN401 - pygal has no types
    chart.x_labels = list(labels)
    for name, values in series.items():
        chart.add(name, [None if value is None else float(value) for value in values])
    chart.add_xml_filter(_without_styles)
    drawn = chart.render(is_unicode=True)
    drawn = drawn.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
    return Markup(drawn.replace(' id=""', "", 1))  # noqa: S704 - pygal escapes what it is given


def _without_styles(root: Any) -> Any:  # noqa: ANN401 - an element of ElementTree
    for parent in root.iter():
        parent.attrib.pop("style", None)
        for child in list(parent):
            if child.tag in {"style", "script", "defs"} and not child.get("clip-path"):
                kept = [one for one in child if one.tag == "clipPath"]
                if child.tag == "defs" and kept:
                    for one in list(child):
                        if one.tag != "clipPath":
                            child.remove(one)
                    continue
                parent.remove(child)
    return root


def _plain(value: object) -> Decimal | None:
    """Only for the eye: what is drawn has a float's precision, the table beside it is exact."""
    return None if value is None else Decimal(str(value)).quantize(Decimal("0.0001"))
