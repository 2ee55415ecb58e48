"""The root URL for FastGPT and the address a visitor opens."""

from urllib.parse import parse_qs, urlsplit

import pytest
from app.links.addresses import root_url, share_id, visitor_url

SHARE = "https://fastgpt.example/chat/share?shareId=abc"


def test_root_url_has_no_double_slash():
    assert root_url("https://auth.example/", "k-_1") == "https://auth.example/l/k-_1"
    assert root_url("https://auth.example/x", "k") == "https://auth.example/x/l/k"


@pytest.mark.parametrize(
    ("share_url", "expected"),
    [
        (SHARE, SHARE + "&authToken=t.1-_~"),
        ("https://h/chat/share", "https://h/chat/share?authToken=t.1-_~"),
        ("https://h/s?", "https://h/s?authToken=t.1-_~"),
        (SHARE + "&authToken=old&customUid=x&a=", SHARE + "&a=&authToken=t.1-_~"),
        (SHARE + "#top", SHARE + "&authToken=t.1-_~#top"),
        ("https://h/s?q=%E4%BD%A0+b", "https://h/s?q=%E4%BD%A0%20b&authToken=t.1-_~"),
    ],
)
def test_token_is_added_to_whatever_query_there_is(share_url, expected):
    assert visitor_url(share_url, "t.1-_~") == expected


def test_token_survives_the_query():
    query = urlsplit(visitor_url(SHARE, "a&b=c d/é#")).query
    assert parse_qs(query)["authToken"] == ["a&b=c d/é#"]


def test_unknown_share_url_says_what_to_replace():
    url = visitor_url(None, "t")
    assert url == "https://YOUR-FASTGPT/chat/share?shareId=YOUR-SHARE-ID&authToken=t"


def test_share_id_is_read_from_the_address():
    assert share_id(SHARE) == "abc"
    assert share_id("https://h/chat") is None
    assert share_id(None) is None
