"""Mend what FastGPT, JavaScript or a proxy can put into a body that strict JSON does not allow.

One pass, linear in the body, over its strings, brackets and bare words. It runs only when the
body could not be decoded as it is.
"""

import codecs
import re
from dataclasses import dataclass

from app.metering.tally import Tally

DEPTH_MAX = 200
"""Deeper nesting is blanked; a user's own data may be deeper than a decoder's stack."""

BOM = b"\xef\xbb\xbf"
REPLACEMENT = b"\\ufffd"
CHUNK = 64 * 1024
"""Bytes decoded at a time: text takes up to four times the memory of its bytes."""

# A string ends at its quote or, when cut off, with the body: possessive, so never tried twice.
_TOKEN = re.compile(
    rb'(?P<string>"[^"\\]*+(?:\\.?[^"\\]*+)*+"?)'
    rb"|(?P<open>[\[{]++)|(?P<close>[\]}]++)"
    rb"|(?P<word>-?Infinity|NaN|undefined)",
    re.DOTALL,
)
_FLAW = re.compile(
    rb"(?P<fine>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|(?P<hex>\\u[0-9a-fA-F]{4})"
    rb'|(?P<escape>\\["\\/bfnrt])'
    rb"|(?P<stray>\\)"
    rb"|(?P<control>[\x00-\x1f])",
)
_SUSPICIOUS = re.compile(rb"[\\\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Repaired:
    body: bytes | bytearray
    warnings: dict[str, int]


def repair(body: bytes) -> Repaired:
    """The body as strict JSON where that can be had without guessing.

    In strings, lone surrogates and invalid UTF-8 become U+FFFD, control characters and stray
    escapes are escaped; a bare NaN or Infinity becomes text; nesting beyond ``DEPTH_MAX`` becomes
    null. Structure is not invented: what is cut off or unbalanced stays so.
    """
    tally = Tally()
    if body.startswith(BOM):
        tally.add("body_bom")
        body = body[len(BOM) :]
    if not _is_utf8(body):
        tally.add("body_not_utf8")
        body = _as_utf8(body)
    mended = _Mender(body, tally).run()
    return Repaired(mended, tally.counts())


def _is_utf8(body: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(body), CHUNK):
            decoder.decode(body[start : start + CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _as_utf8(body: bytes) -> bytes:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    mended = bytearray()
    for start in range(0, len(body), CHUNK):
        mended += decoder.decode(body[start : start + CHUNK]).encode()
    mended += decoder.decode(b"", final=True).encode()
    return bytes(mended)


class _Mender:
    """Copies a body slice by slice, leaving out or replacing what is wrong."""

    def __init__(self, body: bytes, tally: Tally) -> None:
        self._body = body
        self._view = memoryview(body)
        self._tally = tally
        self._mended = bytearray()
        self._copied = 0
        self._depth = 0
        self._is_blank = False

    def run(self) -> bytearray:
        for token in _TOKEN.finditer(self._body):
            kind = token.lastgroup
            if kind == "open":
                self._open(token)
            elif kind == "close":
                self._close(token)
            elif self._is_blank:
                continue
            elif kind == "word":
                self._replace(token.start(), token.end(), b'"' + token.group() + b'"')
                self._tally.add("body_not_a_number")
            elif _SUSPICIOUS.search(token.group()):
                self._mend_string(token)
        if not self._is_blank:
            self._mended += self._view[self._copied :]
        return self._mended

    def _open(self, token: re.Match[bytes]) -> None:
        room = DEPTH_MAX - self._depth
        self._depth += len(token.group())
        if not self._is_blank and self._depth > DEPTH_MAX:
            self._is_blank = True
            self._replace(token.start() + room, token.end(), b"null")
            self._tally.add("body_too_deep")

    def _close(self, token: re.Match[bytes]) -> None:
        count = len(token.group())
        self._depth -= count
        if self._is_blank and self._depth <= DEPTH_MAX:
            self._is_blank = False
            self._copied = token.end() - (DEPTH_MAX - self._depth)

    def _mend_string(self, token: re.Match[bytes]) -> None:
        text = token.group()
        mended = _FLAW.sub(self._mend_flaw, text)
        if mended != text:
            self._replace(token.start(), token.end(), mended)

    def _mend_flaw(self, flaw: re.Match[bytes]) -> bytes:
        kind = flaw.lastgroup
        if kind == "lone":
            self._tally.add("body_lone_surrogate")
            return REPLACEMENT
        if kind == "stray":
            self._tally.add("body_stray_escape")
            return b"\\\\"
        if kind == "control":
            self._tally.add("body_control_character")
            return b"\\u%04x" % flaw.group()[0]
        return flaw.group()

    def _replace(self, start: int, end: int, by: bytes) -> None:
        self._mended += self._view[self._copied : start]
        self._mended += by
        self._copied = end
