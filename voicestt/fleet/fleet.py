"""The fleet, as one process has it: the link, its membership, and its leases of Google's streams."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from voicestt.config.redis_address import redis_address
from voicestt.fleet.flag import FlagOrder
from voicestt.fleet.link import LinkCounts, RedisLink
from voicestt.fleet.membership import Membership
from voicestt.fleet.port import FleetLink, NoFleet
from voicestt.fleet.stream_leases import StreamLeases
from voicestt.runtime.deadline import within
from voicestt.runtime.reactor import ReactorLike

FIRST_ANSWER_SECONDS: Final = 2.0
"""So long a start waits for the fleet's flag: it wins over this process's environment."""

DRAIN: Final = b"drain "


@dataclass(frozen=True, slots=True)
class FleetParts:
    """The part of a process in its fleet: it says how it is, follows the flag, and drains for whoever asks."""

    describe: Callable[[], Mapping[str, object]]
    ordered: Callable[[FlagOrder], object]
    back: Callable[[], object]
    drain: Callable[[str], object]


class Fleet:
    """The fleet at the Redis `url` (None: there is none), and the quota of `streams` (None: any number)."""

    _log = Logger()

    def __init__(self, reactor: ReactorLike, url: str | None, streams: int | None, parts: FleetParts) -> None:
        self._reactor = reactor
        self._parts = parts
        self._redis = None if url is None else RedisLink(reactor, redis_address(url))
        self.link: FleetLink = self._redis or NoFleet()
        self.leases = None if streams is None else StreamLeases(reactor, streams, self.link)
        self._membership = Membership(reactor, self.link, parts.describe, parts.ordered)

    @property
    def redis(self) -> RedisLink | None:
        """The link, where there is a fleet."""
        return self._redis

    @property
    def counts(self) -> LinkCounts | None:
        """Counts of the link; None where there is no fleet."""
        return None if self._redis is None else self._redis.counts

    @property
    def processes(self) -> int:
        """The processes of the fleet as Redis last said, this one among them; 0 where it never did."""
        return self._membership.processes

    @property
    def order(self) -> FlagOrder | None:
        """The last order about the flag that is known."""
        return self._membership.order

    async def start(self) -> None:
        """Join the fleet; return when its flag is known, or Redis does not answer.

        Raises:
            CannotJoin: where that could never work.
        """
        if self._redis is not None:
            self._redis.start()
            self._redis.watch(self._link_changed)
            self._redis.subscribe(drain_channel(self._redis.instance), self._told)
            known: Deferred[None] = Deferred()

            def is_known() -> None:
                if not known.called:
                    known.callback(None)

            self._membership.once_joined(is_known)
            self._redis.first_failed = is_known
            self._membership.start()
            if self.leases is not None:
                self.leases.start()
            await within(self._reactor, FIRST_ANSWER_SECONDS, known)

    async def stop(self, seconds: float) -> None:
        """Leave the fleet, within `seconds`."""
        if self.leases is not None:
            self.leases.stop()
        if self._redis is not None:
            self._membership.stop()
            await within(self._reactor, seconds, self._redis.stop())

    def _link_changed(self) -> None:
        if self.link.is_up:
            self._parts.back()

    def _told(self, message: bytes) -> None:
        if message.startswith(DRAIN):
            by = message.removeprefix(DRAIN).decode("utf-8", "replace")[:80]
            self._log.info("voicestt fleet drain, by {by}: {outcome}", by=by, outcome=self._parts.drain(by))


def drain_channel(instance: str) -> str:
    """Return the channel on which a process is told to drain."""
    return f"to:{instance}"
