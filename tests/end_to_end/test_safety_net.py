import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.rig import (
    Server,
    running_server,
    scripted_google,
    until,
)
from tests.end_to_end.twilio_line import TwilioLine
from voicestt.audio import mulaw
from voicestt.emulators.google.recording import StreamRecord
from voicestt.emulators.google.service import LocalGoogle

SPOKEN = (1.0, 2.5)
SCRIPT = {
    "utterances": [{"text": "one {key} three four five", "start": SPOKEN[0], "end": SPOKEN[1]}],
    "final_delay": 0.3,
}


@pytest.fixture(params=["error UNAVAILABLE", "error INTERNAL after 1 s of audio", 'in-band INTERNAL "oh"'])
def failing_google(request: pytest.FixtureRequest) -> Iterator[LocalGoogle]:
    with scripted_google(SCRIPT, faults=f"all streaming: {request.param}") as google:
        yield google


def say(server: Server, number: int) -> tuple[str, bytes]:
    """A whole call, hung up: its name, and its audio as LINEAR16."""
    pcm = speech(number, 4.0, SPOKEN)
    with TwilioLine(server.target) as line:
        line.begin()
        line.speak(as_mulaw(pcm))
        assert line.hang_up() == 1000
    return line.sids.call, pcm


def single_shot_with_words(google: LocalGoogle) -> StreamRecord:
    """The one request of Recognize that words were heard in; there may be one for a noise as well."""
    (request,) = [record for record in google.streams if record.method == "Recognize" and record.finals]
    return request


def holds_the_speech(audio: bytes, pcm: bytes) -> bool:
    """Whether `audio` is one unbroken piece of the call, to the byte, with all that was spoken in it."""
    start = pcm.find(audio)
    end = start + len(audio)
    return start >= 0 and start <= SPOKEN[0] * 16_000 and end >= SPOKEN[1] * 16_000


def test_with_the_flag_off_the_final_is_one_request_and_no_stream_is_opened(tmp_path: Path) -> None:
    with (
        scripted_google(SCRIPT) as google,
        running_server(tmp_path, google.port, ENABLE_STREAMING_STT="false") as server,
    ):
        call, pcm = say(server, 11)
        assert server.wait_for_final(call) == ["one 11 three four five"]
        server.wait_for("Call ended:")
        assert {record.method for record in google.streams} == {"Recognize"}
        request = single_shot_with_words(google)
        assert holds_the_speech(request.audio, pcm)
        assert server.texts("partial") == []
        assert "[CFG] ENABLE_STREAMING_STT=False" in server.messages
        assert "Traceback" not in server.output


def test_where_streaming_fails_the_final_comes_by_one_request_with_the_same_audio(
    failing_google: LocalGoogle, tmp_path: Path
) -> None:
    with running_server(tmp_path, failing_google.port) as server:
        call, pcm = say(server, 12)
        assert server.wait_for_final(call) == ["one 12 three four five"]
        server.wait_for("Call ended:")
        request = single_shot_with_words(failing_google)
        assert holds_the_speech(request.audio, pcm)
        assert any(record.method == "StreamingRecognize" for record in failing_google.streams)
        assert "Traceback" not in server.output


def test_the_next_call_streams_again_once_google_is_well(tmp_path: Path) -> None:
    with (
        scripted_google(SCRIPT, faults="next 50 streaming: error UNAVAILABLE") as google,
        running_server(tmp_path, google.port) as server,
    ):
        first, _ = say(server, 13)
        assert server.wait_for_final(first) == ["one 13 three four five"]
        google.set_faults("")

        def has_streamed() -> bool:
            call, pcm = say(server, 14)
            assert server.wait_for_final(call) == ["one 14 three four five"]
            wanted = hashlib.sha256(mulaw.decode(as_mulaw(pcm))).hexdigest()
            return any(record.sha256 == wanted and record.how == "OK" for record in google.streams)

        assert until(has_streamed, "a call that streams")
