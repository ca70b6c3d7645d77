import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.emulators.google.client import (
    SILENCE,
    Refused,
    audio,
    begin,
    cut,
    finals,
    partials,
    recognise,
    refused,
    stream,
    transport,
)
from voicestt.emulators.google import script
from voicestt.emulators.google.fault_parser import BadFaults
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.google.timeline import clip_of

SCRIPT = script.parse(
    '{"utterances": [{"text": "one two three", "start": 0.2, "end": 1}, {"text": "four", "start": 2, "end": 3}]}'
)
AUDIO = clip_of(SCRIPT, 1, 2.5)
MESSAGES = [begin(), *(audio(piece) for piece in cut(AUDIO))]


class Open:
    """A stream that stays open: what came, how it ended, and the hand on its half-close."""

    def __init__(self, speech: Any) -> None:
        self.closing = threading.Event()
        self.responses: list[Any] = []
        self.end: Refused | None = None
        self._call = speech.streaming_recognize(self._messages(), timeout=20)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _messages(self) -> Iterator[Any]:
        yield from MESSAGES
        self.closing.wait(20)

    def _read(self) -> None:
        try:
            for response in self._call:
                self.responses.append(response)
        except grpc.RpcError as error:
            self.end = refused(error)

    def half_close(self) -> None:
        self.closing.set()

    def cancel(self) -> None:
        self._call.cancel()
        self.finish()

    def finish(self) -> None:
        self.half_close()
        self._reader.join(20)


@pytest.fixture
def google() -> Iterator[LocalGoogle]:
    with LocalGoogle(ScriptEngine(SCRIPT), faults="") as service:
        yield service


@pytest.fixture
def speech(google: LocalGoogle) -> Iterator[Any]:
    with transport(google.target) as client:
        yield client


@contextlib.contextmanager
def opened(speech: Any) -> Iterator[Open]:
    call = Open(speech)
    try:
        yield call
    finally:
        call.cancel()


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit, "it never became so"
        time.sleep(0.005)


def test_without_faults_everything_passes(google: LocalGoogle, speech: Any) -> None:
    responses = stream(speech, MESSAGES)
    assert isinstance(responses, list)
    assert finals(responses) == ["one two three"]
    (record,) = google.wait_for_streams(1)
    assert record.audio_bytes == len(AUDIO)
    assert record.fault == ""
    assert record.peer.startswith("ipv4:127.0.0.1:")


def test_an_error_before_the_first_response(google: LocalGoogle, speech: Any) -> None:
    google.set_faults("next: error UNAVAILABLE before the first response")
    with opened(speech) as call:
        call.finish()
        assert call.responses == []
        assert call.end == Refused("UNAVAILABLE", "The service is currently unavailable.")
    assert isinstance(stream(speech, MESSAGES), list)


def test_credentials_are_refused_for_both_methods(google: LocalGoogle, speech: Any) -> None:
    google.set_faults("all: credentials")
    for answer in (stream(speech, MESSAGES), recognise(speech, AUDIO)):
        assert isinstance(answer, Refused)
        assert answer.code == "UNAUTHENTICATED"
        assert answer.words.startswith("Request had invalid authentication credentials.")
    assert [record.audio_bytes for record in google.wait_for_streams(2)] == [0, 0]


def test_an_error_after_some_audio_comes_behind_its_words(google: LocalGoogle, speech: Any) -> None:
    google.set_faults('next: error INTERNAL "so it is" after 1 s of audio')
    with opened(speech) as call:
        call.finish()
        assert "one two" in partials(call.responses)
        assert finals(call.responses) == []
        assert call.end == Refused("INTERNAL", "so it is")
    (record,) = google.wait_for_streams(1)
    assert record.fault == 'error INTERNAL "so it is" after 1 s of audio'
    assert record.how == "INTERNAL: so it is"


def test_an_error_after_some_time(google: LocalGoogle, speech: Any) -> None:
    google.set_faults("next: error ABORTED after 0.2 s")
    with opened(speech) as call:
        until(lambda: call.end is not None)
        assert call.end == Refused("ABORTED", "Max duration of 5 minutes reached for stream.")
        assert finals(call.responses) == ["one two three"]


def test_an_error_on_half_close_takes_the_last_words(google: LocalGoogle, speech: Any) -> None:
    google.set_faults("next: error UNAVAILABLE on half-close")
    with opened(speech) as call:
        until(lambda: bool(finals(call.responses)))
        call.finish()
        assert call.end == Refused("UNAVAILABLE", "The service is currently unavailable.")
        assert all(response.total_billed_time.seconds == 0 for response in call.responses)


def test_an_error_in_band(google: LocalGoogle, speech: Any) -> None:
    google.set_faults("next: in-band RESOURCE_EXHAUSTED after 2 s of audio")
    with opened(speech) as call:
        call.finish()
        assert call.end is None
        assert call.responses[-1].error.code == 8
        assert finals(call.responses) == ["one two three"]


def test_a_hang_from_the_start_neither_reads_nor_answers(google: LocalGoogle, speech: Any) -> None:
    google.set_faults("next: hang")
    with opened(speech) as call:
        google.wait(lambda: len(google.running) == 1)
        call.half_close()
        assert stream(speech, MESSAGES) != []
        assert call.responses == []
        assert call.end is None
    record = google.wait_for_streams(2)[-1]
    assert (record.how, record.audio_bytes, record.fault) == ("cancelled by the client", 0, "hang at the start")


def test_a_hang_after_half_close_keeps_the_last_words(google: LocalGoogle, speech: Any) -> None:
    google.set_faults("next: hang on half-close")
    with opened(speech) as call:
        until(lambda: bool(finals(call.responses)))
        call.half_close()
        until(lambda: any(record.half_closed for record in google.running))
        assert stream(speech, MESSAGES) != []
        assert call.end is None
        assert all(response.total_billed_time.seconds == 0 for response in call.responses)


def test_a_stopped_service_does_not_wait_for_hanging_calls(google: LocalGoogle, speech: Any) -> None:
    google.set_faults("all: hang")
    with opened(speech) as call:
        threading.Thread(target=recognise, args=(speech, AUDIO)).start()
        google.wait(lambda: len(google.running) == 2)
        google.stop()
        call.finish()
    assert {record.how for record in google.streams} == {"UNAVAILABLE: The service is shutting down."}


def test_slow_answers_come_late_and_in_order() -> None:
    slow = LocalGoogle(ScriptEngine(SCRIPT), faults="all: slow 10 s", time_scale=100)
    with slow, transport(slow.target) as speech:
        began = time.monotonic()
        responses = stream(speech, MESSAGES)
        assert recognise(speech, AUDIO).results[0].alternatives[0].transcript == "one two three"
        assert time.monotonic() - began >= 0.2
    assert isinstance(responses, list)
    assert partials(responses)[-1] == "one two three"
    assert finals(responses) == ["one two three"]


def test_a_cut_connection_takes_all_its_calls(google: LocalGoogle, speech: Any) -> None:
    google.set_faults("stream 2: cut after 2 s of audio")
    with opened(speech) as first:
        until(lambda: bool(first.responses))
        with opened(speech) as second:
            until(lambda: first.end is not None and second.end is not None)
            assert {first.end.code, second.end.code} == {"UNAVAILABLE"}  # type: ignore[union-attr]
    assert len(google.wait_for_streams(2)) == 2
    assert isinstance(stream(speech, MESSAGES), list), "the next connection works"


def test_a_frozen_connection_stays_open_and_says_nothing(google: LocalGoogle) -> None:
    frozen, other = transport(google.target, number=1), transport(google.target, number=2)
    with frozen as first, other as second, opened(first) as call:
        until(lambda: bool(finals(call.responses)))
        google.set_faults("running: freeze")
        call.half_close()
        assert isinstance(stream(second, MESSAGES), list)
        assert call.end is None
        assert not google.running[0].half_closed


def test_goaway_lets_calls_live_and_moves_the_next(google: LocalGoogle, speech: Any) -> None:
    with opened(speech) as call:
        until(lambda: bool(call.responses))
        google.set_faults("running: goaway")
        moved = None
        while moved is None:
            responses = stream(speech, MESSAGES)
            assert isinstance(responses, list)
            peers = {record.peer for record in (*google.streams, *google.running)}
            moved = next((peer for peer in peers if peer != google.running[0].peer), None)
        until(lambda: bool(finals(call.responses)))
        call.finish()
        assert call.end is None
        assert call.responses[-1].total_billed_time.seconds == 3


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("error UNAVAILABLE", "UNAVAILABLE"),
        ("error INTERNAL after 0.01 s", "INTERNAL"),
        ("error INTERNAL after 1 s of audio", "INTERNAL"),
        ("in-band ABORTED on half-close", "ABORTED"),
        ("cut before the first response", "UNAVAILABLE"),
    ],
)
def test_recognize_fails_too(google: LocalGoogle, speech: Any, fault: str, code: str) -> None:
    google.set_faults(f"next recognize: {fault}")
    answer = recognise(speech, AUDIO)
    assert isinstance(answer, Refused)
    assert answer.code == code
    # A connection that was cut is perhaps noticed by the next request only.
    until(lambda: not isinstance(recognise(speech, AUDIO), Refused))


def test_a_running_call_suffers_what_is_switched_on(google: LocalGoogle, speech: Any) -> None:
    with opened(speech) as call:
        until(lambda: bool(finals(call.responses)))
        google.set_faults("running: error UNAVAILABLE")
        until(lambda: call.end is not None)
        google.set_faults("next recognize: hang")
        waiting: list[Any] = []
        thread = threading.Thread(target=lambda: waiting.append(recognise(speech, AUDIO)))
        thread.start()
        google.wait(lambda: len(google.running) == 1)
        google.set_faults("running: error ABORTED")
        thread.join()
    assert waiting[0].code == "ABORTED"


def test_the_file_switches_faults_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "faults"
    complaints: list[str] = []
    engine = ScriptEngine(SCRIPT)
    service = LocalGoogle(engine, faults_file=path, complain=complaints.append)
    with service, transport(service.target) as speech, opened(speech) as call:
        until(lambda: bool(finals(call.responses)))
        path.write_text("running: error UNAVAILABLE\nall recognize: error INTERNAL")
        until(lambda: call.end is not None)
        assert recognise(speech, AUDIO).code == "INTERNAL"
        path.write_text("all: rubbish")
        until(lambda: bool(complaints))
        path.unlink()
        assert not isinstance(recognise(speech, SILENCE), Refused)
    with pytest.raises(BadFaults):
        LocalGoogle(engine, faults="all: rubbish")


def test_a_running_call_may_become_slow(google: LocalGoogle, speech: Any) -> None:
    with opened(speech) as call:
        until(lambda: bool(finals(call.responses)))
        google.set_faults("running: slow 0.2 s")
        began = time.monotonic()
        call.finish()
        assert time.monotonic() - began >= 0.2
        assert call.responses[-1].total_billed_time.seconds == 3
    assert google.wait_for_streams(1)[0].fault == "slow 0.2 s"


def test_a_service_that_cannot_fail_says_so() -> None:
    with pytest.raises(RuntimeError, match='faults=""'):
        LocalGoogle(ScriptEngine(SCRIPT)).set_faults("all: cut")
