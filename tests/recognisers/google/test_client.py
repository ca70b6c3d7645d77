import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from twisted.internet.threads import deferToThread

from tests.conftest import Logged
from tests.recognisers.on_reactor import (
    Sessions,
    WaitingEar,
    on_reactor,
    soon,
)
from voicestt.audio import mulaw
from voicestt.emulators.google import script
from voicestt.emulators.google.recording import Recorder, StreamRecord
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.google.timeline import clip_of
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.client import GoogleRecogniser
from voicestt.recognisers.google.request import RecognitionRequest
from voicestt.recognisers.port import RecognisedWord, RecogniserError, Result

SCRIPT = script.parse(
    """{
      "utterances": [
        {"text": "שלום {key} אני מתקשר", "start": 0.2, "end": 1.0},
        {"text": "תודה רבה להתראות", "start": 1.8, "end": 2.4}
      ]
    }"""
)
HEBREW = RecognitionRequest("iw-IL", "default")
FIRST = "שלום {} אני מתקשר"


def audio_of(number: int, seconds: float = 3.0) -> bytes:
    """A call's audio as it comes from the line, in mu-law."""
    return mulaw.encode(np.frombuffer(clip_of(SCRIPT, number, seconds), "<i2"))


def batches(audio: bytes) -> list[bytes]:
    return [audio[at : at + 1_200] for at in range(0, len(audio), 1_200)]


@pytest.fixture(scope="module")
def service() -> Iterator[LocalGoogle]:
    with LocalGoogle(ScriptEngine(SCRIPT), recorder=Recorder(keep_audio=True)) as local:
        yield local


@pytest.fixture
def google(service: LocalGoogle, sessions: Sessions) -> GoogleRecogniser:
    return GoogleRecogniser(sessions.threads, GoogleTarget(service.target, insecure=True), HEBREW)


class Counted:
    """The service's records of the streams that began after the test did."""

    def __init__(self, service: LocalGoogle) -> None:
        self._service = service
        known = [record.number for record in (*service.streams, *service.running)]
        self._last = max(known, default=0)

    def wait_for(self, count: int) -> list[StreamRecord]:
        self._service.wait(lambda: len(self._ended) >= count)
        return self._ended

    @property
    def _ended(self) -> list[StreamRecord]:
        return [record for record in self._service.streams if record.number > self._last]


@pytest.fixture
def records(service: LocalGoogle) -> Counted:
    return Counted(service)


def talk(google: GoogleRecogniser, audio: bytes) -> WaitingEar:
    ear = WaitingEar()
    session = google.open(ear)
    for batch in batches(audio):
        session.write(batch)
    session.finish()
    return ear


@on_reactor
async def test_partials_come_then_finals_then_the_end(google: GoogleRecogniser) -> None:
    ear = talk(google, audio_of(7))
    assert await ear.end() is None
    assert [text.strip() for text in ear.finals] == [FIRST.format(7), "תודה רבה להתראות"]
    assert [result.end for result in ear.results if result.is_final] == [8_000, 19_200]
    first = [
        result.text for result in ear.results[: ear.results.index(next(r for r in ear.results if r.is_final))]
    ]
    assert first[0] == "שלום"
    assert FIRST.format(7) in first


@on_reactor
async def test_what_google_was_sent_is_what_was_written(google: GoogleRecogniser, records: Counted) -> None:
    audio = audio_of(8)
    await talk(google, audio).end()
    (record,) = records.wait_for(1)
    assert record.audio == mulaw.decode(audio)
    assert record.sizes == ((2_400, 20),)
    assert (record.how, record.half_closed) == ("OK", True)
    assert (record.method, record.language, record.model) == ("StreamingRecognize", "iw-IL", "default")
    assert record.encoding == "LINEAR16"
    for line in (
        "sample_rate_hertz: 8000",
        "enable_automatic_punctuation: true",
        "enable_word_time_offsets: true",
    ):
        assert line in record.config


@on_reactor
async def test_finals_have_their_words_where_they_were_said(google: GoogleRecogniser) -> None:
    ear = talk(google, audio_of(41))
    await ear.end()
    first, second = [result for result in ear.results if result.is_final]
    assert first.words == (
        RecognisedWord("שלום", 1_600, 3_200),
        RecognisedWord("41", 3_200, 4_800),
        RecognisedWord("אני", 4_800, 6_400),
        RecognisedWord("מתקשר", 6_400, 8_000),
    )
    assert [(final.start, final.source) for final in (first, second)] == [
        (1_600, "google-streaming"),
        (14_400, "google-streaming"),
    ]
    assert [result for result in ear.results if result.words] == [first, second]


@on_reactor
async def test_half_closing_gives_the_words_that_were_not_final_yet(google: GoogleRecogniser) -> None:
    ear = talk(google, audio_of(9, seconds=0.75))
    assert await ear.end() is None
    assert ear.finals == ["שלום 9"]


@on_reactor
async def test_results_come_while_the_caller_still_speaks(google: GoogleRecogniser) -> None:
    ear = WaitingEar()
    session = google.open(ear)
    audio = audio_of(10)
    for batch in batches(audio[:8_400]):
        session.write(batch)
    await ear.until(lambda: "שלום" in ear.partials)
    assert ear.ends == []
    for batch in batches(audio[8_400:]):
        session.write(batch)
    session.finish()
    assert await ear.end() is None
    assert len(ear.finals) == 2


@on_reactor
async def test_every_result_says_when_it_came_and_what_its_batches_waited(google: GoogleRecogniser) -> None:
    before = time.monotonic()
    ear = talk(google, audio_of(40))
    await ear.end()
    stamps = [result.stamps for result in ear.results if result.stamps is not None]
    assert len(stamps) == len(ear.results)
    received = [one.received for one in stamps]
    assert before <= received[0] <= received[-1] <= time.monotonic()
    assert received == sorted(received)
    responses = {id(one): one for one in stamps}.values()
    hand_offs = [hand_off for one in responses for hand_off in one.hand_offs]
    assert 1 <= len(hand_offs) <= len(batches(audio_of(40)))
    assert all(0 <= hand_off <= received[-1] - before for hand_off in hand_offs)
    assert all(one.hand_off == one.hand_offs[-1] for one in responses if one.hand_offs)


@on_reactor
async def test_the_listener_is_called_in_the_reactor_s_thread(google: GoogleRecogniser) -> None:
    idents: set[int] = set()

    class Where(WaitingEar):
        def heard(self, result: Result) -> None:
            idents.add(threading.get_ident())
            super().heard(result)

        def ended(self, error: RecogniserError | None) -> None:
            idents.add(threading.get_ident())
            super().ended(error)

    ear = Where()
    session = google.open(ear)
    session.write(audio_of(11))
    session.finish()
    await ear.end()
    assert idents == {threading.get_ident()}


@on_reactor
async def test_after_abort_nothing_is_heard_and_google_is_told(google: GoogleRecogniser, records: Counted) -> None:
    ear = WaitingEar()
    session = google.open(ear)
    session.write(audio_of(12, seconds=0.5))
    await ear.until_heard()
    session.abort()
    heard = list(ear.results)
    # In another thread: what is handed to the session thread goes at the end of the reactor's turn.
    (record,) = await soon(deferToThread(records.wait_for, 1))
    assert record.how == "cancelled by the client"
    await talk(google, audio_of(13)).end()  # whatever was under way has arrived by now
    assert ear.results == heard
    assert ear.ends == []


@on_reactor
async def test_aborting_at_once_is_allowed(google: GoogleRecogniser) -> None:
    ear = WaitingEar()
    session = google.open(ear)
    session.write(audio_of(14, seconds=0.5))
    session.abort()
    await talk(google, audio_of(15)).end()
    assert (ear.results, ear.ends) == ([], [])


@on_reactor
async def test_without_audio_nothing_is_opened(sessions: Sessions) -> None:
    nowhere = GoogleRecogniser(sessions.threads, GoogleTarget("127.0.0.1:1", insecure=True), HEBREW)
    ear = WaitingEar()
    nowhere.open(ear).finish()
    assert await ear.end() is None
    assert ear.results == []


@on_reactor
async def test_a_configuration_that_google_refuses_is_an_error_with_its_words(
    service: LocalGoogle, sessions: Sessions
) -> None:
    google = GoogleRecogniser(
        sessions.threads,
        GoogleTarget(service.target, insecure=True),
        RecognitionRequest("Hebrew please", "default"),
    )
    for _ in range(20):  # grpc.aio hides the status where a write fails after it, which is a race
        error = await talk(google, audio_of(16)).end()
        assert error is not None
        assert (error.status, error.is_fatal) == ("INVALID_ARGUMENT", True)
        assert error.details == "Invalid recognition 'config': bad language code."


@on_reactor
async def test_a_model_that_google_refuses_is_given_up_for_every_call(
    service: LocalGoogle, sessions: Sessions, logged: Logged
) -> None:
    google = GoogleRecogniser(
        sessions.threads, GoogleTarget(service.target, insecure=True), RecognitionRequest("iw-IL", "phone_call")
    )
    ends = [await ear.end() for ear in [talk(google, audio_of(number)) for number in range(23, 26)]]
    assert ends[0] is not None
    assert not ends[0].is_fatal, "another attempt mends it"
    assert {end.status for end in ends if end is not None} == {"ABORTED"}
    later = talk(google, audio_of(26))
    assert await later.end() is None
    assert later.finals[0] == FIRST.format(26)
    assert len(logged.matching("Google refuses GCP_STT_MODEL=phone_call with iw-IL: default is used")) == 1


@on_reactor
async def test_a_request_with_a_model_that_google_refuses_is_made_again(
    service: LocalGoogle, sessions: Sessions, records: Counted
) -> None:
    google = GoogleRecogniser(
        sessions.threads, GoogleTarget(service.target, insecure=True), RecognitionRequest("iw-IL", "phone_call")
    )
    result = await soon(google.recognise(audio_of(27, seconds=1.5)))
    assert result.text == FIRST.format(27)
    assert len(records.wait_for(2)) == 2


@on_reactor
async def test_what_google_has_not_taken_yet_is_the_backlog(google: GoogleRecogniser) -> None:
    ear = WaitingEar()
    session = google.open(ear)
    assert session.backlog == 0
    session.write(audio_of(28))
    assert session.backlog == 24_000
    session.finish()
    await ear.end()
    assert session.backlog == 0


@on_reactor
async def test_a_server_that_is_not_there_is_unavailable(sessions: Sessions) -> None:
    with LocalGoogle(ScriptEngine(SCRIPT)) as gone:
        target = GoogleTarget(gone.target, insecure=True)
    google = GoogleRecogniser(sessions.threads, target, HEBREW)
    error = await talk(google, audio_of(17)).end()
    with pytest.raises(RecogniserError, match="UNAVAILABLE"):
        await soon(google.recognise(audio_of(17)))
    assert error is not None
    assert error.status == "UNAVAILABLE"


@on_reactor
async def test_a_server_that_goes_away_ends_its_streams_with_an_error(sessions: Sessions) -> None:
    with LocalGoogle(ScriptEngine(SCRIPT)) as service:
        google = GoogleRecogniser(sessions.threads, GoogleTarget(service.target, insecure=True), HEBREW)
        ear = WaitingEar()
        session = google.open(ear)
        session.write(audio_of(18, seconds=0.5))
        await ear.until_heard()
        service.stop()
        error = await ear.end()
    assert error is not None
    assert error.status == "UNAVAILABLE"


@on_reactor
async def test_without_any_key_it_is_said_where_to_put_one(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    google = GoogleRecogniser(sessions.threads, GoogleTarget(), HEBREW)
    error = await talk(google, audio_of(19)).end()
    with pytest.raises(RecogniserError, match="UNAUTHENTICATED: no usable Google credentials"):
        await soon(google.recognise(audio_of(19)))
    assert error is not None
    assert error.status == "UNAUTHENTICATED"
    assert "GOOGLE_APPLICATION_CREDENTIALS" in error.details
    assert str(tmp_path) not in error.details


@on_reactor
async def test_stopping_the_threads_ends_what_runs(google: GoogleRecogniser, sessions: Sessions) -> None:
    ear = WaitingEar()
    session = google.open(ear)
    session.write(audio_of(20, seconds=0.5))
    await ear.until_heard()
    await sessions.stop()
    error = await ear.end()
    assert error is not None
    assert error.status == "CANCELLED"


@pytest.mark.parametrize("count", [1, 2])
@on_reactor
async def test_a_hundred_calls_at_once_have_each_its_own_words(
    service: LocalGoogle, records: Counted, start_sessions: Callable[[int], Sessions], count: int
) -> None:
    before = threading.active_count()
    google = GoogleRecogniser(start_sessions(count).threads, GoogleTarget(service.target, insecure=True), HEBREW)
    ears = {number: talk(google, audio_of(number, seconds=1.2)) for number in range(100, 200)}
    for ear in ears.values():
        assert await ear.end() is None
    assert threading.active_count() < before + 20
    assert {number: ear.finals for number, ear in ears.items()} == {
        number: [FIRST.format(number)] for number in ears
    }
    assert len({record.sha256 for record in records.wait_for(100)}) == 100


@on_reactor
async def test_one_utterance_in_one_request(google: GoogleRecogniser, records: Counted) -> None:
    audio = audio_of(21, seconds=1.5)
    result = await soon(google.recognise(audio))
    assert result.text == FIRST.format(21)
    assert result.is_final
    assert (result.start, result.source) == (1_600, "google-recognize")
    assert [word.text for word in result.words] == FIRST.format(21).split()
    assert result.words[-1].end == 8_000
    (record,) = records.wait_for(1)
    assert (record.method, record.audio) == ("Recognize", mulaw.decode(audio))


@on_reactor
async def test_an_utterance_without_words_is_none(google: GoogleRecogniser) -> None:
    assert await soon(google.recognise(audio_of(22, seconds=0.1))) is None


@on_reactor
async def test_a_request_that_google_refuses_is_an_error_with_its_words(google: GoogleRecogniser) -> None:
    with pytest.raises(RecogniserError) as caught:
        await soon(google.recognise(mulaw.SILENCE * 8_000 * 61))
    assert caught.value.status == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("interim", "final", "asked", "partial_text", "final_text"),
    [
        (False, True, True, "yes please", "yes, please."),
        (True, False, True, "yes, please.", "yes please"),
        (True, True, True, "yes, please.", "yes, please."),
        # Where nobody asked for punctuation, a mark is the word's own.
        (False, False, False, "yes, please.", "yes, please."),
    ],
)
def test_punctuation_is_asked_for_where_either_wants_it_and_taken_off_the_other(
    *, interim: bool, final: bool, asked: bool, partial_text: str, final_text: str
) -> None:
    config = RecognitionRequest("en-US", "default", interim, final)
    assert config.punctuation is asked
    assert config.config().enable_automatic_punctuation is asked
    assert config.clean_partial("yes, please.") == partial_text
    assert config.clean_final("yes, please.") == final_text


@on_reactor
async def test_eighty_streams_on_one_connection_bear_a_goaway(sessions: Sessions) -> None:
    with LocalGoogle(ScriptEngine(SCRIPT), faults="") as service:
        await eighty_with_a_goaway(
            service, GoogleRecogniser(sessions.threads, GoogleTarget(service.target, insecure=True), HEBREW)
        )


async def eighty_with_a_goaway(service: LocalGoogle, google: GoogleRecogniser) -> None:
    ears = [WaitingEar() for _ in range(80)]
    streams = [google.open(ear) for ear in ears]
    audio = [batches(audio_of(number)) for number in range(80)]
    for stream, parts in zip(streams, audio, strict=True):
        for part in parts[:10]:
            stream.write(part)
    await ears[-1].until_heard()
    service.set_faults("running: goaway")
    other = talk(google, audio_of(80))
    for stream, parts in zip(streams, audio, strict=True):
        for part in parts[10:]:
            stream.write(part)
        stream.finish()
    for number, ear in enumerate([*ears, other]):
        assert await ear.end() is None
        assert [text.strip() for text in ear.finals] == [FIRST.format(number), "תודה רבה להתראות"]
