"""Of a conversation nothing but its shape and its numbers may be seen."""

import json

from app.metering.masking import masked

NODE = {
    "moduleType": "chatNode",
    "model": "gpt-4o",
    "totalPoints": 1.5,
    "query": "whisper",
    "historyPreview": [{"obj": "Human", "value": "whisper"}],
    "whisper key": 1,
    "phone": 13800000000,
    "childrenResponses": [{"moduleType": "tools", "text": "whisper", "inputTokens": 3}],
}


def test_words_of_the_visitor_are_gone():
    shown = masked(json.dumps({"token": "whisper", "responseData": [NODE, "whisper"]}).encode())
    assert "whisper" not in shown
    assert "13800000000" not in shown
    node = json.loads(shown)["responseData"][0]
    assert (node["model"], node["totalPoints"]) == ("gpt-4o", 1.5)
    assert node["query"] == "••• (7)"
    assert node["childrenResponses"][0] == {
        "moduleType": "tools",
        "text": "••• (7)",
        "inputTokens": 3,
    }


def test_what_cannot_be_read_is_not_shown():
    assert masked(b"whisper") is None
    assert masked(b'["whisper"]') is None
    assert masked(b"\xff\xfe") is None
