import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.conftest import Logged
from voicestt.audio.ledger import AudioTotals
from voicestt.call.facts import Track
from voicestt.call.hearing import HeardAudio
from voicestt.call.line import MOST_WAITING_SECONDS, Line, TooMuchAudio
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.server.media_line import MediaLine

SECOND = b"\x07" * 8_000


@dataclass
class Call:
    """The call that the line belongs to."""

    marks: list[tuple[str, bool]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    heard: list[HeardAudio] = field(default_factory=list)
    account: AudioTotals = field(default_factory=lambda: AudioTotals(received=160))

    def mark_reached(self, name: str, cleared: bool) -> None:
        self.marks.append((name, cleared))

    def caller_heard(self, heard: HeardAudio) -> None:
        self.heard.append(heard)

    def recognise(self, options: RecognitionOptions, *, at_once: bool, track: Track = "caller") -> None:
        raise NotImplementedError

    def end(self, reason: str) -> None:
        self.ends.append(reason)


class Wire:
    """The messages that were sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def __call__(self, message: bytes) -> None:
        self.sent.append(json.loads(message))

    @property
    def kinds(self) -> list[str]:
        return [message["event"] for message in self.sent]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def call() -> Call:
    return Call()


@pytest.fixture
def media_line(clock: Clock, wire: Wire, call: Call) -> MediaLine:
    media_line = MediaLine(clock, wire)
    media_line.belong_to(call)
    return media_line


@pytest.fixture
def line(media_line: MediaLine) -> Line:
    media_line.open("MZ7")
    return media_line


def test_every_message_names_the_stream(line: Line, wire: Wire) -> None:
    line.say(b"\x07" * 160)
    line.mark("a", lambda _cleared: None)
    line.clear()
    assert wire.kinds == ["media", "mark", "clear"]
    assert {message["streamSid"] for message in wire.sent} == {"MZ7"}


def test_a_name_of_the_applications_never_reaches_the_wire(line: Line, wire: Wire) -> None:
    line.mark("+972501234567", lambda _cleared: None)
    assert "972501234567" not in json.dumps(wire.sent)


def test_two_marks_of_one_name_are_two(line: Line, media_line: MediaLine, wire: Wire, call: Call) -> None:
    reached: list[str] = []
    line.mark("same", lambda _cleared: reached.append("first"))
    line.mark("same", lambda _cleared: reached.append("second"))
    first, second = (message["mark"]["name"] for message in wire.sent)
    assert media_line.returned(second)
    assert reached == ["second"]
    assert media_line.returned(first)
    assert reached == ["second", "first"]
    assert call.marks == [("same", False)] * 2


def test_before_start_nothing_can_be_said(media_line: MediaLine, wire: Wire) -> None:
    reached: list[bool] = []
    media_line.say(SECOND)
    media_line.clear()
    media_line.mark("a", reached.append)
    assert (media_line.is_open, media_line.waiting, wire.sent) == (False, 0.0, [])
    assert reached == [True]
    assert not media_line.returned("1")


def test_a_line_is_opened_once(media_line: MediaLine, wire: Wire) -> None:
    media_line.open("MZ7")
    media_line.say(SECOND)
    media_line.open("MZ8")
    assert media_line.waiting == pytest.approx(1.0)
    media_line.close()
    media_line.open("MZ9")
    assert not media_line.is_open
    assert {message["streamSid"] for message in wire.sent} == {"MZ7"}


def test_a_line_that_was_closed_before_start_stays_so(media_line: MediaLine) -> None:
    media_line.close()
    media_line.open("MZ7")
    assert not media_line.is_open


def test_more_than_may_wait_is_refused(line: Line) -> None:
    line.say(SECOND * MOST_WAITING_SECONDS)
    with pytest.raises(TooMuchAudio):
        line.say(SECOND)


def test_a_mark_whose_callback_fails_costs_nothing(
    line: Line, media_line: MediaLine, call: Call, logged: Logged
) -> None:
    def fail(_cleared: bool) -> None:
        raise ZeroDivisionError

    reached: list[bool] = []
    line.say(SECOND)
    line.mark("broken", fail)
    line.mark("good", reached.append)
    media_line.close()
    assert reached == [True]
    assert call.marks == [("broken", True), ("good", True)]
    assert len(logged.flush(ZeroDivisionError)) == 1


def test_marks_that_come_back_late_are_no_strangers(line: Line, media_line: MediaLine) -> None:
    line.mark("a", lambda _cleared: None)
    media_line.close()
    assert media_line.returned("1")


def test_the_application_ends_its_call(line: Line, media_line: MediaLine, call: Call) -> None:
    line.end("enough")
    assert call.ends == ["enough"]
    media_line.close()
    line.end("again")
    assert call.ends == ["enough"]


def test_a_line_has_the_account_of_its_call(clock: Clock, wire: Wire, line: Line, call: Call) -> None:
    assert line.account == call.account
    assert MediaLine(clock, wire).account == AudioTotals()


def test_it_produces_for_a_transport_and_waits_while_that_is_full(
    line: Line, media_line: MediaLine, wire: Wire, clock: Clock, logged: Logged
) -> None:
    verifyObject(IPushProducer, media_line)
    line.say(SECOND)
    sent = len(wire.sent)
    media_line.pauseProducing()
    clock.pump([0.1] * 30)
    assert len(wire.sent) == sent
    media_line.resumeProducing()
    assert len(wire.sent) > sent
    media_line.pauseProducing()
    media_line.stopProducing()
    assert len(logged.matching("Twilio does not take what is said")) == 1


def test_a_transport_may_be_full_before_start_and_after_the_end(media_line: MediaLine) -> None:
    media_line.pauseProducing()
    media_line.resumeProducing()
    media_line.open("MZ7")
    media_line.close()
    media_line.pauseProducing()
    media_line.resumeProducing()
    assert not media_line.is_open


def test_no_timer_outlives_the_line(line: Line, media_line: MediaLine, clock: Clock) -> None:
    line.say(SECOND * 5)
    media_line.close()
    assert clock.getDelayedCalls() == []
