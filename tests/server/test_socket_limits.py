"""Limits of a media socket that is no call's: to be silent, flood, not read, and say that it is another's call."""

from collections.abc import Sequence

import pytest
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.in_memory import (
    FRAME,
    Media,
    Server,
    media,
    start,
)
from tests.server.test_routes import FORM, INCOMING, post
from voicestt.call.facts import CallStarted

ACCOUNTED = {**FORM, "AccountSid": "AC1"}


@pytest.fixture
def strict(autobahn_clock: Clock) -> Server:
    """A server that takes announced calls only."""
    return Server(autobahn_clock, REQUIRE_KNOWN_CALL="true")


def started(server: Server) -> Sequence[tuple[str, str, str]]:
    return [
        (event.call.call_sid, event.call.stream_sid, event.call.account_sid)
        for event in server.observer.events
        if isinstance(event, CallStarted)
    ]


def is_refused(joined: Media, why: str) -> bool:
    closed = joined.client.closed
    return closed is not None and closed[1] == 4003 and why in str(closed[2])


# -- a socket that never starts


def test_a_socket_that_never_says_start_is_closed_after_ten_seconds(server: Server, logged: Logged) -> None:
    silent, talking = server.join(), server.join()
    talking.say(start())
    for _ in range(9):
        server.clock.advance(1)
        silent.say(media())
        silent.client.sendPing()
        silent.flush()
    assert silent.client.is_up
    server.clock.advance(1.1)
    silent.flush()
    assert silent.client.closed == (True, 1000, "the socket did not say `start` within 10 s")
    assert talking.client.closed is None
    assert (len(server.calls), len(server.visitors)) == (1, 0)
    assert len(logged.matching("A WebSocket was closed: it did not say `start` within 10 s.")) == 1


def test_a_call_may_last_longer_than_ten_seconds(server: Server) -> None:
    joined = server.join()
    joined.say(start())
    server.clock.advance(11)
    joined.say(media())
    assert joined.client.closed is None


# -- floods


def flood(joined: Media, frames: int) -> None:
    for _ in range(frames):
        joined.client.sendMessage(media())  # type: ignore[no-untyped-call]
    joined.flush()


def test_frames_in_a_flood_are_taken_in_time_and_none_is_lost(server: Server) -> None:
    joined = server.join()
    joined.say(start())
    flood(joined, 200)
    assert len(server.recogniser.session.audio) < 100 * len(FRAME)
    for _ in range(4):
        server.clock.advance(0.07)
    joined.say(*[media()] * 8)
    assert len(server.recogniser.session.audio) >= 200 * len(FRAME)
    assert joined.client.closed is None


def test_frames_that_wait_when_the_socket_is_lost_are_recognised(server: Server) -> None:
    joined = server.join()
    joined.say(start())
    flood(joined, 187)  # as many as there can be in one read
    joined.lose()
    assert len(server.recogniser.session.audio) == 187 * len(FRAME)


def test_pings_whose_pongs_are_not_read_are_answered_when_there_is_room(server: Server) -> None:
    joined = server.join()
    joined.say(start())
    room = joined.pump.serverIO.producer
    room.pauseProducing()
    pongs: list[bytes] = []
    joined.client.onPong = pongs.append  # type: ignore[method-assign,assignment]
    for number in range(50):
        joined.client.sendPing(b"%d" % number)
        joined.flush()
    assert pongs == []
    room.resumeProducing()
    joined.flush()
    assert pongs == [b"49"]
    joined.client.sendPing(b"again")
    joined.flush()
    assert pongs == [b"49", b"again"]


# -- whose call it is


def test_an_announcement_is_used_up_by_its_socket(strict: Server, logged: Logged) -> None:
    post(strict, INCOMING, ACCOUNTED)
    first = strict.join()
    first.say(start("CA1", streamSid="MZ1"))
    second = strict.join()
    second.say(start("CA1", streamSid="MZ2"))
    assert is_refused(second, "this CallSid has a live stream already")
    first.say(b'{"event":"stop","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}')
    third = strict.join()
    third.say(start("CA1", streamSid="MZ3"))
    assert is_refused(third, "a socket has used this CallSid's announcement already")
    assert started(strict) == [("CA1", "MZ1", "AC1")]
    post(strict, INCOMING, ACCOUNTED)
    fourth = strict.join()
    fourth.say(start("CA1", streamSid="MZ4"))
    assert fourth.client.closed is None
    assert len(logged.matching("A call was refused")) == 2


def test_an_announcement_is_its_accounts(strict: Server) -> None:
    post(strict, INCOMING, ACCOUNTED)
    joined = strict.join()
    joined.say(start("CA1", accountSid="AC2"))
    assert is_refused(joined, "announced this CallSid for another account")
    rightful = strict.join()
    rightful.say(start("CA1"))
    assert rightful.client.closed is None


def test_a_second_start_on_the_same_socket_is_no_second_call(strict: Server) -> None:
    post(strict, INCOMING, ACCOUNTED)
    joined = strict.join()
    joined.say(start("CA1"), start("CA1"), media())
    assert joined.client.closed is None
    assert len(started(strict)) == 1


def test_a_second_stream_of_a_call_is_warned_of_and_its_events_say_which_it_is(
    server: Server, logged: Logged
) -> None:
    first, second = server.join(), server.join()
    first.say(start("CA1", streamSid="MZ1"))
    assert logged.matching("Two sockets") == []
    second.say(start("CA1", streamSid="MZ2"))
    assert first.client.closed is second.client.closed is None
    assert [sids[:2] for sids in started(server)] == [("CA1", "MZ1"), ("CA1", "MZ2")]
    (warning,) = logged.matching("Two sockets say that they are this call")
    assert "MZ1 is live, and MZ2 has come" in warning


def test_the_next_stream_of_a_call_whose_first_is_over_is_not_warned_of(server: Server, logged: Logged) -> None:
    first, second = server.join(), server.join()
    first.say(start("CA1", streamSid="MZ1"))
    first.lose()
    second.say(start("CA1", streamSid="MZ2"))
    assert logged.matching("Two sockets") == []


def test_events_have_the_account_that_was_announced(server: Server) -> None:
    post(server, INCOMING, ACCOUNTED)
    server.join().say(start("CA1", accountSid="AC666"))
    assert started(server) == [("CA1", "MZ1", "AC1")]


@pytest.mark.parametrize("details", [{"call_sid": "CA\x1b[2J"}, {"streamSid": "\u202eMZ"}, {"call_sid": "x" * 65}])
def test_a_malformed_sid_is_refused_and_escaped_in_the_log(
    server: Server, logged: Logged, details: dict[str, str]
) -> None:
    joined = server.join()
    joined.say(start(**details))
    assert is_refused(joined, "its CallSid or its StreamSid is no identifier")
    systems = [str(event.get("log_system")) for event in logged.events]
    assert not any("\x1b" in text or "\u202e" in text for text in [*logged.lines, *systems])
