"""Columns made into the text of a CSV file at once, against one cell after the other."""

import csv
import gc
import hashlib
import io
import itertools
import json
import weakref

import pytest
from app.csv_text import guarded
from app.exports import columns
from app.exports.cells import csv_values, decimal_texts
from app.exports.columns import Batch, Column
from app.exports.formats import registry
from app.exports.formats.csv_file import encoded
from app.exports.formats.port import Sink
from app.exports.tally import Tally
from app.exports.walk.store import canonical, parts_of
from app.money import NANO_MAX, format_nano
from hypothesis import example, given
from hypothesis import strategies as st

from export_builders import order

NASTY = st.text(st.sampled_from("\",;\r\n\0\x01\t\ufeff=+-@＝ 'a1.汉\ud800"), max_size=5)
AMOUNTS = (
    st.integers(-NANO_MAX - 1, NANO_MAX)
    | st.integers(-2, 2)
    | st.just(10**9)
    | st.integers(-(10**15), 10**15)
)
ROWS = st.lists(
    st.tuples(
        st.none() | NASTY | st.text(max_size=4),
        st.none() | AMOUNTS,
        st.none() | AMOUNTS,
        st.none() | st.booleans(),
        st.none() | NASTY,
    ),
    min_size=1,
    max_size=7,
)
KINDS = ("text", "decimal", "integer", "flag", "json")


def columns_of(rows):
    return [list(values) for values in zip(*rows, strict=True)]


def cell(kind, value):
    if value is None:
        return None
    if kind == "decimal":
        return format_nano(value)
    if kind == "flag":
        return "true" if value else "false"
    return value if kind == "integer" else guarded(value)


@given(ROWS)
@example([("null", 0, None, False, ""), (None, None, 0, None, None)])
def test_columns_are_written_as_the_csv_module_writes_rows(rows):
    wanted = io.StringIO(newline="")
    csv.writer(wanted).writerows(map(cell, KINDS, row) for row in rows)
    found = encoded(list(map(csv_values, KINDS, columns_of(rows))))
    assert found == wanted.getvalue().encode("utf-8", "replace")


@given(st.lists(st.none() | AMOUNTS, min_size=1))
def test_decimals_of_a_column_are_those_of_the_books(values):
    wanted = ["" if nano is None else format_nano(nano) for nano in values]
    assert decimal_texts(values) == wanted


@given(ROWS, st.integers(1, 3))
def test_pieces_are_all_rows_in_their_order(rows, size):
    before, columns.PIECE = columns.PIECE, size
    try:
        batch = Batch(columns_of(rows))
        assert [row for piece in batch.pieces() for row in piece.rows] == rows == batch.rows
        assert max(map(len, batch.pieces())) <= size
    finally:
        columns.PIECE = before


@given(
    st.permutations(range(6)).map(lambda ids: ids[:4]),
    st.lists(st.tuples(st.integers(0, 7), st.integers()), max_size=12),
)
def test_parts_follow_their_heads(heads, parts):
    """Also where later ids came earlier, and where parts of other heads are among them."""
    (ids, values), places = parts_of(heads, columns_of([(-1, 0), *parts]))
    found = list(zip(ids, values, strict=True))
    assert found == [part for head in heads for part in parts if part[0] == head]
    assert [heads[place] for place in places] == ids


@given(st.integers(1, 160), st.lists(st.integers(1, 120), max_size=4), st.booleans())
@example(150, [50, 100], False)
@example(149, [49, 50, 148], True)
def test_the_digest_is_the_chain_that_is_documented(number, cuts, is_interrupted):
    """However the rows come: it must not change from one version to the next."""
    row = ('\u6c49="a"', -5, None, True, "2026-11-01T08:30:00.000000Z")
    rows = [(*row, place) for place in range(number)]
    chain = bytes(32)
    for start in range(0, number, 50):
        block = [list(values) for values in zip(*rows[start : start + 50], strict=True)]
        told = json.dumps(block, ensure_ascii=False, separators=(",", ":")).encode()
        chain = hashlib.sha256(chain + told).digest()
    shape = [Column(str(place), "integer", "", is_summed=place == 1) for place in range(6)]
    tally = Tally(shape)
    edges = sorted({0, *(cut for cut in cuts if cut < number), number})
    for start, end in itertools.pairwise(edges):
        tally.add(Batch(columns_of(rows[start:end])))
        if is_interrupted:
            noted = json.dumps(tally.state())
            tally.add(Batch(columns_of(rows[:3])))  # what came after the note is made again
            tally = Tally.resume(shape, json.loads(noted))
    assert (tally.rows, tally.content_sha256) == (number, chain.hex())
    assert tally.sums() == {"1": str(-5 * number)}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NASTY,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NASTY, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(NASTY, VALUES, max_size=3) | VALUES, min_size=1, max_size=4))
@example([{}, {"a,b": "x"}, {'"': "=\n"}])
def test_json_of_either_database_is_written_in_one_form(told):
    """As Python's own writer has it, and in CSV as its own writer quotes it."""
    wanted = [_canonical(value) for value in told]
    assert canonical([json.dumps(value, indent=1) for value in told]) == wanted
    assert canonical([json.dumps(value, ensure_ascii=False) for value in told]) == wanted
    alone = [canonical([None, json.dumps(value)]) for value in told]
    assert alone == [[None, text] for text in wanted]
    assert csv_values("json", wanted) == csv_values("text", wanted)


def _canonical(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class Watched(list):
    """A list that can be watched."""


@pytest.mark.parametrize("form", sorted(registry.FORMATS))
def test_writers_let_go_of_the_rows_that_they_have_written(form):
    """A column that is kept by any is one of each page, until there is no memory."""
    shape = order("events", form).table.columns
    samples = {"text": "汉", "time": "2026-11-01T08:30:00.000000Z", "flag": True, "json": "{}"}
    found = [Watched([samples.get(column.kind, 5)] * 3) for column in shape]
    watched = [weakref.ref(values) for values in found]
    writer = registry.get(form).open(order("events", form).sheet, Sink())
    writer.begin()
    writer.write(Batch(found))
    tally = Tally(shape)
    tally.add(Batch(found))
    del found
    writer.end(tally)
    del writer
    gc.collect()
    assert [values() for values in watched] == [None] * len(shape)
