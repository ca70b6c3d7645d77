from collections import deque
from collections.abc import Callable

import pytest

from tests.handler.fakes import Events, FakeLine
from tests.handler.twilio_api import TOKEN, TwilioApi
from voicestt.handler.leaving import CallHandover
from voicestt.runtime.thread_pool import DaemonThreadPool
from voicestt.twilio.rest import BadNumber, TwilioCalls, TwilioRefused

PATIENCE = 30.0


class Lobby:
    """A call that is being left, with the reactor's turns in the test's hands."""

    def __init__(self, twilio: TwilioCalls | None) -> None:
        self.line = FakeLine()
        self.turns: deque[Callable[[], object]] = deque()
        self.threads = DaemonThreadPool(1, "test")
        self.leaving = CallHandover(Events().started(), self.line, twilio, self.threads, self.turns.append)

    def turn(self) -> None:
        while self.turns:
            self.turns.popleft()()


def test_the_stream_is_closed_in_the_reactors_thread_only_where_twilio_did_not_hang_up() -> None:
    lobby = Lobby(None)
    outcome = lobby.leaving.hang_up()
    assert lobby.line.asked == []
    lobby.turn()
    assert lobby.line.asked == [("end", "the application hung up")]
    assert outcome.result() == "stream closed"


def test_a_bad_destination_is_refused_before_twilio_is_asked(twilio_api: TwilioApi) -> None:
    lobby = Lobby(TwilioCalls(TOKEN, twilio_api.url))
    with pytest.raises(BadNumber):
        lobby.leaving.transfer("the desk")
    assert lobby.threads.alive == 0


def test_when_the_server_stops_whoever_waits_is_told(twilio_api: TwilioApi) -> None:
    lobby = Lobby(TwilioCalls(TOKEN, twilio_api.url))
    lobby.threads.stop()
    with pytest.raises(TwilioRefused, match="the server is stopping"):
        lobby.leaving.transfer("+12").result(PATIENCE)
    hung_up = lobby.leaving.hang_up()
    lobby.turn()
    assert hung_up.result(PATIENCE) == "stream closed"
    assert twilio_api.asked == []


def test_twilio_that_does_not_answer_is_a_refusal(twilio_api: TwilioApi) -> None:
    twilio_api.holds = True
    lobby = Lobby(TwilioCalls(TOKEN, twilio_api.url, seconds=0.2))
    with pytest.raises(TwilioRefused, match="did not answer"):
        lobby.leaving.transfer("+12").result(PATIENCE)
    lobby.threads.stop()
