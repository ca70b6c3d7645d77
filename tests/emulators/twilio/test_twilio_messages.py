import json
from base64 import b64decode
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.twilio.twilio_messages import (
    CONNECTED,
    Sids,
    StreamMessages,
    new_sid,
)

SIDS = Sids("AC1", "CA1", "MZ1")


def read(text: str) -> Any:
    return json.loads(text)


def test_connected_has_no_number_and_no_stream() -> None:
    assert read(CONNECTED) == {"event": "connected", "protocol": "Call", "version": "1.0.0"}


def test_start_tells_who_and_in_which_format() -> None:
    assert read(StreamMessages(SIDS).start({"line": "sales"})) == {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": "AC1",
            "streamSid": "MZ1",
            "callSid": "CA1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"line": "sales"},
        },
        "streamSid": "MZ1",
    }


def test_one_counter_runs_through_all_messages() -> None:
    messages = StreamMessages(SIDS)
    texts = [
        messages.start({}),
        messages.media(b"\xff" * 160),
        messages.mark("greeting"),
        messages.dtmf("5"),
        messages.media(b"\xfe" * 160),
        messages.stop(),
    ]
    assert [read(text)["sequenceNumber"] for text in texts] == ["1", "2", "3", "4", "5", "6"]
    assert read(texts[2])["mark"] == {"name": "greeting"}
    assert read(texts[3])["dtmf"] == {"track": "inbound_track", "digit": "5"}
    assert read(texts[5])["stop"] == {"accountSid": "AC1", "callSid": "CA1"}
    assert {read(text)["streamSid"] for text in texts} == {"MZ1"}


def test_frames_are_numbered_from_one_and_timed_from_52_ms() -> None:
    messages = StreamMessages(SIDS)
    frames = [read(messages.media(bytes([number]) * 160))["media"] for number in range(3)]
    assert [frame["chunk"] for frame in frames] == ["1", "2", "3"]
    assert [frame["timestamp"] for frame in frames] == ["52", "72", "92"]
    assert {frame["track"] for frame in frames} == {"inbound"}


@given(st.lists(st.binary(max_size=500)))
def test_the_payloads_are_the_audio(pieces: list[bytes]) -> None:
    messages = StreamMessages(SIDS)
    assert [b64decode(read(messages.media(piece))["media"]["payload"]) for piece in pieces] == pieces


def test_names_are_as_twilio_gives_them() -> None:
    sids = Sids()
    assert (sids.account[:2], sids.call[:2], sids.stream[:2]) == ("AC", "CA", "MZ")
    assert len(new_sid("MZ")) == 34
    assert Sids() != sids


def test_a_hold_moves_the_timestamps_on_and_nothing_else() -> None:
    messages = StreamMessages(SIDS)
    messages.media(b"\xff" * 160)
    messages.hold(1.5)
    frame = read(messages.media(b"\xff" * 160))
    assert (frame["media"]["chunk"], frame["media"]["timestamp"], frame["sequenceNumber"]) == ("2", "1572", "2")


def test_sequence_numbers_can_be_made_to_jump() -> None:
    messages = StreamMessages(SIDS)
    messages.jump(10)
    assert read(messages.mark("m"))["sequenceNumber"] == "11"
    messages.jump(-100)
    assert read(messages.custom("weather", {"sky": "blue"}).decode()) == {
        "event": "weather",
        "sequenceNumber": "1",
        "weather": {"sky": "blue"},
        "streamSid": "MZ1",
    }


def test_each_track_counts_its_own_chunks_and_time() -> None:
    messages = StreamMessages(Sids())
    start = json.loads(messages.start({}, ("inbound", "outbound")))
    assert start["start"]["tracks"] == ["inbound", "outbound"]
    tracks = ["inbound", "outbound", "inbound", "outbound", "outbound"]
    told = [json.loads(messages.media(bytes(160), track)) for track in tracks]
    assert [each["media"]["track"] for each in told] == tracks
    assert [each["media"]["chunk"] for each in told] == ["1", "1", "2", "2", "3"]
    assert [int(each["media"]["timestamp"]) - 52 for each in told] == [0, 0, 20, 20, 40]
    assert [each["sequenceNumber"] for each in told] == ["2", "3", "4", "5", "6"]


def test_the_time_of_a_track_goes_on_where_it_has_no_frames() -> None:
    messages = StreamMessages(SIDS)
    messages.leave_out(160, "outbound")
    messages.media(b"\xff" * 160)
    late = read(messages.media(b"\xff" * 160, "outbound"))["media"]
    assert (late["chunk"], late["timestamp"]) == ("1", "72")
