import json
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.in_memory import (
    CONNECTED,
    STOP,
    Media,
    Server,
    start,
)
from tests.server.test_metrics_watch import hold_up, watch
from tests.server.test_routes import FORM, INCOMING, post
from tests.twilio.test_twiml import WANTED
from voicestt.server.admission import (
    LATE_SECONDS,
    ON_ITS_WAY_SECONDS,
    Admission,
    ReactorLateness,
)
from voicestt.server.refusals import MINUTE


def calling(server: Server, call_sid: str) -> int:
    """Twilio's webhook for this call: the status of the answer."""
    answer = post(server, INCOMING, {**FORM, "CallSid": call_sid})
    assert (answer.body == WANTED) == (answer.status == 200)
    return answer.status


def talking(server: Server, call_sid: str) -> Media:
    joined = server.join()
    joined.say(CONNECTED, start(call_sid))
    return joined


def health(server: Server) -> dict[str, object]:
    found: dict[str, object] = json.loads(server.http("GET", "/healthz").body)
    return found


def is_late(lateness: ReactorLateness) -> bool:
    """Asked anew each time."""
    return lateness.is_late


def looks(lateness: ReactorLateness, *lags: float, begin: float = 0.0) -> float:
    """A look each 0.1 s, each as late as it says; when the last one was."""
    now = begin
    for lag in lags:
        now += 0.1 + lag
        lateness.look(now, lag)
    return now


def test_a_reactor_that_is_late_for_three_seconds_is_late() -> None:
    lateness = ReactorLateness(0.25)
    now = looks(lateness, *[0.3] * 7)
    assert not is_late(lateness), "not for three seconds yet"
    now = looks(lateness, *[0.3] * 2, begin=now)
    assert is_late(lateness)
    now = looks(lateness, *[0.2] * 15, begin=now)
    assert is_late(lateness), "it has not fallen to half"
    looks(lateness, *[0.1] * 30, begin=now)
    assert not is_late(lateness)


def test_one_long_pause_is_no_overload() -> None:
    lateness = ReactorLateness(0.25)
    now = looks(lateness, *[0.0] * 50)
    now = looks(lateness, 10.0, begin=now)
    assert not lateness.is_late
    looks(lateness, *[0.01] * 5, begin=now)
    assert not lateness.is_late


def test_one_punctual_look_does_not_end_it() -> None:
    lateness = ReactorLateness(0.25)
    now = looks(lateness, *[0.5] * 10)
    looks(lateness, 0.0, 0.5, begin=now)
    assert lateness.is_late


@given(st.lists(st.floats(0, 60), max_size=100))
def test_it_is_never_late_where_no_look_was_and_always_where_all_were(lags: list[float]) -> None:
    lateness = ReactorLateness(0.25)
    now = looks(lateness, *lags)
    looks(lateness, *[0.0] * 60, begin=now)
    assert not lateness.is_late
    now = looks(lateness, *[1.0] * 6, begin=now + 6.0)
    assert lateness.is_late


def test_no_more_than_max_calls_are_live(clock: Clock, logged: Logged) -> None:
    server = Server(clock, MAX_CALLS="2")
    assert [calling(server, sid) for sid in ("CA1", "CA2", "CA3")] == [200, 200, 503]
    one = talking(server, "CA1")
    assert calling(server, "CA4") == 503, "the second one is on its way"
    two = talking(server, "CA2")
    assert (health(server)["calls_refused"], health(server)["busy"]) == (
        2,
        "2 calls are live and 0 on their way, and MAX_CALLS=2",
    )
    two.say(STOP)
    server.recogniser.sessions[-1].end()
    assert calling(server, "CA5") == 200
    one.say(STOP)
    assert len(logged.matching("A new call was refused")) == 1, "the others are counted"


def test_a_call_that_never_comes_makes_room_again(clock: Clock) -> None:
    server = Server(clock, MAX_CALLS="1")
    assert [calling(server, sid) for sid in ("CA1", "CA2")] == [200, 503]
    clock.advance(ON_ITS_WAY_SECONDS)
    assert calling(server, "CA2") == 200


def test_a_call_that_is_here_is_never_refused(clock: Clock) -> None:
    server = Server(clock, MAX_CALLS="1")
    assert calling(server, "CA1") == 200
    assert calling(server, "CA1") == 200, "Twilio asks again"
    talking(server, "CA1")
    assert calling(server, "CA1") == 200, "the call comes back after a <Redirect>"
    assert calling(server, "CA2") == 503


def test_a_refused_call_is_not_announced(clock: Clock) -> None:
    server = Server(clock, MAX_CALLS="1", REQUIRE_KNOWN_CALL="true")
    calling(server, "CA1")
    calling(server, "CA2")
    assert server.registry.find("CA1").announced
    assert not server.registry.find("CA2").announced


def test_a_socket_that_no_webhook_announced_is_refused_too(clock: Clock, logged: Logged) -> None:
    server = Server(clock, MAX_CALLS="1")
    talking(server, "CA1")
    refused = talking(server, "CA2")
    clock.advance(3)
    refused.flush()
    assert not refused.client.is_up
    assert logged.matching("A call was refused: the server is busy")
    assert health(server)["calls_refused"] == 1


def test_a_late_reactor_refuses_new_calls_until_it_is_punctual_again(clock: Clock, logged: Logged) -> None:
    server = Server(clock)
    watch(server)
    assert calling(server, "CA1") == 200
    for _ in range(10):
        hold_up(clock, 0.5)
    assert calling(server, "CA2") == 503
    assert health(server)["busy"] == "0 calls are live, the reactor is 400 ms late, and MAX_LAG_MS=250"
    assert logged.matching("A new call was refused")
    clock.pump([0.1] * 40)
    assert calling(server, "CA3") == 200
    assert health(server)["busy"] is None


def test_max_lag_can_be_switched_off(clock: Clock) -> None:
    server = Server(clock, MAX_LAG_MS="0")
    watch(server)
    for _ in range(10):
        hold_up(clock, 0.5)
    assert calling(server, "CA1") == 200


def test_refusals_are_said_once_a_minute_with_their_cause(clock: Clock, logged: Logged) -> None:
    admission = Admission(clock, 1, 0.0)
    for _ in range(100):
        assert not admission.takes("CA1", live=1)
    clock.advance(MINUTE)
    assert [line for line in logged.lines if "refused" in line] == [
        "⚠️ A new call was refused: 1 calls are live and 0 on their way, and MAX_CALLS=1. Live calls go on as they "
        "are; the caller gets what BUSY says. Further ones are counted and said once a minute. What to do: start "
        "another process beside this one, or raise the limit if the figures of the live calls allow it "
        "(/healthz).",
        "⚠️ 99 more new calls were refused within a minute, the last one because 1 calls are live and 0 on their "
        "way, and MAX_CALLS=1.",
    ]
    clock.advance(MINUTE)
    admission.takes("CA1", live=1)
    admission.stop()
    assert clock.getDelayedCalls() == []
    assert len(logged.matching("A new call was refused")) == 2, "after a quiet minute it is news again"


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from(["webhook", "socket", "end", "wait"]), st.integers(0, 9)), max_size=60),
)
def test_whatever_comes_there_are_never_more_than_max_calls(most: int, steps: list[tuple[str, int]]) -> None:
    clock = Clock()
    admission = Admission(clock, most, 0.0)
    taken: OrderedDict[str, float] = OrderedDict()
    live: set[str] = set()
    for step, number in steps:
        sid = f"CA{number}"
        if step == "webhook" and sid not in live and admission.takes(sid, len(live)):
            taken[sid] = clock.seconds()
        elif step == "socket" and taken.pop(sid, -60.0) > clock.seconds() - ON_ITS_WAY_SECONDS:
            live.add(sid)
            admission.arrived(sid)
        elif step == "end":
            live.discard(sid)
        elif step == "wait":
            clock.advance(number)
        assert len(live) <= most


def test_late_seconds_are_those_that_the_settings_speak_of(server: Server) -> None:
    said = type(server.settings).__dataclass_fields__["max_lag_ms"].metadata["variable"].meaning
    assert f"for {LATE_SECONDS:g} s" in said


@pytest.mark.parametrize(
    ("busy", "body"),
    [
        ("+972 77-123-4567", "<Dial><Number>+972771234567</Number></Dial>"),
        ("sip:desk@example.com", "<Dial><Sip>sip:desk@example.com</Sip></Dial>"),
        ("כל הקווים תפוסים", '<Say language="he-IL">כל הקווים תפוסים</Say>'),
        ("Tom & Jerry <are> busy", '<Say language="he-IL">Tom &amp; Jerry &lt;are&gt; busy</Say>'),
    ],
)
def test_busy_says_what_the_caller_gets(clock: Clock, busy: str, body: str) -> None:
    server = Server(clock, MAX_CALLS="1", BUSY=busy)
    calling(server, "CA1")
    answer = post(server, INCOMING, {**FORM, "CallSid": "CA2"})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert answer.body.decode().endswith(f"<Response>{body}</Response>")
    assert answer.body.startswith(b"<?xml")


def test_without_busy_twilio_goes_to_the_numbers_fallback(clock: Clock) -> None:
    server = Server(clock, MAX_CALLS="1")
    calling(server, "CA1")
    answer = post(server, INCOMING, {**FORM, "CallSid": "CA2"})
    assert (answer.status, answer.body) == (503, b"The server is busy: this call is not taken.\n")


def test_a_number_in_busy_is_in_no_repr(clock: Clock) -> None:
    assert "972" not in repr(Server(clock, BUSY="+972771234567").settings)
