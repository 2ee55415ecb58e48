"""A record is sealed whole, and finds its way back from a log."""

import random
import zlib
from datetime import UTC, datetime

import pytest
from app.keys import Keys, SealBroken
from app.spool import record
from app.spool.record import LINE_CHARS_MAX, LinesIncomplete, Record, RecordUnreadable
from app.telemetry.logs import redact_text
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 4, 0, 0, 5, tzinfo=UTC)
KEYS = Keys("a secret that is only good for tests, 32+")


def make(body: bytes = b'{"token":"sat_0123456789"}', **changes) -> Record:
    values = {"reference": "k3v7q2m4xa", "received_at": NOW, "link_key": "KEY", "link_name": None}
    return Record(**{**values, **changes}, body=body)


@given(st.binary(max_size=300))
def test_record_opens_as_it_was_sealed(body):
    assert record.unseal(record.seal(make(body), keys=KEYS), keys=KEYS) == make(body)


def test_neither_token_nor_link_key_can_be_read():
    payload = record.seal(make(link_key="a-link-key"), keys=KEYS)
    assert b"sat_" not in payload
    assert b"a-link-key" not in payload
    assert payload.isascii()


def test_another_secret_key_does_not_open_it():
    with pytest.raises(SealBroken):
        record.unseal(record.seal(make(), keys=KEYS), keys=Keys("another secret of 32 characters!"))


def test_record_of_a_newer_program_is_refused_with_advice():
    payload = KEYS.seal(zlib.compress(b'{"version": 2}\n')).encode()
    with pytest.raises(RecordUnreadable, match="newer"):
        record.unseal(payload, keys=KEYS)


def test_long_record_is_cut_into_lines_and_put_together_again():
    noise = random.Random(1).randbytes(200_000)
    payloads = [record.seal(make(noise), keys=KEYS), record.seal(make(b"2"), keys=KEYS)]
    lines = [
        f'{{"event":"finish.sealed","sealed":"{line}"}}\n'
        for payload, reference in zip(payloads, ("aaaa", "bbbb"), strict=True)
        for line in record.to_lines(reference, payload)
    ]
    assert len(lines) > 2
    assert max(map(len, lines)) < LINE_CHARS_MAX + 200
    mixed = ["some other line\n", *reversed(lines), "\n", *lines]
    assert sorted(record.from_lines(mixed)) == sorted(payloads)


def test_missing_part_is_told_after_all_that_is_whole():
    payload = record.seal(make(bytes(range(256)) * 400), keys=KEYS)
    cut = "x" * 2 * LINE_CHARS_MAX
    first, *_ = record.to_lines("cccc", cut.encode())
    given_out = []
    with pytest.raises(LinesIncomplete, match="cccc"):
        given_out.extend(record.from_lines([first, *record.to_lines("dddd", payload)]))
    reading = record.from_lines([first, *record.to_lines("dddd", payload)])
    assert next(reading) == payload


def test_redaction_of_logs_leaves_sealed_lines_alone():
    awkward = b"-sat_0123456789-eyJ0-/l/abcd-shareChat-12-abc" * 3
    for line in record.to_lines("aaaa", awkward.replace(b"/", b"_")):
        assert redact_text(line) == line
