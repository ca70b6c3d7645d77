"""A call of two sides as the page gets it: whose words, incidents, delays and bytes they are."""

from typing import Any

import msgspec

from voicestt import events
from voicestt.page.call_view import CallView

HEAD: dict[str, Any] = {
    "id": "s-000001",
    "session": "s",
    "sequence": 1,
    "timestamp": "2026-11-23T07:00:00.000Z",
    "call_sid": "CA1",
    "stream_sid": "MZ1",
}


def view_of(*told: events.AnyEvent) -> CallView:
    view = CallView(0.0)
    for event in told:
        view.add(event)
    return view


def final(track: Any, delay: float) -> events.Final:
    return events.Final(**HEAD, utterance=1, text=track, start=1.0, end=2.0, delay=delay, track=track)


def test_words_and_delays_are_of_who_spoke() -> None:
    view = view_of(final("caller", 0.2), final("callee", 0.3))
    assert [(line["who"], line["text"]) for line in view.conversation] == [("caller",) * 2, ("callee",) * 2]
    assert [(delay["who"], delay["ms"]) for delay in view.delays] == [("caller", 200), ("callee", 300)]


def test_incidents_are_of_the_track_that_they_befell() -> None:
    view = view_of(events.Degraded(**HEAD, why="away", track="callee"), events.Recovered(**HEAD, why="back"))
    assert [each["who"] for each in view.incidents] == ["callee", "caller"]


def test_each_track_has_an_account_and_delays() -> None:
    late = events.Latency(p50=300.0, count=2)
    end = events.CallEnded(
        **HEAD, reason="stop", callee_audio=events.Audio(received=160), callee_final_delay_ms=late
    )
    view = view_of(end)
    assert view.account is not None
    assert view.callee_account is not None
    assert view.figures is not None
    assert (view.account["received"], view.callee_account["received"]) == (0, 160)
    assert view.figures["callee_final_delay_ms"] == msgspec.to_builtins(late)
    assert view_of(events.CallEnded(**HEAD, reason="stop")).callee_account is None
