import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.conftest import Logged
from tests.recognisers.on_reactor import (
    Sessions,
    WaitingEar,
    on_reactor,
    reactor,
    soon,
)
from tests.recognisers.whisper.engine.voices import austen_clips, word_errors
from voicestt.audio import mulaw
from voicestt.emulators.google import script
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.recognisers.fallback import Fallback
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.client import GoogleRecogniser
from voicestt.recognisers.google.request import RecognitionRequest
from voicestt.recognisers.modes import Flag
from voicestt.recognisers.port import Incident, RecogniserError, Result
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.services import Persistent, ServicesHealth
from voicestt.recognisers.single_shot import SingleShot
from voicestt.recognisers.streaming import Endless, StreamLimits
from voicestt.recognisers.whisper.engine import load
from voicestt.recognisers.whisper.engine.port import Engine
from voicestt.recognisers.whisper.pool import ConcurrencyLimit, Understand, Whisper
from voicestt.server.whisper import understanding

FEW = 2
HEARD = Result("heard", is_final=True)
BY_WHISPER = Result("heard", is_final=True, source="whisper")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    loaded = load()
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def spoken() -> tuple[str, bytes]:
    """A sentence, and a real voice that says it, in mu-law."""
    words, pcm = min(austen_clips().items(), key=lambda clip: len(clip[1]))
    return words, mulaw.encode(np.frombuffer(pcm, "<i2"))


class Gate:
    """A blocking recogniser that waits for the test."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.asked: list[bytes] = []
        self.at_once = self.most = 0
        self._lock = threading.Lock()

    def load(self) -> Understand:
        return self.understand

    def understand(self, audio: bytes) -> Result | None:
        with self._lock:
            self.asked.append(audio)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.open.wait(20)
        with self._lock:
            self.at_once -= 1
        return HEARD


@asynccontextmanager
async def stopped_after(whisper: Whisper) -> AsyncIterator[Whisper]:
    try:
        yield whisper
    finally:
        await whisper.stop()


async def refusal(whisper: Whisper, audio: bytes = b"") -> RecogniserError:
    """The error of an utterance that is not recognised."""
    with pytest.raises(RecogniserError) as caught:
        await soon(whisper(audio))
    return caught.value


@on_reactor
async def test_a_real_voice_gives_its_words(engine: Engine, spoken: tuple[str, bytes]) -> None:
    words, audio = spoken
    async with stopped_after(Whisper(reactor, lambda: understanding(lambda: engine, "en-US"))) as whisper:
        result = await soon(whisper(audio))
        assert result.is_final
        assert word_errors(words, result.text) <= 1
        assert 0 < result.confidence <= 1
        assert await soon(whisper(mulaw.SILENCE * 8_000)) is None


@on_reactor
async def test_the_pool_takes_so_many_and_the_others_wait() -> None:
    gate = Gate()
    async with stopped_after(Whisper(reactor, gate.load, threads=FEW)) as whisper:
        answers = [whisper(b"%d" % number) for number in range(FEW + 3)]
        assert not gate.open.is_set()
        gate.open.set()
        assert [await soon(answer) for answer in answers] == [BY_WHISPER] * (FEW + 3)
    assert sorted(gate.asked) == [b"0", b"1", b"2", b"3", b"4"]
    assert gate.most <= FEW


@on_reactor
async def test_nothing_is_there_before_the_first_utterance_nor_after_the_end() -> None:
    loads: list[int] = []
    gate = Gate()
    gate.open.set()

    def load_it() -> Understand:
        loads.append(threading.get_ident())
        return gate.understand

    before = threading.active_count()
    whisper = Whisper(reactor, load_it)
    assert (loads, threading.active_count()) == ([], before)
    for answer in [whisper(b"") for _ in range(6)]:
        await soon(answer)
    assert len(loads) == 1
    assert loads[0] != threading.get_ident()
    await whisper.stop()
    assert threading.active_count() == before


@on_reactor
async def test_stopping_unused_is_nothing() -> None:
    await Whisper(reactor, Gate().load).stop()


@on_reactor
async def test_without_the_extra_the_words_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicestt.recognisers.whisper.engine.find_spec", lambda _name: None)
    async with stopped_after(Whisper(reactor, lambda: understanding(load, "he-IL"))) as whisper:
        error = await refusal(whisper)
        assert error.status == "FAILED_PRECONDITION"
        assert "pip install '.[embedded]'" in error.details


@on_reactor
async def test_what_failed_to_load_is_tried_again_with_the_next_utterance() -> None:
    gate = Gate()
    gate.open.set()
    outcomes = [RecogniserError("UNAVAILABLE", "not yet"), None]

    def load_it() -> Understand:
        if (problem := outcomes.pop(0)) is not None:
            raise problem
        return gate.understand

    async with stopped_after(Whisper(reactor, load_it)) as whisper:
        assert (await refusal(whisper)).details == "not yet"
        assert await soon(whisper(b"")) == BY_WHISPER


@on_reactor
async def test_a_mistake_in_it_is_logged_and_is_an_error_of_the_port(logged: Logged) -> None:
    def broken(_audio: bytes) -> Result | None:
        raise ZeroDivisionError

    async with stopped_after(Whisper(reactor, lambda: broken)) as whisper:
        error = await refusal(whisper)
    assert (error.status, error.details) == ("INTERNAL", "Whisper failed (ZeroDivisionError)")
    assert len(logged.flush(ZeroDivisionError)) == 1


class CallEar(WaitingEar):
    """A CallListener that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.incidents: list[Incident] = []

    def happened(self, incident: Incident) -> None:
        self.incidents.append(incident)


def call_recogniser(google: GoogleRecogniser, whisper: Whisper) -> tuple[Fallback, ServicesHealth]:
    health = ServicesHealth(reactor, google, whisper)
    single_shot = SingleShot(Persistent(reactor, health.services), lambda action: reactor.callLater(0, action))
    endless = Endless(reactor, google, StreamLimits(restarts=0), health=health.streaming)
    return Fallback(reactor, Flag(True), endless, single_shot, Probe(reactor, google), health.streaming), health


async def call(google: GoogleRecogniser, whisper: Whisper, audio: bytes) -> CallEar:
    """A whole call, and what was heard of it."""
    ear = CallEar()
    recogniser, health = call_recogniser(google, whisper)
    session = recogniser.open(ear)
    for at in range(0, len(audio), 1_200):
        session.write(audio[at : at + 1_200])
    session.finish()
    assert await ear.end() is None
    health.stop()
    return ear


@pytest.fixture
def no_google() -> Iterator[LocalGoogle]:
    silent = script.parse('{"utterances": [{"text": "nobody", "start": 0.2, "end": 1.0}]}')
    with LocalGoogle(ScriptEngine(silent), faults="all: error UNAVAILABLE") as service:
        yield service


@pytest.fixture
def refusing_google() -> Iterator[LocalGoogle]:
    silent = script.parse('{"utterances": [{"text": "nobody", "start": 0.2, "end": 1.0}]}')
    with LocalGoogle(ScriptEngine(silent), faults="all: error PERMISSION_DENIED") as service:
        yield service


@on_reactor
async def test_where_google_fails_altogether_the_call_still_gives_its_words(
    no_google: LocalGoogle, sessions: Sessions, engine: Engine, spoken: tuple[str, bytes]
) -> None:
    words, audio = spoken
    google = GoogleRecogniser(
        sessions.threads, GoogleTarget(no_google.target, insecure=True), RecognitionRequest("en-US", "default")
    )
    async with stopped_after(Whisper(reactor, lambda: understanding(lambda: engine, "en-US"))) as whisper:
        ear = await call(google, whisper, audio)
    assert word_errors(words, " ".join(ear.finals)) <= 2
    assert [incident.kind for incident in ear.incidents] == ["degraded"]
    assert {record.method for record in no_google.streams} == {"StreamingRecognize", "Recognize"}


@on_reactor
async def test_where_whisper_fails_too_the_call_says_what_was_not_recognised(
    refusing_google: LocalGoogle,
    sessions: Sessions,
    spoken: tuple[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicestt.recognisers.whisper.engine.find_spec", lambda _name: None)
    google = GoogleRecogniser(
        sessions.threads,
        GoogleTarget(refusing_google.target, insecure=True),
        RecognitionRequest("en-US", "default"),
    )
    async with stopped_after(Whisper(reactor, lambda: understanding(load, "en-US"))) as whisper:
        ear = await call(google, whisper, spoken[1])
    assert ear.finals == []
    lost = [incident for incident in ear.incidents if incident.kind == "unrecognised"]
    assert lost
    assert all("PERMISSION_DENIED" in one.why and "'.[embedded]'" in one.why for one in lost)


class Held:
    """A Recognise that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, Deferred[Result | None]]] = []

    def __call__(self, audio: bytes) -> Deferred[Result | None]:
        answer: Deferred[Result | None] = Deferred()
        self.asked.append((audio, answer))
        return answer

    def answer(self, number: int) -> None:
        audio, answer = self.asked[number]
        answer.callback(Result(audio.decode(), is_final=True))


@pytest.fixture
def held() -> Held:
    return Held()


def now(deferred: Deferred[Result | None]) -> str:
    """Its outcome: words, or the status of an error."""
    outcomes: list[object] = []
    deferred.addBoth(outcomes.append)
    (outcome,) = outcomes
    problem = getattr(outcome, "value", None)
    if isinstance(problem, RecogniserError):
        return problem.status
    assert isinstance(outcome, Result), outcome
    return outcome.text


def test_so_many_are_asked_at_once_and_the_others_in_their_order(held: Held) -> None:
    few = ConcurrencyLimit(held, at_once=2)
    answers = [few(b"%d" % number) for number in range(5)]
    assert [audio for audio, _ in held.asked] == [b"0", b"1"]
    held.answer(1)
    assert [audio for audio, _ in held.asked] == [b"0", b"1", b"2"]
    for number in (0, 2, 3, 4):
        held.answer(number)
    assert [now(answer) for answer in answers] == ["0", "1", "2", "3", "4"]


def test_who_waits_can_be_called_off_and_disturbs_nobody(held: Held) -> None:
    few = ConcurrencyLimit(held, at_once=1)
    first, second, third = (few(b"%d" % number) for number in range(3))
    second.addErrback(lambda failure: failure.trap(CancelledError))
    second.cancel()
    held.answer(0)
    held.answer(1)
    assert [audio for audio, _ in held.asked] == [b"0", b"2"]
    assert (now(first), now(third)) == ("0", "2")


def test_a_failure_makes_room_too(held: Held) -> None:
    few = ConcurrencyLimit(held, at_once=1)
    failing, waiting = few(b"0"), few(b"1")
    held.asked[0][1].errback(RecogniserError("INTERNAL", "no"))
    held.answer(1)
    assert (now(failing), now(waiting)) == ("INTERNAL", "1")


def test_stopping_waits_for_what_is_under_way_and_for_nothing_else(held: Held) -> None:
    few = ConcurrencyLimit(held, at_once=1)
    under_way, waiting = few(b"0"), few(b"1")
    stopped = Deferred.fromCoroutine(few.stop())
    before = stopped.called
    held.answer(0)
    assert (before, stopped.called) == (False, True)
    assert (now(under_way), now(waiting), now(few(b"2"))) == ("0", "CANCELLED", "CANCELLED")
    assert len(held.asked) == 1


def test_what_is_idle_is_stopped_at_once(held: Held) -> None:
    assert Deferred.fromCoroutine(ConcurrencyLimit(held, at_once=1).stop()).called
