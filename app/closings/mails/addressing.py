"""Where a statement is mailed to, and what the letter says. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.closings.papers.paper import Issuer
from app.closings.papers.words import Locale, word

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}")


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes out beside the statement itself."""

    subject: str
    text: str


def address_of(attributes: Mapping[str, Any], attribute: str) -> str | None:
    """The address among a user's attributes; None when there is none that can be written to."""
    said = attributes.get(attribute) if attribute else None
    if not isinstance(said, str):
        return None
    address = said.strip()
    return address if _ADDRESS.fullmatch(address) else None


def letter(month: str, number: str, issuer: Issuer, locale: Locale) -> Letter:
    """The letter with the statement of that number."""
    subject = f"{word('mail_subject', locale)} {month} ({number})"
    if issuer.company:
        subject = f"{issuer.company}: {subject}"
    parts = [word("mail_text", locale), issuer.note, issuer.company]
    return Letter(subject, "\n\n".join(part for part in parts if part) + "\n")
