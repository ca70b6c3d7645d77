import base64
import json

import pytest
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.recognisers.fakes import Ear, ScriptedRecogniser
from tests.server.in_memory import (
    CONNECTED,
    FRAME,
    STOP,
    Media,
    Server,
    event,
    start,
)
from voicestt.recognisers.port import Incident, Result
from voicestt.runtime.metrics import Stamps
from voicestt.server.metrics_watch import MetricsWatch

PAYLOAD = base64.b64encode(FRAME).decode()


def media(timestamp: object) -> bytes:
    return event("media", media={"track": "inbound", "chunk": "1", "timestamp": timestamp, "payload": PAYLOAD})


def in_a_call(server: Server) -> Media:
    joined = server.join()
    joined.say(CONNECTED, start())
    return joined


def figures_of(server: Server) -> dict[str, object]:
    found: dict[str, object] = json.loads(server.http("GET", "/healthz").body)["figures"]
    return found


def watch(server: Server) -> MetricsWatch:
    made = MetricsWatch(server.clock, server.calls, server.clock.seconds)
    made.start()
    return made


def hold_up(clock: Clock, seconds: float) -> None:
    """As a reactor that does something else for so long."""
    clock.rightNow += seconds
    clock.advance(0)


def test_health_shows_what_callers_feel(server: Server) -> None:
    joined = in_a_call(server)
    joined.say(*[media("52")] * 15)
    session = server.recogniser.session
    session._listener.heard(Result("שלום", is_final=False, stamps=Stamps(0.0, 0.25, (0.125, 0.25))))
    session.final("שלום לך", end=1_200)
    session.happen(Incident("degraded", "no route"))
    figures = figures_of(server)
    added, hand_off, final = (
        figures[name] for name in ("added_partial_delay_ms", "hand_off_ms", "final_delay_ms")
    )
    assert isinstance(added, dict)
    assert added["count"] == 1
    assert added["max"] > 250, "the time since the response is in it"
    assert hand_off == {"count": 2, "p50": 125.0, "p95": 250.0, "p99": 250.0, "max": 250.0}
    assert final == {"count": 1, "p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0}
    assert figures["fallbacks"] == 1


@pytest.mark.parametrize("timestamp", ["52", 52, None, "x", [], 5.5])
def test_whatever_the_timestamp_the_audio_is_taken(server: Server, timestamp: object) -> None:
    joined = in_a_call(server)
    joined.say(*[media(timestamp)] * 15)
    assert len(server.recogniser.session.audio) == 2_400


def test_the_end_of_a_call_carries_its_own_figures(server: Server) -> None:
    joined = in_a_call(server)
    server.recogniser.session.backlog = 4_000
    joined.say(*[media("52")] * 8, STOP)
    server.recogniser.session.end()
    assert server.observer.end.figures.retained == 4_000
    assert figures_of(server)["retained_bytes_peak"] == 4_000


def test_the_reactors_lateness_is_shown(server: Server) -> None:
    watching = watch(server)
    for _ in range(10):
        server.clock.advance(0.1)
    hold_up(server.clock, 0.35)
    lag = server.calls.figures.summary.lag
    assert lag.count == 11
    assert lag.longest == pytest.approx(0.25)
    watching.stop()
    assert server.clock.getDelayedCalls() == []


def test_every_ten_minutes_with_calls_and_at_the_end_there_is_a_line(server: Server, logged: Logged) -> None:
    watching = watch(server)
    server.clock.advance(600)
    assert logged.matching("Figures") == [], "nobody calls"
    server.calls.new(lambda _reason: None, lambda _message: None)
    server.clock.advance(600)
    server.clock.advance(600)
    assert len(logged.matching("Figures of 1 calls, 1 live: added delay none; ")) == 2
    watching.stop()
    *_, last = logged.matching("Figures")
    assert last.startswith(
        "Figures of 1 calls, 1 live: added delay none; final delay none; hand-off none; reactor lag "
    )
    assert last.endswith(
        "0 frames late; 0 restarts; 0 rotations; 0 fallbacks; "
        "at most 0.00 s of a call retained; 0 bytes sent again"
    )
    assert len(logged.matching("Figures")) == 3


def test_without_a_call_there_is_no_last_line(server: Server, logged: Logged) -> None:
    watch(server).stop()
    assert logged.matching("Figures") == []


def test_stamps_are_no_part_of_what_was_heard(ear: Ear, recogniser: ScriptedRecogniser) -> None:
    recogniser.open(ear).partial("a")
    assert ear.results == [Result("a", is_final=False, stamps=Stamps(1.0))]
