from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from tests.conftest import Logged
from voicestt.workers.channel import ANSWER_SECONDS, Channel
from voicestt.workers.wire import (
    BadChannelMessage,
    ChannelReply,
    HasDied,
    IsReady,
    Leaves,
    Message,
    Messages,
    Question,
    Relayed,
    Told,
    encoded,
)

texts = st.text(max_size=30)
MESSAGES = st.one_of(
    st.just(IsReady()),
    st.just(Leaves()),
    st.sampled_from([Told("leave"), Told("stop"), Told("hurry"), Told("hang-up")]),
    st.integers(0, 2**22).map(HasDied),
    st.builds(Relayed, texts, st.dictionaries(texts, texts | st.none() | st.booleans(), max_size=3)),
    st.builds(Question, st.integers(0, 2**40), texts),
    st.builds(
        ChannelReply,
        st.integers(0, 2**40),
        st.lists(texts, max_size=3),
    ),
)


@given(st.lists(MESSAGES, max_size=8), st.integers(1, 50))
def test_messages_come_as_they_were_said_however_the_pipe_cuts_them(said: list[Message], size: int) -> None:
    data = b"".join(map(encoded, said))
    messages = Messages()
    heard = [each for at in range(0, len(data), size) for each in messages.feed(data[at : at + size])]
    assert heard == said


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_bad_lines_are_told_and_the_next_is_read(lines: list[bytes]) -> None:
    messages = Messages()
    for line in lines:
        try:
            list(messages.feed(line.replace(b"\n", b"") + b"\n"))
        except BadChannelMessage:
            continue
    assert list(messages.feed(encoded(IsReady()))) == [IsReady()]


class End:
    """One end of a channel in memory."""

    def __init__(self, answer: Callable[[str], object] = str.upper) -> None:
        self.taken: list[Message] = []
        self._answer = answer

    def answer(self, what: str, _seconds: float) -> object:
        return self._answer(what)

    def take(self, message: Message) -> None:
        self.taken.append(message)


class Pair:
    """Two ends, joined."""

    def __init__(self, answer: Callable[[str], object] = str.upper) -> None:
        self.clock: Any = Clock()
        self.left, self.right = End(), End(answer)
        self.here = Channel(self.clock, self._to_there, self.left)
        self.there = Channel(self.clock, self.here.receive, self.right)

    def _to_there(self, data: bytes) -> None:
        self.there.receive(data)


def test_a_question_is_answered() -> None:
    pair = Pair()
    found: list[object] = []
    pair.here.ask("health").addCallback(found.append)
    assert found == ["HEALTH"]
    assert pair.clock.getDelayedCalls() == []


def test_an_answer_may_take_its_time() -> None:
    later: Deferred[object] = Deferred()
    pair = Pair(lambda _what: later)
    found: list[object] = []
    pair.here.ask("health").addCallback(found.append)
    assert found == []
    later.callback({"status": "ok"})
    assert found == [{"status": "ok"}]


def test_who_does_not_answer_in_time_has_said_nothing() -> None:
    never: Deferred[object] = Deferred()
    pair = Pair(lambda _what: never)
    found: list[object] = []
    pair.here.ask("health").addCallback(found.append)
    pair.clock.advance(ANSWER_SECONDS)
    assert found == [None]
    never.callback("too late")
    assert found == [None]


@pytest.mark.parametrize("is_asked_before", [True, False])
def test_who_is_gone_has_said_nothing(*, is_asked_before: bool) -> None:
    pair = Pair(lambda _what: Deferred())
    found: list[object] = []
    if is_asked_before:
        pair.here.ask("health").addCallback(found.append)
    pair.here.close()
    if not is_asked_before:
        pair.here.ask("health").addCallback(found.append)
    assert found == [None]
    pair.here.say(IsReady())
    assert pair.right.taken == []


def test_an_answer_that_fails_is_logged_and_said_to_be_none(logged: Logged) -> None:
    def fail(_what: str) -> object:
        raise ZeroDivisionError

    pair = Pair(fail)
    found: list[object] = []
    pair.here.ask("health").addCallback(found.append)
    assert found == [None]
    assert logged.flush(ZeroDivisionError)


def test_what_is_no_message_is_logged_and_the_next_is_taken(logged: Logged) -> None:
    pair = Pair()
    pair.there.receive(b"nonsense\n" + encoded(Told("stop")) + b"[]\n" + encoded(HasDied(5)))
    assert pair.right.taken == [Told("stop"), HasDied(5)]
    assert len(logged.matching("was ignored")) == 2


def test_answers_of_success_and_of_values_are_the_same() -> None:
    pair = Pair(succeed)
    found: list[object] = []
    pair.here.ask("x").addCallback(found.append)
    assert found == ["x"]
