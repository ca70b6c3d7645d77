import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.fakes import CALL
from voicestt import events
from voicestt.audio.ledger import AudioTotals
from voicestt.call import facts
from voicestt.call.facts import (
    CallEnded,
    CallStarted,
    DeliveryCounts,
    Final,
    Happened,
    Partial,
    Track,
    TurnEnded,
    Word,
)
from voicestt.call.line import Line
from voicestt.config.call_plan import CallPlan
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.handler.publishing import Publishing, new_session, timestamp
from voicestt.runtime.histogram import Percentiles
from voicestt.runtime.metrics import Summary

NOW = 1_795_409_322.21
SCHEMA = jsonschema.Draft202012Validator(events.json_schema())


class NoLine:
    """A line on which nothing is said."""

    is_open = False
    waiting = 0.0
    account = AudioTotals()

    def say(self, audio: bytes, text: str | None = None) -> None:
        raise NotImplementedError

    def clear(self) -> None:
        raise NotImplementedError

    def mark(self, name: str, reached: Callable[[bool], None]) -> None:
        raise NotImplementedError

    def recognise(self, options: RecognitionOptions, *, at_once: bool, track: Track = "caller") -> None:
        raise NotImplementedError

    def end(self, reason: str) -> None:
        raise NotImplementedError


@dataclass
class Heard:
    """The journal and the application at once."""

    put_there: list[tuple[events.Event | None, object]] = field(default_factory=list)
    begun: list[events.CallStarted] = field(default_factory=list)
    told: list[events.Event] = field(default_factory=list)
    remembered: list[tuple[str, str]] = field(default_factory=list)
    addressed: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def put(self, event: events.Event | None, fact: object) -> None:
        self.put_there.append((event, fact))

    def remember(self, session: str, memory: str) -> None:
        self.remembered.append((session, memory))

    def address(self, session: str, receivers: Collection[str]) -> None:
        assert not self.put_there, "an address is said before the first event"
        self.addressed.append((session, tuple(receivers)))

    def begin(
        self,
        event: events.CallStarted,
        line: Line,
        memory: str | None,
        keep: Callable[[str], object],
        handler: str | None,
    ) -> "Heard":
        keep(f"after {memory}")
        self.begun.append(event)
        return self

    def tell(self, event: events.Event) -> None:
        self.told.append(event)

    @property
    def events(self) -> list[events.Event]:
        return [event for event, _ in self.put_there if event is not None]


STORY: list[facts.Event] = [
    CallStarted(CALL),
    Partial(CALL, 1, "שלום", 0.5),
    Happened(CALL, "rotated", "in time"),
    Final(CALL, 1, "שלום לך", 1.0000001, 0.9, 0.3, 0.1, (Word("שלום", 0.1, 0.5),), "google-streaming"),
    TurnEnded(CALL, 1, 0.9, 0.75),
    facts.KeyPressed(CALL, "#"),
    facts.MarkReached(CALL, "hello", cleared=True),
    facts.SaidToCaller(CALL, "Hello", 1.5, 0.25, 1.0, cleared=True),
    Happened(CALL, "degraded", "no route", 1.5),
    Happened(CALL, "recovered", "well again"),
    Happened(CALL, "unrecognised", "nobody could", 2.0),
    CallEnded(
        CALL,
        "stop",
        12.5,
        625,
        100_000,
        {},
        AudioTotals(received=100_000, recognised=80_000, passed_over=20_000, handed=104_000, requested=8_000),
        DeliveryCounts(3, 2),
        Summary(added=Percentiles(3, 0.01, 0.02, 0.03, 0.04), restarts=1, rotations=2, fallbacks=3),
    ),
]


@pytest.fixture
def heard() -> Heard:
    heard = Heard()
    told = Publishing(heard, heard, lambda: NOW).of_call(NoLine())
    for fact in STORY:
        told.tell(fact)
    return heard


def test_a_call_that_goes_on_says_what_it_continues_and_its_handler_s_memory_goes_along(heard: Heard) -> None:
    assert heard.begun[0].continues is None
    assert heard.remembered == [(heard.begun[0].session, "after None")]
    again = Heard()
    call = replace(CALL, continues="s1", utterances=2, memory='"so far"')
    Publishing(again, again, lambda: NOW).of_call(NoLine()).tell(CallStarted(call))
    assert again.begun[0].continues == "s1"
    assert again.remembered == [(again.begun[0].session, 'after "so far"')]


def test_the_receivers_that_the_number_names_are_said_before_the_first_event(heard: Heard) -> None:
    assert heard.addressed == []
    for chosen in [(), ("webhook:crm",)]:
        again = Heard()
        told = Publishing(again, again, lambda: NOW).of_call(NoLine())
        told.tell(CallStarted(replace(CALL, plan=CallPlan(webhook=chosen))))
        assert again.addressed == [(again.begun[0].session, chosen)]


def test_every_fact_is_put_in_order_with_its_event(heard: Heard) -> None:
    assert [fact for _, fact in heard.put_there] == STORY
    assert [events.type_of(event) if event else None for event, _ in heard.put_there] == [
        "call_started",
        "partial",
        "incident",
        "final",
        "utterance_end",
        "dtmf",
        "mark",
        "said",
        "degraded",
        "recovered",
        "unrecognised",
        "call_ended",
    ]


def test_events_are_numbered_without_a_gap_and_fit_the_schema(heard: Heard) -> None:
    assert [event.sequence for event in heard.events] == list(range(1, 13))
    (session,) = {event.session for event in heard.events}
    assert [event.id for event in heard.events][:2] == [f"{session}-000001", f"{session}-000002"]
    assert {(event.call_sid, event.stream_sid) for event in heard.events} == {("CA1", "MZ1")}
    for event in heard.events:
        SCHEMA.validate(json.loads(events.encode(event)))


def test_the_application_hears_everything_from_the_beginning_on(heard: Heard) -> None:
    assert heard.begun == heard.events[:1]
    assert heard.told == heard.events[1:]


def test_a_final_is_told_with_all_that_is_known_of_it(heard: Heard) -> None:
    final = heard.events[3]
    assert isinstance(final, events.Final)
    assert (final.utterance, final.text, final.confidence) == (1, "שלום לך", 1.0)
    assert (final.start, final.end, final.recogniser) == (0.1, 0.9, "google-streaming")
    assert final.delay == 0.3
    assert list(final.words) == [events.Word(text="שלום", start=0.1, end=0.5)]


def test_what_was_said_to_the_caller_is_told_with_its_times_in_the_call(heard: Heard) -> None:
    said = heard.events[7]
    assert isinstance(said, events.Said)
    assert (said.text, said.seconds, said.start, said.end, said.cleared) == ("Hello", 1.5, 0.25, 1.0, True)


def test_the_end_of_a_call_is_told_with_its_account(heard: Heard) -> None:
    end = heard.events[-1]
    assert isinstance(end, events.CallEnded)
    assert (end.reason, end.duration, end.partials, end.finals) == ("stop", 12.5, 3, 2)
    assert (end.audio.received, end.audio.recognised, end.audio.sent_again) == (100_000, 80_000, 4_000)
    assert (end.added_partial_delay_ms.count, end.added_partial_delay_ms.p99) == (3, 30.0)
    assert (end.final_delay_ms.count, end.final_delay_ms.p99) == (0, None)
    assert (end.restarts, end.rotations, end.fallbacks, end.google_seconds) == (1, 2, 3, 14.0)


def test_the_numbers_of_caller_and_called_are_told(heard: Heard) -> None:
    start = json.loads(events.encode(heard.events[0]))
    assert (start["from"], start["to"], start["account_sid"]) == ("+972501234567", "+972771234567", "AC1")


def test_without_an_application_events_are_put_all_the_same() -> None:
    heard = Heard()
    told = Publishing(heard).of_call(NoLine())
    told.tell(STORY[0])
    told.tell(STORY[1])
    assert len(heard.events) == 2
    assert heard.told == []


def test_the_time_is_as_rfc_3339_has_it() -> None:
    assert timestamp(NOW) == "2026-11-23T04:48:42.210000Z"
    assert timestamp(1_795_409_322.0) == "2026-11-23T04:48:42.000000Z"


@given(st.lists(st.floats(0, 4e9), min_size=2))
def test_no_session_is_named_as_another_and_later_ones_are_greater(times: list[float]) -> None:
    names = [new_session(now) for now in times]
    assert len(set(names)) == len(names)
    assert new_session(min(times)) < new_session(min(times) + 1)
