"""One end of the channel between a supervisor and a worker: messages, and questions that are answered in time."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.workers.wire import BadChannelMessage, ChannelReply, Message, Messages, Question, encoded

ANSWER_SECONDS: Final = 2.0
"""Patience with one worker."""

ALL_SHARE: Final = 0.8
"""Of the patience of whoever asks all: the patience with each, so that the others' answers come in time."""


class ChannelReceiver(Protocol):
    """Whoever takes what comes on a channel, but for replies."""

    def take(self, message: Message) -> None:
        """Take a message that is no question."""
        ...

    def answer(self, what: str, seconds: float) -> object:
        """Answer a question within `seconds`, with what JSON can hold, or with a Deferred of it."""
        ...


class Channel:
    """One end: `send` writes bytes to the other, `receive` is given what came from it."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, send: Callable[[bytes], object], receiver: ChannelReceiver) -> None:
        self._clock = clock
        self._send = send
        self._receiver = receiver
        self._messages = Messages()
        self._asked: dict[int, Deferred[Any]] = {}
        self._last = 0
        self._is_open = True

    def say(self, message: Message) -> None:
        """Send a message; nothing happens where the other end is gone."""
        if self._is_open:
            self._send(encoded(message))

    def ask(self, what: str, seconds: float = ANSWER_SECONDS) -> "Deferred[Any]":
        """Ask the other end; fires with its answer, or with None where there is none in time."""
        asked: Deferred[Any] = Deferred()
        self._last += 1
        number = self._last
        self._asked[number] = asked
        asked.addTimeout(seconds, self._clock, lambda _failure, _seconds: None)
        asked.addBoth(partial(self._forget, number))
        if self._is_open:
            self.say(Question(number, what, seconds))
        else:
            asked.callback(None)
        return asked

    def receive(self, data: bytes) -> None:
        """Take bytes of the other end."""
        messages = self._messages.feed(data)
        while True:
            try:
                message = next(messages, None)
            except BadChannelMessage as problem:
                self._log.error("A message between supervisor and worker was ignored: {why}.", why=str(problem))
                messages = self._messages.feed(b"")
            else:
                if message is None:
                    return
                self._take(message)

    def close(self) -> None:
        """Note that the other end is gone: what was asked has no answer."""
        self._is_open = False
        for asked in list(self._asked.values()):
            asked.callback(None)

    def _take(self, message: Message) -> None:
        try:
            if isinstance(message, ChannelReply):
                self._replied(message)
            elif isinstance(message, Question):
                answering = maybeDeferred(self._receiver.answer, message.what, message.seconds)
                answering.addErrback(self._failed, message.what)
                answering.addCallback(lambda answer: self.say(ChannelReply(message.number, answer)))
                answering.addErrback(self._failed, message.what)
            else:
                self._receiver.take(message)
        except Exception:  # noqa: BLE001 - whatever one message does, the next is taken
            self._log.failure("A message between supervisor and worker failed; the next ones are taken.")

    def _replied(self, reply: ChannelReply) -> None:
        asked = self._asked.get(reply.number)
        if asked is not None:
            asked.callback(reply.answer)

    def _failed(self, failure: Failure, what: str) -> None:
        self._log.failure("The question {what!r} between supervisor and worker failed.", failure, what=what)

    def _forget(self, number: int, answer: object) -> object:
        self._asked.pop(number, None)
        return answer
