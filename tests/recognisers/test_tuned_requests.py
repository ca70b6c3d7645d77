"""A call's own options in single requests: each service is asked with them, and a refused change is taken back."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from tests.recognisers.fakes import Ear
from tests.recognisers.simulated import SECOND, SPEECH, Stream, World
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.recognisers.fallback import Fallback
from voicestt.recognisers.health import CircuitBreaker
from voicestt.recognisers.modes import Flag
from voicestt.recognisers.port import CallSession, RecogniserError, Result, ResultListener
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.services import Persistent, ServicesHealth
from voicestt.recognisers.single_shot import SingleShot
from voicestt.recognisers.streaming import Endless, StreamLimits
from voicestt.recognisers.tuning import TunedRequests, Tuning

ENGLISH, HEBREW = RecognitionOptions(language="en-US"), RecognitionOptions(language="he-IL")
REFUSED = RecogniserError("INVALID_ARGUMENT", "no such language")


class Desk:
    """Google or Whisper: answers with the language that it was asked for, or refuses it."""

    def __init__(self) -> None:
        self.asked: list[RecognitionOptions | None] = []
        self.refuses: RecognitionOptions | None = None

    def recognise(self, _audio: bytes, options: RecognitionOptions | None = None) -> "Deferred[Result | None]":
        self.asked.append(options)
        if options is not None and options == self.refuses:
            return fail(REFUSED)
        return succeed(Result(str(options and options.language), True))

    def open(self, _listener: object) -> Any:
        raise NotImplementedError

    def remake_channels(self) -> None:
        """There are none."""


@pytest.fixture
def google() -> Desk:
    return Desk()


@pytest.fixture
def whisper() -> Desk:
    return Desk()


@pytest.fixture
def persistent(google: Desk, whisper: Desk) -> Persistent:
    clock = Clock()
    health = ServicesHealth(clock, google, whisper.recognise, google.recognise, whisper.recognise)
    return Persistent(clock, health.services)


def answer(deferred: "Deferred[Result | None]") -> str:
    heard: list[Result | None] = []
    deferred.addCallback(heard.append)
    (result,) = heard
    assert result is not None
    return result.text


def test_a_request_has_the_options_that_the_call_has_now(persistent: Persistent, google: Desk) -> None:
    tuning = Tuning(HEBREW)
    recognise = TunedRequests(persistent, tuning, lambda _error: None)
    assert answer(recognise(b"1")) == "he-IL"
    tuning.change(ENGLISH)
    assert answer(recognise(b"2")) == "en-US"
    assert google.asked == [HEBREW, ENGLISH]


def test_without_options_a_service_is_asked_as_ever(persistent: Persistent, google: Desk) -> None:
    assert answer(TunedRequests(persistent, Tuning(), lambda _error: None)(b"1")) == "None"
    assert google.asked == [None]


def test_whisper_behind_google_is_asked_with_them_too(persistent: Persistent, google: Desk, whisper: Desk) -> None:
    google.refuses = HEBREW
    assert answer(TunedRequests(persistent, Tuning(HEBREW), lambda _error: None)(b"1")) == "he-IL"
    assert whisper.asked == [HEBREW]


def test_a_change_that_all_refuse_is_taken_back_and_the_utterance_asked_for_again(
    persistent: Persistent, google: Desk, whisper: Desk
) -> None:
    google.refuses = whisper.refuses = ENGLISH
    tuning = Tuning(HEBREW)
    told: list[RecogniserError] = []
    recognise = TunedRequests(persistent, tuning, told.append)
    tuning.change(ENGLISH)
    assert answer(recognise(b"1")) == "he-IL"
    assert len(told) == 1
    assert tuning.options == HEBREW


def test_what_the_call_began_with_is_not_taken_back(persistent: Persistent, google: Desk, whisper: Desk) -> None:
    google.refuses = whisper.refuses = HEBREW
    failed = TunedRequests(persistent, Tuning(HEBREW), lambda _error: None)(b"1")
    problems: list[Any] = []
    failed.addErrback(problems.append)
    assert problems[0].value.status == "INVALID_ARGUMENT"


# -- the whole call: streams while the flag is on, requests while it is off


class Streams(World):
    """A World that keeps the options of its streams."""

    def __init__(self) -> None:
        super().__init__()
        self.options: list[RecognitionOptions | None] = []

    def open(self, listener: ResultListener) -> Stream:
        self.options.append(None)
        return super().open(listener)

    def open_with(self, listener: ResultListener, options: RecognitionOptions) -> Stream:
        self.options.append(options)
        return super().open(listener)


@pytest.mark.parametrize("is_on", [True, False])
def test_a_calls_options_go_with_it_from_streams_to_requests_and_back(is_on: bool) -> None:
    clock, world, google = Clock(), Streams(), Desk()
    health = CircuitBreaker("Google", clock, lambda _answer: None)
    single_shot = SingleShot(google.recognise, lambda action: clock.callLater(0, action), google.recognise)
    flag = Flag(is_on)
    streaming = Endless(clock, world, StreamLimits(), health=health)
    fallback = Fallback(clock, flag, streaming, single_shot, Probe(clock, world), health)
    session = fallback.open(Ear(), HEBREW)
    _speak(session, clock, 0)
    session.change(RecognitionOptions(model="default"))
    flag.turn(not is_on)
    _speak(session, clock, 3)
    asked = [*google.asked, *world.options]
    assert RecognitionOptions(language="he-IL", model="default") in asked
    assert None not in asked, "each stream and each request has the call's options"
    session.abort()


def _speak(session: CallSession, clock: Clock, at: int) -> None:
    for place in range(at * SECOND, (at + 3) * SECOND, 1_200):
        session.write(SPEECH[place : place + 1_200])
        clock.advance(0.15)
