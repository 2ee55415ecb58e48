"""Documents an operator hands over as a file: a price book, an issuer."""

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.errors import Invalid


class DocumentUnreadable(Invalid):
    """The file is not the document it should be."""

    code = "document_unreadable"


def read_document(path: Path) -> dict[str, Any]:
    """The table in a ``.json`` file, or in a TOML file of any other name; numbers stay exact.

    Raises:
        DocumentUnreadable: says where it cannot be read.
    """
    try:
        text = path.read_text("utf-8")
        if path.suffix.lower() == ".json":
            document = json.loads(text, parse_float=Decimal)
        else:
            document = tomllib.loads(text, parse_float=Decimal)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise DocumentUnreadable(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise DocumentUnreadable(f"{path}: a table of names and values is needed")
    return document
