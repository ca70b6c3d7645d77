"""The messages between a supervisor and its workers: a line of JSON for each message, over two pipes.

A question of a worker is for all workers, itself among them, and its answer holds theirs by their names; one of
the supervisor is for that worker. What they mean is nothing to this module, nor to the supervisor.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

LONGEST_LINE: Final = 32 * 1024 * 1024
"""A longer line ends the channel: no metrics page of ours has so many bytes."""

Order = Literal["leave", "stop", "hurry", "hang-up"]
"""An order to a worker: accept no more and stop; stop; end its calls now; what it does at SIGHUP."""


FLAG: Final = "flag"
"""The kind of news of ENABLE_STREAMING_STT, turned in one worker for all: the supervisor remembers `is_on`."""


DRAIN: Final = "drain"
"""The kind of news of a worker that was asked to drain, and means the whole server: the supervisor stops."""


class BadChannelMessage(Exception):
    """The error of a line that is no message."""


class IsReady(msgspec.Struct, frozen=True, tag="ready"):
    """The worker accepts calls."""


class Leaves(msgspec.Struct, frozen=True, tag="leaves"):
    """The worker has begun to stop, whoever told it to."""


class Told(msgspec.Struct, frozen=True, tag="told"):
    """The worker is told to do something."""

    order: Order


class HasDied(msgspec.Struct, frozen=True, tag="died"):
    """The process `pid` of a sibling has died: its calls are to be closed."""

    pid: int


class Relayed(msgspec.Struct, frozen=True, tag="relayed"):
    """News of one worker for all others, such as a call that its webhook has announced."""

    kind: str
    news: dict[str, Any]


class Question(msgspec.Struct, frozen=True, tag="question"):
    """A question, which has a number of whoever asks, and who waits for so many `seconds`."""

    number: int
    what: str
    seconds: float = 2.0


class ChannelReply(msgspec.Struct, frozen=True, tag="reply"):
    """The answer to a question."""

    number: int
    answer: Any = None


Message = IsReady | Leaves | Told | HasDied | Relayed | Question | ChannelReply

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encoded(message: Message) -> bytes:
    """Encode a message as a line."""
    return _encoder.encode(message) + b"\n"


class Messages:
    """Splits what comes on a pipe into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take more bytes and yield the messages that are whole.

        Raises:
            BadChannelMessage: where a line is none; what came before it was yielded, what follows is read next.
        """
        self._rest += data
        if len(self._rest) > LONGEST_LINE:
            self._rest.clear()
            raise BadChannelMessage("a line is too long")
        while (end := self._rest.find(b"\n")) >= 0:
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            yield _decoded(line)


def _decoded(line: bytes) -> Message:
    try:
        return _decoder.decode(line)
    except msgspec.MsgspecError as problem:
        raise BadChannelMessage(f"a line is no message: {problem}") from None
