"""Membership: each process says once a second that it is there and how it is, and hears the fleet's flag."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from twisted.logger import Logger

from voicestt.fleet.flag import FLAG_CHANNEL, FLAG_KEY, FlagOrder, order_of
from voicestt.fleet.port import Argument, FleetAway, FleetLink, LuaScript, fleet_key
from voicestt.runtime.clock import Clock, Timer

BEAT_SECONDS: Final = 1.0
SILENT_SECONDS: Final = 5.0
"""A process that said nothing for so long is shown as silent."""

FORGOTTEN_SECONDS: Final = 30.0
MEMBERS_KEY: Final = fleet_key("members")
ALIVE_KEY: Final = fleet_key("alive")

BEAT: Final = LuaScript("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[3])) do
    redis.call('ZREM', KEYS[2], gone)
    redis.call('HDEL', KEYS[1], gone)
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
if tonumber(redis.call('HGET', KEYS[3], 'number') or 0) < tonumber(ARGV[4]) then
    redis.call('HSET', KEYS[3], 'number', ARGV[4], 'state', ARGV[5], 'by', ARGV[6], 'at', ARGV[7])
end
return {redis.call('ZCARD', KEYS[2]), redis.call('HMGET', KEYS[3], 'number', 'state', 'by', 'at')}
""")
"""Say that a process is there: its name, how it is (JSON), after how many ms of silence it is forgotten, and
the order about the flag that it knows, or 0: a Redis that has lost its memory is told.

Replies how many there are, and the fleet's flag as `order_of` reads it.
"""

LEAVE: Final = LuaScript("redis.call('ZREM', KEYS[2], ARGV[1]) redis.call('HDEL', KEYS[1], ARGV[1])")

LIST: Final = LuaScript("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    found[#found + 1] = {name, tostring(now - redis.call('ZSCORE', KEYS[2], name)),
                         redis.call('HGET', KEYS[1], name)}
end
return found
""")
"""Reply all processes: name, the ms since each spoke, and how it is."""


@dataclass(frozen=True, slots=True)
class Member:
    """A process of the fleet as it last said, `seen` seconds ago.

    `about` is what `voicestt fleet --json` shows.
    """

    instance: str
    seen: float
    about: Mapping[str, Any]

    @property
    def host(self) -> str:
        """The name of its machine."""
        return self.instance.rpartition(":")[0].rpartition(":")[0]

    @property
    def pid(self) -> int:
        """Its process id there."""
        return int(self.instance.split(":")[-2])

    @property
    def json(self) -> dict[str, Any]:
        """The member as `voicestt fleet --json` and the page show it."""
        return {"host": self.host, "pid": self.pid, "seen": round(self.seen, 1), **self.about}

    @property
    def is_silent(self) -> bool:
        """True if it should have said something meanwhile."""
        return self.seen >= SILENT_SECONDS


def members_of(reply: Iterable[Sequence[Any]]) -> list[Member]:
    """Read the members as `LIST` replies them, sorted by their names."""
    found = []
    for name, seen, about in reply:
        if about is not None:
            found.append(Member(name.decode(), float(seen) / 1000, json.loads(about)))
    return sorted(found, key=lambda member: member.instance)


class Membership:
    """Says that this process is there, once a second, and tells `ordered` each new order about the flag.

    `describe` gives how it is, as values of JSON.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        link: FleetLink,
        describe: Callable[[], Mapping[str, object]],
        ordered: Callable[[FlagOrder], object],
    ) -> None:
        self._link = link
        self._describe = describe
        self._ordered = ordered
        self._timer = Timer(clock)
        self._is_beating = self._is_due = self._is_stopped = False
        self._first: list[Callable[[], object]] = []
        self.order: FlagOrder | None = None
        self.processes = 0

    def start(self) -> None:
        """Start to say so, now and whenever the link is back or the flag was turned."""
        self._link.watch(self._link_changed)
        self._link.subscribe(FLAG_CHANNEL, lambda _message: self._beat(), self._beat)
        self._beat()

    def once_joined(self, joined: Callable[[], object]) -> None:
        """Call `joined` after the first answer."""
        self._first.append(joined)

    def stop(self) -> None:
        """Say that this process goes."""
        self._is_stopped = True
        self._timer.cancel()
        if self._link.is_up:
            left = self._link.run(LEAVE, [MEMBERS_KEY, ALIVE_KEY], [self._link.instance])
            left.addErrback(lambda failure: failure.trap(FleetAway))

    def _link_changed(self) -> None:
        if self._link.is_up:
            self._beat()

    def _beat(self) -> None:
        """Say so now, or again after what is on its way: what was just turned must be heard."""
        self._is_due = self._is_beating
        if self._is_beating or self._is_stopped:
            return
        self._timer.set(BEAT_SECONDS, self._beat)
        if not self._link.is_up:
            return
        self._is_beating = True
        about = json.dumps(self._describe(), ensure_ascii=False)
        known = (0, "", "", 0) if self.order is None else self.order.fields
        arguments: list[Argument] = [self._link.instance, about, int(FORGOTTEN_SECONDS * 1000), *known]
        beat = self._link.run(BEAT, [MEMBERS_KEY, ALIVE_KEY, FLAG_KEY], arguments)
        beat.addCallback(self._heard)
        beat.addErrback(lambda failure: failure.trap(FleetAway))
        beat.addErrback(partial(self._log.failure, "A mistake in the membership of the fleet."))
        beat.addCallback(self._over)

    def _heard(self, reply: Any) -> None:
        self.processes, order = reply[0], order_of(reply[1])
        if order is not None and (self.order is None or order.number > self.order.number):
            self.order = order
            self._ordered(order)
            self._is_due = True  # the others see that it was followed
        first, self._first = self._first, []
        for joined in first:
            joined()

    def _over(self, _outcome: object) -> None:
        self._is_beating = False
        if self._is_due:
            self._beat()
