from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.webhooks import Answer, send_form


class Response:
    """An answer whose body comes when it is told to."""

    code = 200
    headers = Headers({"content-type": ["text/xml"]})

    def deliverBody(self, body: Protocol) -> None:  # noqa: N802
        self.body = body


class Agent:
    """Answers every request with the same Deferred."""

    def __init__(self, answer: Deferred[Any]) -> None:
        self._answer = answer

    def request(self, *_arguments: object) -> Deferred[Any]:
        return self._answer


def asking(clock: Clock, answer: Deferred[Any]) -> Deferred[Answer]:
    agent: Any = Agent(answer)
    return Deferred.fromCoroutine(send_form(clock, agent, "POST", "http://h/", {}, {}))


def refusal(asked: Deferred[Answer]) -> str:
    failures: list[Failure] = []
    asked.addErrback(failures.append)
    with pytest.raises(CallRefused) as raised:
        failures[0].raiseException()
    assert raised.value.problem.code == 11200
    return raised.value.problem.message


def test_a_server_that_does_not_answer_is_given_up_after_15_seconds(clock: Clock) -> None:
    asked = asking(clock, Deferred())
    clock.advance(14.9)
    assert not asked.called
    clock.advance(0.2)
    assert refusal(asked) == "no answer came from http://h/: nothing within 15 s"


def test_a_body_that_does_not_end_is_given_up_as_well(clock: Clock) -> None:
    response = Response()
    asked = asking(clock, succeed(response))
    clock.advance(15)
    assert "nothing within 15 s" in refusal(asked)
    response.body.connectionLost(Failure(ConnectionLost()))  # too late to matter


def test_a_connection_that_breaks_in_the_body_is_no_answer(clock: Clock) -> None:
    response = Response()
    asked = asking(clock, succeed(response))
    response.body.dataReceived(b"<Resp")
    response.body.connectionLost(Failure(ConnectionLost()))
    assert "no answer came from http://h/" in refusal(asked)
    assert not clock.getDelayedCalls()


class Refusing:
    """Refuses the first connections."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.requests = 0

    def request(self, *_arguments: object) -> Deferred[Any]:
        self.requests += 1
        return fail(ConnectError(string="refused")) if self.requests <= self.refusals else succeed(Response())


@pytest.mark.parametrize(("refusals", "is_refused"), [(1, False), (2, True)])
def test_a_connection_that_cannot_be_made_is_tried_once_more(
    clock: Clock, refusals: int, is_refused: bool
) -> None:
    agent: Any = Refusing(refusals)
    asked = Deferred.fromCoroutine(send_form(clock, agent, "POST", "http://h/", {"a": "b"}, {}))
    assert agent.requests == 2
    assert asked.called == is_refused
    if is_refused:
        assert "refused" in refusal(asked)


def test_a_request_that_was_sent_is_not_repeated(clock: Clock) -> None:
    agent: Any = Refusing(0)
    answer = Deferred[Any]()
    agent.request = lambda *_arguments: answer
    asked = Deferred.fromCoroutine(send_form(clock, agent, "POST", "http://h/", {}, {}))
    answer.errback(Failure(ConnectionLost()))
    assert "no answer came" in refusal(asked)
