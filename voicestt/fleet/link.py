"""The link to the fleet by Redis, in the reactor's thread; two threads do what blocks."""

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.logger import Logger

from voicestt.config.redis_address import RedisAddress
from voicestt.fleet.commands import Command, CommandThread
from voicestt.fleet.messages import MessageThread
from voicestt.fleet.port import Action, Argument, FleetAway, LuaScript, Taker
from voicestt.runtime.histogram import Histogram
from voicestt.runtime.loop_thread import Mailbox
from voicestt.runtime.reactor import ReactorLike
from voicestt.runtime.redis_servers import Servers, open_servers

CONNECT_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 2.0


class CannotJoin(Exception):
    """The fleet cannot be joined, now or later; the text says what to do."""


def open_fleet_servers(address: RedisAddress, answer_seconds: float = ANSWER_SECONDS) -> Servers:
    """Create the clients for the fleet's Redis; they connect at their first use.

    Raises:
        CannotJoin: where the library is missing, or the address has what it does not know.
    """
    try:
        from redis import RedisError  # noqa: PLC0415 - an extra
    except ImportError:
        raise CannotJoin(
            "FLEET_REDIS_URL needs a library that is not installed: pip install '.[redis]' in voicestt's folder"
        ) from None
    try:
        return open_servers(address, CONNECT_SECONDS, answer_seconds)
    except (RedisError, ValueError, TypeError):
        # Its words may hold parts of the URL.
        raise CannotJoin(
            "FLEET_REDIS_URL has something that the library `redis` does not know: its options are those that "
            "the library documents for Redis.from_url"
        ) from None


def new_instance() -> str:
    """Return a name for this process in the fleet that no other has, nor a later one with the same pid."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(slots=True)
class LinkCounts:
    """Counts of the link since the start; `round_trip` are the seconds of its round trips."""

    done: int = 0
    failed: int = 0
    dropped: int = 0
    messages: int = 0
    round_trip: Histogram = field(default_factory=Histogram)


class RedisLink:
    """A FleetLink by the Redis at `address`, from `start` to `stop`; one that does not answer in time is left."""

    _log = Logger()

    def __init__(
        self,
        reactor: ReactorLike,
        address: RedisAddress,
        instance: str | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._answer_seconds = answer_seconds
        self._reactor = reactor
        self._address = address
        self.instance = instance or new_instance()
        self.counts = LinkCounts()
        self.reason = "it was not asked yet"
        self.first_failed: Action = lambda: None
        self._to_reactor = Mailbox(reactor.callFromThread)
        self._down_since: float | None = reactor.seconds()
        self._is_said = self._is_stopping = False
        self._watchers: list[Action] = []
        self._takers: dict[str, list[tuple[Taker, Action]]] = {}
        self._channels: frozenset[str] = frozenset()
        self._commands: CommandThread | None = None
        self._messages: MessageThread | None = None
        self._ended: list[Deferred[None]] = []

    @property
    def place(self) -> str:
        """The address in words, without a secret."""
        return self._address.place

    @property
    def is_up(self) -> bool:
        """True while Redis answers."""
        return self._down_since is None

    @property
    def away_for(self) -> float:
        """The seconds since Redis answered last; 0 while it does."""
        return 0.0 if self._down_since is None else self._reactor.seconds() - self._down_since

    def start(self) -> None:
        """Start the threads, and connect without waiting for it.

        Raises:
            CannotJoin: where that could never work.
        """
        hand = self._to_reactor.hand
        self._commands = CommandThread(
            self._address,
            open_fleet_servers(self._address, self._answer_seconds),
            lambda words: hand(partial(self._changed, words)),
            lambda seconds, count: hand(partial(self._measured, seconds, count)),
        )
        self._messages = MessageThread(
            open_fleet_servers(self._address, self._answer_seconds),
            self.instance,
            lambda: self._channels,
            lambda channel, message: hand(partial(self._heard, channel, message)),
            lambda channel: hand(partial(self._subscribed, channel)),
        )
        for thread in (self._commands, self._messages):
            ended: Deferred[None] = Deferred()
            self._ended.append(ended)
            thread.ended = partial(self._reactor.callFromThread, ended.callback, None)
            thread.start()

    async def stop(self) -> None:
        """Send what was handed over, close the connections, and end the threads."""
        self._is_stopping = True
        if self._commands is None or self._messages is None:
            return
        self._messages.stop()
        self._wake()
        self._commands.stop()
        await DeferredList(self._ended)

    def run(self, script: LuaScript, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> "Deferred[Any]":
        """Run a script; see `FleetLink`."""
        if self._commands is None or not self.is_up:
            self.counts.failed += 1
            return fail(FleetAway(f"{self.place} does not answer ({self.reason})"))
        done: Deferred[Any] = Deferred(lambda _: None)
        encoded = [_encoded(each) for each in arguments]
        command = Command(script, keys, encoded, lambda reply: self._to_reactor.hand(partial(_fire, done, reply)))
        if not self._commands.hand(command):
            self.counts.failed += 1
            return fail(FleetAway(f"{self.place} does not keep up: too much waits for it"))
        done.addErrback(self._count_failure)
        return done

    def publish(self, channel: str, message: bytes) -> None:
        """Send a message; see `FleetLink`."""
        command = Command(None, (channel,), (message,), self._published)
        if self._commands is None or not self.is_up or not self._commands.hand(command):
            self.counts.dropped += 1

    def subscribe(self, channel: str, take: Taker, ready: Action = lambda: None) -> None:
        """Take a channel's messages; see `FleetLink`."""
        takers = self._takers.setdefault(channel, [])
        takers.append((take, ready))
        if len(takers) == 1:
            self._channels_changed()
        else:
            self._reactor.callLater(0, ready)

    def unsubscribe(self, channel: str, take: Taker) -> None:
        """Take a channel's messages no more; see `FleetLink`."""
        takers = [each for each in self._takers.get(channel, ()) if each[0] != take]
        if takers:
            self._takers[channel] = takers
        elif self._takers.pop(channel, None) is not None:
            self._channels_changed()

    def watch(self, changed: Action) -> None:
        """Call `changed` after `is_up` has changed."""
        self._watchers.append(changed)

    def forget(self, changed: Action) -> None:
        """Stop calling `changed`."""
        self._watchers.remove(changed)

    # -- what the threads say

    def _changed(self, problem: str) -> None:
        was_up = self.is_up
        if problem:
            self.reason = problem
            self.first_failed()
            if was_up:
                self._down_since = self._reactor.seconds()
            self._say_away()
        else:
            self._say_back()
            self._down_since = None
        if self.is_up != was_up:
            for changed in list(self._watchers):
                self._guarded(changed)

    def _say_away(self) -> None:
        if self._is_said or self._is_stopping:
            return
        self._is_said = True
        self._log.warn(
            "⚠️ {place}, which joins this process to the fleet, does not answer ({reason}). The process goes on "
            "alone: calls are taken and recognised, and it catches up by itself when Redis is back; until then "
            "the fleet's flag stays as it was, and others know nothing of its calls. What to do: look at Redis, "
            "and whether FLEET_REDIS_URL is still right.",
            place=self.place,
            reason=self.reason,
        )

    def _say_back(self) -> None:
        if self._is_said:
            self._log.info(
                "{place} answers after {away:.1f} s: this process is in the fleet again",
                place=self.place,
                away=self.away_for,
            )
        self._is_said = False

    def _measured(self, seconds: float, count: int) -> None:
        self.counts.done += count
        self.counts.round_trip.record(seconds)

    def _heard(self, channel: str, message: bytes) -> None:
        self.counts.messages += 1
        for take, _ in list(self._takers.get(channel, ())):
            self._guarded(partial(take, message))

    def _subscribed(self, channel: str) -> None:
        for _, ready in list(self._takers.get(channel, ())):
            self._guarded(ready)

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception:  # noqa: BLE001 - one reader's mistake must not silence the others
            self._log.failure("News of the fleet could not be used; others go on.")

    def _channels_changed(self) -> None:
        self._channels = frozenset(self._takers)
        self._wake()

    def _wake(self) -> None:
        """Have the other thread look at the channels: a message of its own interrupts its wait."""
        if self._commands is not None and self.is_up:
            self._commands.hand(Command(None, (self.instance,), (b"",), lambda _reply: None))

    def _published(self, reply: Any) -> None:
        if isinstance(reply, Exception):
            self._to_reactor.hand(self._count_dropped)

    def _count_dropped(self) -> None:
        self.counts.dropped += 1

    def _count_failure(self, failure: Any) -> Any:
        self.counts.failed += 1
        return failure


def _encoded(argument: Argument) -> Argument:
    """Encode a text, whatever a stranger has put into it."""
    return argument.encode("utf-8", "backslashreplace") if isinstance(argument, str) else argument


def _fire(done: "Deferred[Any]", reply: Any) -> None:
    if done.called:  # cancelled: nobody waits for it
        return
    if isinstance(reply, Exception):
        done.errback(reply)
    else:
        done.callback(reply)
