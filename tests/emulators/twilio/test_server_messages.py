import json
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.server_messages import (
    AudioToPlay,
    Clear,
    MarkToReturn,
    parse_server_message,
)

MEDIA = {"event": "media", "streamSid": "MZ1", "media": {"payload": b64encode(b"\xff\x7f").decode()}}
MARK = {"event": "mark", "streamSid": "MZ1", "mark": {"name": "end"}}
CLEAR = {"event": "clear", "streamSid": "MZ1"}


def test_the_three_messages_are_understood() -> None:
    assert parse_server_message(json.dumps(MEDIA), "MZ1") == AudioToPlay(b"\xff\x7f")
    assert parse_server_message(json.dumps(MARK), "MZ1") == MarkToReturn("end")
    assert parse_server_message(json.dumps(CLEAR), "MZ1") == Clear()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ([], "not a JSON object"),
        ({"event": "stop", "streamSid": "MZ1"}, "'stop' is unknown"),
        ({"event": ["media"]}, "unknown"),
        (MEDIA | {"sequenceNumber": "1"}, "must have exactly"),
        ({"event": "mark", "mark": {"name": "end"}}, "must have exactly"),
        (CLEAR | {"clear": {}}, "must have exactly"),
        (MEDIA | {"media": {"payload": "", "track": "outbound"}}, "exactly the fields ['payload']"),
        (MARK | {"mark": "end"}, "exactly the fields ['name']"),
        (MEDIA | {"streamSid": "MZ2"}, "not this call's"),
        (MEDIA | {"media": {"payload": "?"}}, "not base64"),
        (MEDIA | {"media": {"payload": "é"}}, "not base64"),
        (MEDIA | {"media": {"payload": 1}}, "not a text"),
    ],
)
def test_anything_else_is_twilios_warning_31951(message: Any, words: str) -> None:
    with pytest.raises(CallRefused) as raised:
        parse_server_message(json.dumps(message), "MZ1")
    assert raised.value.problem.code == 31951
    assert words in raised.value.problem.message


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["event", "media", "streamSid"]), inner),
)


@given(st.text() | JSON.map(json.dumps) | JSON.map(lambda body: json.dumps(MEDIA | {"media": body})))
def test_any_text_is_a_message_or_refused(text: str) -> None:
    with suppress(CallRefused):
        assert parse_server_message(text, "MZ1")
