"""A live listener: the events that wait for it, and the room in its connection."""

# ruff: noqa: N802 (camelCase is Twisted's)

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from voicestt.journal.port import Record
from voicestt.runtime.idle import Idle

MOST_EVENTS: Final = 1_000
MOST_BYTES: Final = 4_000_000
_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class Farewell:
    """The reason for a disconnection: a word for programs, the WebSocket's close code, and words for people."""

    event: str
    code: int
    words: str


TOO_SLOW: Final = Farewell(
    "overflow",
    1013,
    "You read more slowly than calls are made; connect again, after the last event that you have.",
)
STOPPING: Final = Farewell("stopping", 1001, "The server is stopping.")
EXPIRED: Final = Farewell("expired", 4001, "Your login or your token is over: get another one, and connect again.")
NO_HISTORY: Final = Farewell("unavailable", 1013, "The journal cannot be read now; connect again in a while.")


class SubscriberConnection(Protocol):
    """A listener's connection, whose methods never raise, even if it is lost."""

    def attach(self, producer: IPushProducer) -> None:
        """Register `producer`, which is told when there is no room and when there is again."""
        ...

    def send(self, records: Sequence[Record]) -> None:
        """Send events in one write, as a write costs many times what the events in it do."""
        ...

    def keep_alive(self) -> None:
        """Send something without a meaning, for proxies that cut silent connections."""
        ...

    def close(self, farewell: Farewell) -> None:
        """Close the connection, with the reason."""
        ...


@dataclass(slots=True)
class Counters:
    """The counters of all listeners: how many there are, events sent to them, and those that were too slow."""

    listeners: int = 0
    sent: int = 0
    disconnected: int = 0


@implementer(IPushProducer)
class Subscriber:
    """Passes the wanted events on to `connection`, and queues them while it has no room.

    `too_slow` is called when more wait than may.
    """

    def __init__(
        self,
        connection: SubscriberConnection,
        wants: Callable[[Record], bool],
        counters: Counters,
        too_slow: Callable[["Subscriber"], None],
    ) -> None:
        self._connection = connection
        self._wants = wants
        self._counters = counters
        self._too_slow = too_slow
        self._waiting: deque[Record] = deque()
        self._bytes = 0
        self._has_room = True
        self._stuck_since: float | None = None
        self._all_sent = Idle(lambda: not self._waiting)
        self.is_open = True

    def offer(self, records: Sequence[Record]) -> None:
        """Take new events, of which any number may be wanted; too many in the queue end the listener."""
        self.offer_page(records)
        if len(self._waiting) > MOST_EVENTS or self._bytes > MOST_BYTES:
            self._too_slow(self)

    def offer_page(self, records: Sequence[Record]) -> None:
        """Take past events, without a limit: whoever offers them waits until they are sent."""
        if self.is_open:
            wanted = [record for record in records if self._wants(record)]
            self._waiting.extend(wanted)
            self._bytes += sum(len(record.payload) for record in wanted)
            self._send()

    def stuck_for(self, now: float) -> float:
        """Return the seconds without room, counted from the first call of this method that saw it."""
        if self._has_room:
            return 0.0
        if self._stuck_since is None:
            self._stuck_since = now
        return now - self._stuck_since

    def keep_alive(self) -> None:
        """Send a keep-alive, if there is room for it."""
        if self.is_open and self._has_room:
            self._connection.keep_alive()

    def all_sent(self) -> "Deferred[None]":
        """Return a Deferred that fires when the queue is empty or the listener is gone."""
        return self._all_sent.wait()

    def close(self, farewell: Farewell) -> None:
        """Disconnect the listener; queued events are not sent."""
        if self.is_open:
            self.gone()
            self._connection.close(farewell)

    def gone(self) -> None:
        """Discard the queue, as the listener is gone."""
        self.is_open = False
        self._waiting.clear()
        self._bytes = 0
        self._all_sent.look()

    def pauseProducing(self) -> None:
        """Note that there is no room in the connection; Twisted calls it."""
        self._has_room = False

    def resumeProducing(self) -> None:
        """Note that there is room again; Twisted calls it."""
        self._has_room = True
        self._stuck_since = None
        self._send()

    def stopProducing(self) -> None:
        """Note that the connection is lost, which its owner reports; Twisted calls it."""
        self._has_room = False

    def _send(self) -> None:
        while self._waiting and self._has_room:
            records = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            self._bytes -= sum(len(record.payload) for record in records)
            self._counters.sent += len(records)
            self._connection.send(records)
        self._all_sent.look()
