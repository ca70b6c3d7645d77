import json

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.delivery.live.test_subscriber import Kept
from tests.server.listening import (
    BEARER,
    SECRET,
    LiveServer,
    has_fired,
    record,
)
from voicestt.delivery.live.filter import EventFilter
from voicestt.delivery.live.hub import MOST_LISTENERS, EventHub
from voicestt.delivery.live.subscriber import MOST_BYTES, MOST_EVENTS
from voicestt.journal.port import Filter

PATHS = ["/events", "/events/", "/ws/live", "/ws/live/"]


@pytest.fixture
def live(autobahn_clock: Clock) -> LiveServer:
    return LiveServer(autobahn_clock)


# Who may listen


@pytest.mark.parametrize("path", PATHS)
def test_without_events_token_there_is_nothing_and_the_log_says_why(
    autobahn_clock: Clock, path: str, logged: Logged
) -> None:
    closed = LiveServer(autobahn_clock, token=None)
    for method in ("GET", "HEAD"):
        for headers in ({}, BEARER):
            answer = closed.http(method, path, headers)
            assert answer.status == 404
            assert b"EVENTS_TOKEN" not in answer.raw
    (line,) = logged.matching("EVENTS_TOKEN is not set")
    assert "404" in line


WRONG = {
    "none": ("", {}),
    "empty": ("", {"Authorization": "Bearer "}),
    "another": ("", {"Authorization": "Bearer wrong"}),
    "another scheme": ("", {"Authorization": f"Basic {SECRET}"}),
    "another case": ("", {"Authorization": f"Bearer {SECRET.upper()}"}),
    "in the query": ("?access_token=wrong", {}),
    "no UTF-8": ("?access_token=%ff", {"Authorization": b"Bearer \xff"}),
    "the header's counts": (f"?access_token={SECRET}", {"Authorization": "Bearer wrong"}),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("query", "headers"), WRONG.values(), ids=WRONG)
def test_without_the_token_it_is_401_in_words(
    live: LiveServer, logged: Logged, path: str, query: str, headers: dict[str, str | bytes]
) -> None:
    answer = live.http("GET", path + query, headers)
    assert (answer.status, answer.body) == (401, b"The token is missing or wrong.\n")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="voicestt"')
    assert answer.headers["access-control-allow-origin"] == "*"
    assert len(logged.matching("refused with 401")) == 1
    assert logged.matching(SECRET) == []


def test_the_challenge_says_whether_there_was_a_token(live: LiveServer) -> None:
    assert "invalid_token" not in live.http("GET", "/events").headers["www-authenticate"]
    answer = live.http("GET", "/events?access_token=x")
    assert answer.headers["www-authenticate"].endswith(', error="invalid_token"')


@pytest.mark.parametrize("path", PATHS)
def test_what_cannot_be_understood_is_400_in_words(live: LiveServer, path: str) -> None:
    answer = live.http("GET", f"{path}?types=words", BEARER)
    assert answer.status == 400
    assert answer.body.startswith(b"`types` has something else than: call_started")
    assert live.http("GET", path, {**BEARER, "Last-Event-ID": "x"}).status == 400


def test_a_token_in_the_query_is_a_token(live: LiveServer) -> None:
    stream = live.listen(f"?access_token={SECRET}&types=final", Authorization="")
    live.write(record(1), record(2, "dtmf"))
    assert stream.numbers == [1]


@pytest.mark.parametrize("path", PATHS)
def test_more_listeners_than_a_hundred_are_refused_with_503(live: LiveServer, path: str) -> None:
    streams = [live.listen() for _ in range(MOST_LISTENERS - 1)]
    live.join_live()
    answer = live.http("GET", path, BEARER)
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    streams[0].lose()
    assert live.listen().head.startswith("http/1.1 200")


@pytest.mark.parametrize("path", ["/events", "/events/"])
def test_a_page_that_asks_beforehand_may_send_the_token_in_a_header(live: LiveServer, path: str) -> None:
    preflight = {"Origin": "https://page.example", "Access-Control-Request-Headers": "authorization"}
    answer = live.http("OPTIONS", path, preflight)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/events"), ("PUT", "/ws/live"), ("DELETE", "/events/")])
def test_other_methods_are_405(live: LiveServer, method: str, path: str) -> None:
    assert live.http(method, path, BEARER).status == 405


# What they are told


def test_all_listeners_are_told_what_they_asked_for(live: LiveServer) -> None:
    everything, one_call, no_partials = live.listen(), live.listen("?call=CA2"), live.listen("?partials=false")
    socket = live.join_live("?types=partial")
    live.write(record(1, "partial"), record(2, "final", "CA2"), record(3, "partial", "CA2"))
    assert [each.numbers for each in (everything, one_call, no_partials)] == [[1, 2, 3], [2, 3], [2]]
    socket.flush()
    assert len(socket.client.messages) == 2


def test_who_says_nothing_of_the_past_is_told_from_now_on(live: LiveServer) -> None:
    live.write(record(1))
    stream = live.listen()
    live.write(record(2))
    assert stream.numbers == [2]
    assert live.journal.reads == []


@pytest.mark.parametrize(("query", "headers"), [("?after=2", {}), ("", {"Last_Event_ID": "2"})])
def test_who_comes_again_is_told_what_was_missed(live: LiveServer, query: str, headers: dict[str, str]) -> None:
    live.write(*(record(number) for number in range(1, 600)))
    stream = live.listen(query, **headers)
    live.write(record(600))
    assert stream.numbers == list(range(3, 601))
    assert live.journal.reads == [(2, 200), (202, 200), (402, 200)]


def test_what_was_missed_is_told_before_what_happens_meanwhile(live: LiveServer) -> None:
    live.write(record(1), record(2))
    answers: list[Deferred[None]] = []

    async def wait() -> None:
        answers.append(Deferred())
        await answers[-1]

    live.journal.before_answer = wait
    stream = live.listen("?after=0")
    live.write(record(3))
    assert stream.numbers == []
    answers.pop().callback(None)
    live.write(record(4))
    assert stream.numbers == [1, 2, 3, 4]


def test_the_journal_is_read_for_one_listener_at_a_time(live: LiveServer) -> None:
    live.write(record(1))
    answers: list[Deferred[None]] = []

    async def wait() -> None:
        answers.append(Deferred())
        await answers[-1]

    live.journal.before_answer = wait
    streams = [live.listen("?after=0") for _ in range(3)]
    for turn in range(3):
        assert len(live.journal.reads) == turn + 1
        answers.pop().callback(None)
    assert [stream.numbers for stream in streams] == [[1]] * 3


def test_where_the_journal_cannot_be_read_they_are_told_to_come_again(live: LiveServer, logged: Logged) -> None:
    live.journal.problem = OSError("what the caller said")
    stream, socket, other = live.listen("?after=0"), live.join_live("?after=0"), live.listen()
    (message,) = stream.read.messages
    assert message.event == "unavailable"
    assert json.loads(message.data)["why"].startswith("The journal cannot be read now")
    assert stream.is_ended
    socket.flush()
    assert socket.client.closed is not None
    assert socket.client.closed[1] == 1013
    live.write(record(1))
    assert other.numbers == [1]
    assert len(logged.matching("sent away and may come again: OSError.")) == 2
    assert logged.matching("what the caller said") == []


def test_for_who_went_while_the_journal_was_asked_its_failure_is_nothing(live: LiveServer, logged: Logged) -> None:
    answers: list[Deferred[None]] = []

    async def wait() -> None:
        answers.append(Deferred())
        await answers[-1]

    live.journal.before_answer = wait
    live.listen("?after=0").lose()
    live.journal.problem = OSError()
    answers.pop().callback(None)
    assert logged.matching("could not be read") == []


def test_without_a_journal_they_are_told_from_now_on(clock: Clock) -> None:
    hub = EventHub(clock, None, SECRET)
    connection = Kept()
    hub.join(connection, EventFilter(after=3))
    hub.publish([record(1)])
    assert connection.sent == [1]


# Slow ones


def test_a_slow_stream_is_sent_away_in_words_and_may_go_on_where_it_was(live: LiveServer, logged: Logged) -> None:
    stream, quick = live.listen(), live.listen()
    live.write(record(1))
    assert stream.numbers == [1]
    stream.channel.pauseProducing()
    live.write(*(record(number) for number in range(2, MOST_EVENTS + 2)))
    assert live.hub.counters["disconnected"] == 0
    live.write(record(MOST_EVENTS + 2))
    assert live.hub.counters["disconnected"] == 1
    *_, last = stream.read.messages
    assert (last.event, last.id) == ("overflow", "1")
    assert stream.is_ended
    assert quick.numbers == list(range(1, MOST_EVENTS + 3))
    assert len(logged.matching("sent away: it reads more slowly")) == 1
    again = live.listen(Last_Event_ID="1")
    assert again.numbers == list(range(2, MOST_EVENTS + 3))


def test_who_does_not_even_read_the_farewell_is_cut_off_after_ten_seconds(
    live: LiveServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = live.listen()
    cut_off: list[bool] = []
    monkeypatch.setattr(stream.pump.serverIO, "abortConnection", lambda: cut_off.append(True))
    stream.channel.pauseProducing()
    live.write(*(record(number) for number in range(MOST_EVENTS + 2)))
    clock.advance(9.9)
    assert cut_off == []
    clock.advance(0.2)
    assert cut_off == [True]


def test_a_slow_socket_is_closed_with_1013(live: LiveServer) -> None:
    socket, quick = live.join_live(), live.join_live()
    socket.pump.serverIO.producer.pauseProducing()
    for number in range(1, 6):
        live.write(record(number, payload=b"x" * (MOST_BYTES // 4)))
        quick.flush()
    socket.flush()
    assert socket.client.closed is not None
    clean, code, reason = socket.client.closed
    assert (clean, code) == (True, 1013)
    assert reason is not None
    assert "connect again" in reason
    assert len(quick.client.messages) == 5
    assert socket.client.messages == []


def test_what_a_slow_one_did_not_take_in_time_comes_when_it_does(live: LiveServer) -> None:
    stream = live.listen()
    stream.channel.pauseProducing()
    live.write(*(record(number) for number in range(1, 501)))
    assert stream.numbers == []
    stream.channel.resumeProducing()
    assert stream.numbers == list(range(1, 501))


def test_a_past_that_is_larger_than_the_bound_is_told_as_it_is_taken(live: LiveServer) -> None:
    live.write(*(record(number) for number in range(1, 5_001)))
    stream = live.listen("?after=0")
    assert stream.numbers == list(range(1, 5_001))
    assert live.hub.counters["disconnected"] == 0


def test_who_reads_nothing_of_the_past_for_a_minute_is_sent_away(
    live: LiveServer, clock: Clock, logged: Logged
) -> None:
    live.write(*(record(number) for number in range(1, 5_001)))
    stream = live.listen("?after=0")
    stream.channel.pauseProducing()
    slow = live.listen()
    slow.channel.pauseProducing()
    for _ in range(4):
        clock.advance(15)
    assert live.hub.counters["disconnected"] == 0
    slow.channel.resumeProducing()
    clock.advance(15)
    assert live.hub.counters == {"listeners": 1, "sent": 5_000, "disconnected": 1}
    assert stream.read.messages[-1].event == "overflow"
    assert logged.matching("it has read nothing for a minute")


def test_the_journal_is_asked_only_for_what_is_wanted(live: LiveServer) -> None:
    live.write(record(1, "partial"), record(2), record(3, call_sid="CA2"), record(4, "dtmf"))
    assert live.listen("?after=0&call=CA1&types=final,partial").numbers == [1, 2]
    assert live.listen("?after=0").numbers == [1, 2, 3, 4]
    assert live.journal.filters == [
        Filter(frozenset({"CA1"}), frozenset({"final", "partial"})),
        Filter(),
    ]


def test_where_another_process_does_not_come_to_an_end_they_are_told_to_come_again(
    live: LiveServer, clock: Clock, logged: Logged
) -> None:
    live.write(record(1), record(2))
    live.journal.through = 1
    stream = live.listen("?after=0")
    for _ in range(149):
        clock.advance(0.1)
    assert stream.numbers == [1]
    for _ in range(2):
        clock.advance(0.1)
    assert [message.event for message in stream.read.messages] == ["final", "unavailable"]
    assert logged.matching("does not come to an end")


# The end


def test_at_the_server_s_end_all_are_told_and_gone(live: LiveServer, clock: Clock) -> None:
    stream, socket = live.listen(), live.join_live()
    live.write(record(1))
    stopped = live.stop()
    assert stream.is_ended
    assert stream.numbers == [1]
    assert [message.event for message in stream.read.messages] == ["final"]
    assert not has_fired(stopped)
    socket.flush()
    assert socket.client.closed == (True, 1001, "The server is stopping.")
    clock.advance(0.1)
    assert has_fired(stopped)
    assert live.http("GET", "/events", BEARER).status == 503
    assert live.http("GET", "/ws/live", BEARER).status == 503
    live.write(record(2))


def test_the_end_does_not_wait_for_who_does_not_answer(live: LiveServer, clock: Clock) -> None:
    live.join_live()
    stopped = live.stop()
    clock.advance(1.9)
    assert not has_fired(stopped)
    clock.advance(0.2)
    clock.advance(0.1)
    assert has_fired(stopped)


def test_the_end_without_listeners_is_soon(live: LiveServer, clock: Clock) -> None:
    stopped = live.stop()
    clock.advance(0.1)
    assert has_fired(stopped)
    assert clock.getDelayedCalls() == []


# The figures


def test_the_health_check_counts(live: LiveServer) -> None:
    live.listen()
    live.write(record(1), record(2))
    assert json.loads(live.http("GET", "/healthz").body)["feed"] == {
        "listeners": 1,
        "sent": 2,
        "disconnected": 0,
    }
