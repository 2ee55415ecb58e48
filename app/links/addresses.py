"""The two addresses of a link: the root URL for FastGPT, and what a visitor opens."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

PLACEHOLDER = "https://YOUR-FASTGPT/chat/share?shareId=YOUR-SHARE-ID"
"""Stands in for a link's share URL until the operator has said it."""

_IDENTITY_PARAMETERS = {"authToken", "customUid"}


def root_url(public_url: str, key: str) -> str:
    """What is pasted into the share link's identity verification field in FastGPT."""
    return f"{public_url.rstrip('/')}/l/{quote(key, safe='')}"


def visitor_url(share_url: str | None, token: str) -> str:
    """The share page opened as the bearer of ``token``.

    Replaces an identity that the address carries already; everything else in it stays.
    """
    parts = urlsplit(share_url or PLACEHOLDER)
    query = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in _IDENTITY_PARAMETERS
    ]
    query.append(("authToken", token))
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def share_id(share_url: str | None) -> str | None:
    """FastGPT's own id of the link, when its address is known."""
    if share_url is None:
        return None
    return dict(parse_qsl(urlsplit(share_url).query)).get("shareId")
