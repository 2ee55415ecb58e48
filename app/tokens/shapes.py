"""What kind of token a text looks like. Looks prove nothing; they say whom to ask."""

import re
from typing import Literal

from app.keys import TOKEN_PREFIX

TEXT_CHARS_MAX = 65536
"""Nothing longer is looked at, whatever an issuer allows."""
CHANNEL_ID_CHARS_MAX = 256

Shape = Literal["opaque", "guest", "jwt", "other"]

_JWT = re.compile(r"[A-Za-z0-9_-]+=*\.[A-Za-z0-9_-]+=*\.[A-Za-z0-9_-]*=*")
_GUEST = re.compile(r"shareChat-[0-9]{10,16}-[A-Za-z0-9_-]{12,64}")
"""FastGPT's share page makes ``shareChat-<epoch ms>-<24 characters>``, of changing alphabets."""


def shape(text: str) -> Shape:
    """What ``text`` looks like."""
    if text.startswith(TOKEN_PREFIX):
        return "opaque"
    if _GUEST.fullmatch(text):
        return "guest"
    if _JWT.fullmatch(text):
        return "jwt"
    return "other"


def signed_part(text: str) -> str:
    """What a JWT's signature covers; any other text as it is.

    A revocation names this part: the signature of one token can be written in several ways
    (ECDSA allows two, base64 padding more), and each must be revoked.
    """
    return text.rpartition(".")[0] if shape(text) == "jwt" else text
