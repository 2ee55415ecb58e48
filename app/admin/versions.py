"""Against lost updates: an entity tag of what was read, compared when it is changed."""

import hashlib
import json
from typing import Any

from flask import g, request

from app.errors import Conflict


class ChangedMeanwhile(Conflict):
    """Somebody changed it since it was read."""

    status = 412
    code = "changed_meanwhile"


def tag(described: dict[str, Any]) -> str:
    """The entity tag of something as its domain describes it."""
    text = json.dumps(described, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def show(described: dict[str, Any]) -> None:
    """Send the tag with this answer, as ``ETag``."""
    g.entity_tag = tag(described)


def check(described: dict[str, Any]) -> None:
    """Compare with what the caller read: ``If-Match`` of a program, ``version`` of a form.

    Call it in the transaction that changes it. Who sends neither overwrites knowingly.

    Raises:
        ChangedMeanwhile: it is not what they read.
    """
    wanted = request.if_match
    form_version = request.form.get("version") if request.form else None
    current = tag(described)
    if wanted and not wanted.contains(current) and not wanted.star_tag:
        raise ChangedMeanwhile("somebody changed it since you read it: read it again")
    if form_version and form_version != current:
        raise ChangedMeanwhile("somebody changed it since you opened the page: open it again")
