"""The thread that takes the fleet's messages: one connection, subscribed to whatever is asked for now."""

import time
from collections.abc import Callable, Set
from threading import Event, Thread
from typing import Any, Final

from twisted.logger import Logger

from voicestt.fleet.commands import HUB, PAUSES, channel_prefix
from voicestt.runtime.redis_servers import Servers, redis_failures

LISTEN_SECONDS: Final = 2.0
"""Seconds without a message after which Redis is asked for a sign of life, and so many more until it is left."""


class _NoSignOfLife(OSError):
    """Redis was asked, and said nothing."""


class MessageThread:
    """Subscribes to the channels that `wanted` names, at `servers`; what it calls is called in its own thread.

    `take` is told a channel and a message, `ready` a channel whose subscription stands. It looks at `wanted`
    whenever a message comes on the channel `own`, which is always subscribed to, or every `LISTEN_SECONDS`.
    """

    _log = Logger()

    def __init__(
        self,
        servers: Servers,
        own: str,
        wanted: Callable[[], Set[str]],
        take: Callable[[str, bytes], object],
        ready: Callable[[str], object],
    ) -> None:
        self._servers = servers
        self._own = own
        self._wanted = wanted
        self._take = take
        self._ready = ready
        self._prefix = ""
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="fleet-messages", daemon=True)
        self.ended: Callable[[], object] = lambda: None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, within `LISTEN_SECONDS` or at the next message."""
        self._stopping.set()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._listen()
            except Exception as problem:  # noqa: BLE001 - without this thread nothing would be heard any more
                # The command thread says so of Redis, in lines of its own.
                if not isinstance(problem, redis_failures()):
                    self._log.failure("A mistake in the fleet's messages: some may be lost; it listens again.")
                self._servers.drop_connections()
                failures = 0 if time.monotonic() - began > PAUSES.longest else failures + 1
                self._stopping.wait(PAUSES.pause(failures))
        self._servers.close()
        self.ended()

    def _listen(self) -> None:
        """Take messages until the thread ends, or the connection.

        Raises:
            RedisError, OSError: when it is lost.
        """
        server = self._servers.of(HUB)
        self._prefix = channel_prefix(server)
        subscription = server.pubsub()
        try:
            subscribed: Set[str] = {self._own}
            subscription.subscribe(self._prefix + self._own)
            is_asked = False
            while not self._stopping.is_set():
                subscribed = self._adjust(subscription, subscribed)
                message = subscription.get_message(timeout=LISTEN_SECONDS)
                is_asked = self._is_asked(subscription, is_asked=is_asked, is_silent=message is None)
                if message is not None:
                    self._heard(message)
        finally:
            subscription.close()

    def _adjust(self, subscription: Any, subscribed: Set[str]) -> Set[str]:
        wanted = {self._own, *self._wanted()}
        if new := wanted - subscribed:
            subscription.subscribe(*[self._prefix + channel for channel in sorted(new)])
        if old := subscribed - wanted:
            subscription.unsubscribe(*[self._prefix + channel for channel in sorted(old)])
        return wanted

    @staticmethod
    def _is_asked(subscription: Any, *, is_asked: bool, is_silent: bool) -> bool:
        """Ask for a sign of life in silence; True if one is awaited."""
        if not is_silent:
            return False
        if is_asked:
            raise _NoSignOfLife("Redis was asked for a sign of life, and said nothing")
        subscription.ping()
        return True

    def _heard(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind not in {"message", "subscribe"}:
            return
        channel = message["channel"].decode().removeprefix(self._prefix)
        if kind == "message":
            self._take(channel, message["data"])
        else:
            self._ready(channel)
