import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.twilio.server_messages import AudioToPlay, Clear, parse_server_message
from voicestt.emulators.twilio.server_messages import MarkToReturn as SentMark
from voicestt.twilio.media_stream import (
    BadMessage,
    BadStart,
    Connected,
    DtmfDetails,
    DtmfMessage,
    MarkDetails,
    MarkMessage,
    Media,
    MediaFormat,
    Message,
    Start,
    StartDetails,
    Stop,
    Unknown,
    clear_message,
    inbound_frames,
    mark_message,
    media_message,
    parse,
)

SID = "MZ" + "0123456789abcdef" * 2
FRAME = bytes(range(160))

START = {
    "event": "start",
    "sequenceNumber": "1",
    "start": {
        "accountSid": "AC1",
        "streamSid": SID,
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"FirstName": "Jane"},
    },
    "streamSid": SID,
}
MEDIA = {
    "event": "media",
    "sequenceNumber": "3",
    "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": base64.b64encode(FRAME).decode()},
    "streamSid": SID,
}


def read(message: Any) -> Message:
    return parse(json.dumps(message).encode())


def changed(message: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    """`message` with another value at `path`."""
    name, *rest = path
    return {**message, name: changed(message[name], *rest, to=to) if rest else to}


@pytest.mark.parametrize("version", ["0.2.0", "1.0.0", "77"])
def test_connected_of_any_version(version: str) -> None:
    assert read({"event": "connected", "protocol": "Call", "version": version}) == Connected()


def test_start_says_whose_audio_it_is() -> None:
    start = read(START)
    assert isinstance(start, Start)
    assert (start.start.call_sid, start.start.stream_sid, start.start.account_sid) == ("CA1", SID, "AC1")
    assert start.start.custom_parameters == {"FirstName": "Jane"}
    assert start.start.media_format.is_mulaw
    assert start.start.odd == ()


def test_the_usual_audio_is_taken_with_its_numbers_as_strings_too() -> None:
    said = {"encoding": "audio/x-mulaw", "sampleRate": "8000", "channels": "1"}
    start = read(changed(START, "start", "mediaFormat", to=said))
    assert isinstance(start, Start)
    assert start.start.media_format == MediaFormat("audio/x-mulaw", 8_000, 1)
    assert start.start.odd == ()
    assert start.start.media_format.is_mulaw
    assert MediaFormat("Audio/X-MULAW").is_mulaw


@pytest.mark.parametrize(
    "audio", [MediaFormat("audio/x-l16"), MediaFormat(sample_rate=16_000), MediaFormat(channels=2)]
)
def test_any_other_audio_is_told_from_it(audio: MediaFormat) -> None:
    assert not audio.is_mulaw


def test_a_frame_is_its_bytes() -> None:
    media = read(MEDIA)
    assert isinstance(media, Media)
    assert (media.media.payload, media.is_inbound) == (FRAME, True)


@given(st.binary(max_size=2_000))
def test_a_frame_may_have_any_length(audio: bytes) -> None:
    media = read(changed(MEDIA, "media", "payload", to=base64.b64encode(audio).decode()))
    assert isinstance(media, Media)
    assert media.media.payload == audio


def test_a_frame_of_the_other_track_is_told_apart() -> None:
    media = read(changed(MEDIA, "media", "track", to="outbound"))
    assert isinstance(media, Media)
    assert not media.is_inbound


@pytest.mark.parametrize("track", [None, 5, [], {}, True])
def test_a_track_that_is_none_does_not_make_a_call_deaf(track: Any) -> None:
    media = read(changed(MEDIA, "media", "track", to=track))
    assert isinstance(media, Media)
    assert (media.media.payload, media.is_inbound) == (FRAME, True)


@pytest.mark.parametrize("number", ["3", 3, None, [1]])
def test_a_sequence_number_is_not_looked_at(number: Any) -> None:
    assert isinstance(read({**MEDIA, "sequenceNumber": number}), Media)


def test_dtmf_mark_and_stop() -> None:
    dtmf = {
        "event": "dtmf",
        "streamSid": SID,
        "sequenceNumber": "5",
        "dtmf": {"track": "inbound_track", "digit": "1"},
    }
    mark = {"event": "mark", "sequenceNumber": "4", "streamSid": SID, "mark": {"name": "greeting"}}
    stop = {
        "event": "stop",
        "sequenceNumber": "5",
        "streamSid": SID,
        "stop": {"accountSid": "AC1", "callSid": "CA1"},
    }
    assert read(dtmf) == DtmfMessage(DtmfDetails("1"))
    assert read(mark) == MarkMessage(MarkDetails("greeting"))
    assert read(stop) == Stop()


def test_new_fields_are_ignored() -> None:
    extended = changed({**START, "new": {"deep": [1]}}, "start", to={**START["start"], "more": 1})  # type: ignore[dict-item]
    assert read(extended) == read(START)


def test_an_unknown_event_is_no_error() -> None:
    assert read({"event": "transcription", "streamSid": SID}) == Unknown("transcription")


def test_the_name_of_an_unknown_event_is_cut() -> None:
    assert read({"event": "x" * 1_000}) == Unknown("x" * 40)


BAD = {
    "nothing": b"",
    "no JSON": b"hello",
    "half of it": b'{"event":"media","media":{"pay',
    "not UTF-8": b'{"event":"\xff"}',
    "a list": b"[1,2]",
    "a number": b"5",
    "no event": b"{}",
    "an event that is a number": b'{"event":5}',
    "an event that is null": b'{"event":null}',
    "media without media": b'{"event":"media"}',
    "media that is a string": b'{"event":"media","media":"x"}',
    "no payload": b'{"event":"media","media":{"track":"inbound"}}',
    "no base64": b'{"event":"media","media":{"payload":"!!!"}}',
    "a payload that is a number": b'{"event":"media","media":{"payload":7}}',
    "start without a call": b'{"event":"start","start":{"streamSid":"MZ1"}}',
    "nested without end": b'{"event":"x","a":' + b"[" * 100_000,
    "nested too deep": b'{"event":"x","a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_no_message_is_said_to_be_bad(data: bytes) -> None:
    with pytest.raises(BadMessage):
        parse(data)


def test_the_problem_holds_nothing_of_what_was_sent() -> None:
    secret = "972501234567"
    for message in (
        {"event": "start", "start": secret},
        {"event": "start", "start": {"callSid": {secret: secret}}},
        {"event": "media", "media": {"payload": secret + "!"}},
        {"event": ["972501234567"]},
    ):
        with pytest.raises(BadMessage) as caught:
            read(message)
        assert secret not in str(caught.value)


MESSAGES = [
    *BAD.values(),
    *(json.dumps(message).encode() for message in (START, MEDIA, MEDIA, MEDIA)),
    json.dumps(changed(MEDIA, "media", "track", to="outbound")).encode(),
    json.dumps(changed(MEDIA, "media", "track", to=5)).encode(),
    json.dumps({"event": "mark", "mark": {"name": "a"}}).encode(),
    json.dumps({**MEDIA, "more": [1]}).encode(),
    json.dumps(MEDIA).encode() + b",",
]


@given(st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=4))
def test_frames_that_come_together_are_those_that_come_alone(messages: list[bytes]) -> None:
    frames = []
    for message in messages:
        try:
            one = parse(message)
        except BadMessage:
            one = Unknown("bad")
        frames.append(one.media if isinstance(one, Media) and one.media.track == "inbound" else None)
    assert inbound_frames(messages) == (None if None in frames else frames)


def parses_or_is_bad(data: bytes) -> None:
    try:
        message = parse(data)
    except BadMessage:
        return
    assert isinstance(message, Connected | Start | Media | DtmfMessage | MarkMessage | Stop | Unknown)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PARTS = st.dictionaries(st.sampled_from(["payload", "track", "callSid", "digit", "name"]), JSON)
PARTS_OF_START = st.dictionaries(
    st.sampled_from(["streamSid", "accountSid", "tracks", "customParameters", "mediaFormat", "more"]),
    JSON | st.dictionaries(st.sampled_from(["encoding", "sampleRate", "channels"]), JSON),
)
EVENTS = st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop", "other"])


@given(st.binary())
def test_bytes_of_any_kind_raise_only_bad_message(data: bytes) -> None:
    parses_or_is_bad(data)


@given(JSON)
def test_json_of_any_kind_raises_only_bad_message(value: Any) -> None:
    parses_or_is_bad(json.dumps(value).encode())


@given(event=EVENTS, part=JSON, other=JSON)
def test_a_message_with_anything_in_its_place_raises_only_bad_message(event: str, part: Any, other: Any) -> None:
    parses_or_is_bad(json.dumps({"event": event, event: part, "streamSid": other}).encode())


@given(event=EVENTS, fields=PARTS)
def test_a_part_with_anything_in_its_fields_raises_only_bad_message(event: str, fields: dict[str, Any]) -> None:
    parses_or_is_bad(json.dumps({"event": event, event: fields}).encode())


@given(st.data())
def test_a_message_damaged_in_one_byte_raises_only_bad_message(data: st.DataObject) -> None:
    message = bytearray(json.dumps(data.draw(st.sampled_from([START, MEDIA]))).encode())
    message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    parses_or_is_bad(bytes(message))


# -- an odd start

JUST_THE_CALL = StartDetails("CA1")
OPTIONAL: list[tuple[str, ...]] = [
    ("streamSid",),
    ("accountSid",),
    ("tracks",),
    ("customParameters",),
    ("mediaFormat",),
    ("mediaFormat", "encoding"),
    ("mediaFormat", "sampleRate"),
    ("mediaFormat", "channels"),
]


def details_of(message: Any) -> StartDetails:
    start = read(message)
    assert isinstance(start, Start)
    return start.start


def with_optional(**fields: Any) -> dict[str, Any]:
    """A start of which only the CallSid is sure."""
    return {"event": "start", **fields.pop("beside", {}), "start": {"callSid": "CA1", **fields}}


@given(beside=st.dictionaries(st.sampled_from(["streamSid", "sequenceNumber", "x"]), JSON), fields=PARTS_OF_START)
def test_whatever_is_optional_the_call_is_known_and_can_be_written_down(
    beside: dict[str, Any], fields: dict[str, Any]
) -> None:
    details = details_of(with_optional(beside=beside, **fields))
    assert details.call_sid == "CA1"
    assert isinstance(details.stream_sid, str)
    assert isinstance(details.account_sid, str)
    assert isinstance(details.media_format.is_mulaw, bool)
    msgspec.json.encode(details.custom_parameters)


@given(place=st.sampled_from(OPTIONAL), value=JSON)
def test_an_optional_field_that_is_of_another_type_has_its_default(place: tuple[str, ...], value: Any) -> None:
    details = details_of(changed(START, "start", *place, to=value))
    usual = details_of(START)
    if not isinstance(value, str | int | float | dict) or isinstance(value, bool):
        assert details.media_format.is_mulaw
        assert details.stream_sid == SID  # the one beside `start`
        assert details.custom_parameters in ({}, usual.custom_parameters)
        assert details.odd == ((".".join(place),) if value is not None and place != ("tracks",) else ())


@pytest.mark.parametrize("given", ['"\\ud83d"', "1e999", "1" * 5_000, "[" * 500 + "]" * 500, "NaN"])
@pytest.mark.parametrize("place", [("customParameters", "x"), ("sequenceNumber",), ("streamSid",)])
def test_json_that_is_hard_to_read_costs_no_call(given: str, place: tuple[str, ...]) -> None:
    message = START if place == ("sequenceNumber",) else {**START, "streamSid": ""}
    path = place if place == ("sequenceNumber",) else ("start", *place)
    text = json.dumps(changed(message, *path, to="HERE")).replace('"HERE"', given)
    start = parse(text.encode())
    assert isinstance(start, Start)
    assert start.start.call_sid == "CA1"
    msgspec.json.encode(start.start.custom_parameters)


def test_text_that_is_no_utf_8_costs_no_call() -> None:
    start = parse(json.dumps(START).encode().replace(b"Jane", b"Jan\xe9"))
    assert isinstance(start, Start)
    assert start.start.custom_parameters == {"FirstName": "Jan\ufffd"}


def test_nothing_but_the_call_need_be_said() -> None:
    assert details_of(with_optional()) == JUST_THE_CALL
    assert details_of(with_optional(mediaFormat=None, customParameters=None, streamSid=None)) == JUST_THE_CALL


NO_CALL = {
    "no CallSid": ({"streamSid": "MZ1"}, "", "MZ1"),
    "a CallSid that is a number": ({"callSid": 5, "streamSid": "MZ1"}, "", "MZ1"),
    "an empty CallSid": ({"callSid": "", "streamSid": ["x"]}, "", ""),
    "a start that is a string": ("CA1", "", ""),
    "a start that is null": (None, "", ""),
}


@pytest.mark.parametrize(("start", "call_sid", "stream_sid"), NO_CALL.values(), ids=NO_CALL)
def test_a_start_of_no_call_says_what_could_be_read(start: Any, call_sid: str, stream_sid: str) -> None:
    with pytest.raises(BadStart) as caught:
        read({"event": "start", "start": start})
    assert (caught.value.call_sid, caught.value.stream_sid) == (call_sid, stream_sid)


def test_a_start_of_no_call_may_still_have_a_stream_beside_it() -> None:
    with pytest.raises(BadStart) as caught:
        read({"event": "start", "start": 7, "streamSid": "MZ1"})
    assert caught.value.stream_sid == "MZ1"


# -- what we send


def test_each_message_of_ours_has_exactly_twilio_s_fields() -> None:
    payload = base64.b64encode(FRAME).decode()
    assert json.loads(media_message(SID, FRAME)) == {
        "event": "media",
        "streamSid": SID,
        "media": {"payload": payload},
    }
    assert json.loads(mark_message(SID, "7")) == {"event": "mark", "streamSid": SID, "mark": {"name": "7"}}
    assert json.loads(clear_message(SID)) == {"event": "clear", "streamSid": SID}


@given(st.text(max_size=40), st.binary(max_size=2_000), st.text(max_size=40))
def test_twilio_understands_whatever_is_said(stream_sid: str, audio: bytes, name: str) -> None:
    assert parse_server_message(media_message(stream_sid, audio).decode(), stream_sid) == AudioToPlay(audio)
    assert parse_server_message(mark_message(stream_sid, name).decode(), stream_sid) == SentMark(name)
    assert parse_server_message(clear_message(stream_sid).decode(), stream_sid) == Clear()
