import os
import signal
import time
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.fakes import settings_of
from tests.server.in_memory import CONNECTED, Media, Server, media, start
from tests.server.test_routes import FORM, INCOMING, post
from voicestt.runtime.deadline import AT_ONCE_SECONDS, LAST_SECONDS, Deadline
from voicestt.server.calls import ON_ITS_WAY_SECONDS
from voicestt.server.stopping import GRACE_SECONDS, Shutdown

ALL, FOR_CALLS = 25.0, 15.0


class Stop:
    """A stop of `server`, which has `seconds`."""

    def __init__(self, server: Server, seconds: float = ALL, move: Any = None) -> None:
        self.server = server
        self.enforced: list[float] = []
        self.drained: list[float] = []
        clock: Any = server.clock
        clock.callFromThread = lambda action, *arguments: action(*arguments)
        self.shutdown = Shutdown(clock, settings_of(SHUTDOWN_SECONDS=str(seconds)), move, self.enforced.append)
        self.deadline: Deadline = self.shutdown.begin()
        drained = Deferred.fromCoroutine(self.shutdown.drain(server.calls))
        drained.addCallback(lambda _: self.drained.append(clock.seconds()))

    def pass_time(self, seconds: float, *joined: Media) -> None:
        for _ in range(round(seconds * 20)):
            self.server.clock.advance(0.05)
            for each in joined:
                each.flush()


def talking(server: Server, call_sid: str = "CA1") -> Media:
    joined = server.join()
    joined.say(CONNECTED, start(call_sid), media())
    return joined


@pytest.fixture
def quiet_server(autobahn_clock: Clock) -> Server:
    return Server(autobahn_clock)


def test_an_idle_server_stops_at_once(quiet_server: Server) -> None:
    stop = Stop(quiet_server)
    assert stop.drained == [quiet_server.clock.seconds()]
    stop.shutdown.end()


def test_live_calls_go_on_for_their_time_and_new_ones_are_not_taken(quiet_server: Server, logged: Logged) -> None:
    joined = talking(quiet_server)
    began = quiet_server.clock.seconds()
    stop = Stop(quiet_server)
    assert logged.matching("Stopping: no new calls. 1 live calls may go on for 15 s") != []
    assert post(quiet_server, INCOMING, {**FORM, "CallSid": "CA2"}).status == 503
    stop.pass_time(FOR_CALLS - 1, joined)
    assert (stop.drained, joined.client.closed) == ([], None)
    stop.pass_time(1.1, joined)
    assert stop.drained[0] - began == pytest.approx(FOR_CALLS, abs=0.1)
    assert stop.enforced == [ALL + GRACE_SECONDS]
    stop.shutdown.end()


def test_when_the_last_call_is_over_nobody_is_waited_for(quiet_server: Server) -> None:
    joined = talking(quiet_server)
    began = quiet_server.clock.seconds()
    stop = Stop(quiet_server)
    joined.lose()
    quiet_server.recogniser.session.end()
    stop.pass_time(0.1)
    assert stop.drained[0] - began <= 0.1
    stop.shutdown.end()


def test_a_call_that_was_just_taken_is_waited_for_and_may_come(quiet_server: Server) -> None:
    assert post(quiet_server, INCOMING, FORM).status == 200
    stop = Stop(quiet_server)
    stop.pass_time(ON_ITS_WAY_SECONDS / 2)
    assert stop.drained == []
    joined = talking(quiet_server)
    stop.pass_time(ON_ITS_WAY_SECONDS, joined)
    assert (stop.drained, joined.client.closed) == ([], None)
    stop.shutdown.end()


def test_a_second_signal_ends_the_calls_time(quiet_server: Server, logged: Logged) -> None:
    joined = talking(quiet_server)
    began = quiet_server.clock.seconds()
    stop = Stop(quiet_server, 3_600)
    stop.pass_time(5, joined)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    stop.pass_time(0.1, joined)
    assert stop.drained[0] - began == pytest.approx(5, abs=0.11)
    assert stop.deadline.left == pytest.approx(LAST_SECONDS, abs=0.11)
    assert stop.enforced[-1] == pytest.approx(LAST_SECONDS + GRACE_SECONDS, abs=0.11)
    assert len(logged.matching("once more: live calls are ended now")) == 1
    stop.shutdown.end()


def test_with_no_time_calls_are_ended_at_once_and_still_have_their_last_words(quiet_server: Server) -> None:
    talking(quiet_server)
    stop = Stop(quiet_server, 0)
    assert stop.drained == [quiet_server.clock.seconds()]
    assert stop.deadline.left == AT_ONCE_SECONDS
    stop.shutdown.end()


def test_calls_are_moved_and_their_streams_end_as_moved(quiet_server: Server) -> None:
    joined = talking(quiet_server)
    asked: list[tuple[str, str]] = []
    stop = Stop(quiet_server, move=lambda account, call: asked.append((account, call)))
    give_up = time.monotonic() + 20
    while not quiet_server.calls.moves.moved and time.monotonic() < give_up:
        stop.pass_time(0.05 if not asked else 0, joined)
        time.sleep(0.001)  # Twilio is asked in a thread
    assert asked == [("AC1", "CA1")]
    joined.lose()
    quiet_server.recogniser.session.final("the last words")
    quiet_server.recogniser.session.end()
    stop.pass_time(0.1)
    assert len(stop.drained) == 1
    assert (quiet_server.observer.end.reason, quiet_server.observer.finals) == ("moved", ["the last words"])
    stop.shutdown.end()


def test_however_long_google_hangs_the_calls_are_over_in_their_part_of_the_time(quiet_server: Server) -> None:
    calls = [talking(quiet_server, f"CA{number}") for number in range(3)]
    told: list[object] = []
    quiet_server.calls.stop(2.0).addCallback(told.append)
    for _ in range(45):
        quiet_server.clock.advance(0.05)
        for joined in calls:
            joined.flush()
    assert told == [None]
    assert len(quiet_server.calls) == 0


def test_a_socket_that_does_not_close_is_cut_in_time(quiet_server: Server) -> None:
    talking(quiet_server)
    told: list[object] = []
    quiet_server.calls.stop(1.0).addCallback(told.append)
    quiet_server.clock.advance(1.0)
    assert told == [None]
    assert quiet_server.observer.end.reason == "the server is stopping"
