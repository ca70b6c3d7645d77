import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.end_to_end.clips import HEBREW, speech, write_wav
from tests.end_to_end.rig import (
    Server,
    call_process,
    running_server,
    scripted_google,
    stream_with,
)
from voicestt.audio import mulaw
from voicestt.emulators.google.recording import StreamRecord
from voicestt.emulators.twilio.call_values import CallOptions, Speech
from voicestt.emulators.twilio.clip import read_clip

DEBOUNCE_MS = 180
GRAIN = 0.001  # `t` is read when the line is written, a moment after the debounce has looked at the clock


@dataclass(frozen=True)
class Told:
    """A Hebrew call that is over, seen from all sides."""

    server: Server
    caller_code: int
    caller_said: str
    sent: bytes
    stream: StreamRecord
    began: tuple[float, float]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("hebrew")
    clip = write_wav(folder / "clip.wav", speech(7, 5.5, (0.5, 2.5), (3.2, 4.4)))
    settings = {
        "GCP_STT_LANGUAGE": "he-IL",
        "GCP_STT_MODEL": "phone_call",
        "STT_PARTIAL_DEBOUNCE_MS": str(DEBOUNCE_MS),
        "STT_BATCH_MS": "150",
    }
    sent = Speech.of(read_clip(clip), CallOptions()).audio
    began = time.monotonic(), time.time()
    with scripted_google(HEBREW) as google, running_server(folder, google.port, **settings) as server:
        caller = call_process(server, clip)
        stream = stream_with(google, mulaw.decode(sent))
        server.wait_for("Call ended:")
        server.wait_for_final(count=2)
        yield Told(server, caller.returncode, caller.stdout + caller.stderr, sent, stream, began)


def test_the_caller_was_served_as_twilio_expects(told: Told) -> None:
    assert told.caller_code == 0, told.caller_said
    assert f"sent      {len(told.sent)} bytes" in told.caller_said
    assert "webhook   200; status callbacks: stream-started 204, stream-stopped 204" in told.caller_said
    assert "closed    1000" in told.caller_said


def test_the_lines_of_the_log_begin_as_they_must(told: Told) -> None:
    assert told.server.messages.count("[CFG] ENABLE_STREAMING_STT=True") == 1
    assert told.server.messages.count("📞 WebSocket connected: /ws/twilio-media") == 1
    partials, finals = told.server.texts("partial"), told.server.texts("final")
    assert told.server.saying("🟡") == [f"🟡 Partial: {text}" for text in partials]
    assert told.server.saying("🟢") == [f"🟢 Final: {text}" for text in finals]
    assert finals == [text.replace("{key}", "7") for text in script_texts()]
    assert len(partials) >= 6
    assert all(finals[0].startswith(text) or finals[1].startswith(text) for text in partials)


def test_one_loud_line_says_that_another_model_is_used(told: Told) -> None:
    (line,) = told.server.saying("GCP_STT_MODEL=phone_call")
    assert line.startswith("⚠️")
    assert "default is used" in line


def test_the_service_was_asked_for_hebrew_in_its_own_words(told: Told) -> None:
    assert (told.stream.method, told.stream.language, told.stream.model) == (
        "StreamingRecognize",
        "iw-IL",
        "default",
    )
    assert told.stream.encoding == "LINEAR16"
    assert "8000" in told.stream.config
    assert (told.stream.how, told.stream.half_closed) == ("OK", True)


def test_every_byte_of_the_caller_came_once_and_in_its_place(told: Told) -> None:
    assert told.stream.audio == mulaw.decode(told.sent)
    assert told.stream.audio_bytes == 2 * len(told.sent)


def test_audio_goes_out_in_batches_of_150_ms_and_a_short_last_one(told: Told) -> None:
    batch = 2 * 8 * 150
    whole, rest = divmod(2 * len(told.sent), batch)
    assert rest
    assert told.stream.sizes == ((batch, whole), (rest, 1))


def test_the_events_file_says_who_what_and_when(told: Told) -> None:
    events = told.server.events()
    (call,) = {event["call"] for event in events}
    assert call.startswith("CA")
    assert {event["kind"] for event in events} == {"partial", "final"}
    assert all(told.began[0] < event["t"] < time.monotonic() for event in events)
    assert all(told.began[1] < event["at"] < time.time() for event in events)
    assert [event["t"] for event in events] == sorted(event["t"] for event in events)
    assert f"[{call}]" in told.server.output


def test_partials_never_come_closer_than_the_debounce(told: Told) -> None:
    times = [event["t"] for event in told.server.events() if event["kind"] == "partial"]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(gaps) >= DEBOUNCE_MS / 1000 - GRAIN


def test_an_utterance_has_no_partial_after_its_final(told: Told) -> None:
    over: set[int] = set()
    for event in told.server.events():
        assert event["utterance"] not in over
        if event["kind"] == "final":
            over.add(event["utterance"])
    assert over == {1, 2}


def test_no_telephone_number_and_no_secret_is_in_the_log(told: Told) -> None:
    assert "5555550" not in told.server.output
    assert told.server.services.auth_token not in told.server.output


def script_texts() -> list[str]:
    utterances = HEBREW["utterances"]
    assert isinstance(utterances, list)
    return [utterance["text"] for utterance in utterances]
