"""The arithmetic of Google's quota in a fleet: what one process may use of it, and what Redis grants. Pure.

Each process holds leases of streams, as a number with a time to live, and uses them without asking anybody: some
more than it uses are kept at hand. It asks again every second, one request at a time:

    joined   Redis has answered within a lease: what it granted may be used, no more
    alone    it has not, or has only just come up and does not know all who hold leases: what was granted last, or
             an even share among the processes known last, whichever is more

So all that are joined use no more than the quota together. Beyond it are only the streams that a process had while
it was alone: they are never taken from a call, but no other is granted one before they are within the quota again.

A Redis that has lost its memory grants nothing new for a lease's time: until then all that hold some have said so.
"""

from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from voicestt.fleet.port import LuaScript

LEASE_SECONDS: Final = 10.0
MARGIN_SECONDS: Final = 1.0
"""A process counts its leases as gone by so much earlier than Redis does: clocks run at different speeds."""

_AT_HAND: Final = 4
_OF_THOSE_IN_USE: Final = 4

GRANT: Final = LuaScript("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local name, number = ARGV[1], tonumber(ARGV[2])
local quota, in_use, wanted = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local held, waiting, lease = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local others, others_wait, processes, since = 0, 0, 1, nil
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
    if all[at] == 'since' then
        since = tonumber(all[at + 1])
    else
        local granted, counted, expires, short = string.match(all[at + 1], '(%d+) (%d+) (%d+) (%d+)')
        if tonumber(expires) <= now then
            redis.call('HDEL', KEYS[1], all[at])
        elseif all[at] == name then
            if tonumber(counted) >= number then
                return {-1, 0, 0, 0}
            end
        else
            others, others_wait, processes = others + granted, others_wait + short, processes + 1
        end
    end
end
if since == nil then
    since = now
    redis.call('HSET', KEYS[1], 'since', now)
end
local settling = now - since < lease
local allowed = math.min(wanted, settling and held or math.max(0, quota - others))
local granted = math.max(in_use, allowed)
local short = math.max(0, waiting - (granted - in_use))
redis.call('HSET', KEYS[1], name, string.format('%d %d %.0f %d', granted, number, now + lease, short))
redis.call('PEXPIRE', KEYS[1], 86400000)
return {allowed, others_wait, processes, settling and 1 or 0}
""")
"""Grant leases to a process: its name, the request's number, the quota, the leases that it uses, wants and holds,
the calls that wait, and the lease's milliseconds.

Replies how many it may use (-1: a later request was answered already; what it uses beyond that counts all the
same), how many calls wait at others, the processes, and 1 while Redis does not know of all yet.
"""

RELEASE: Final = LuaScript("redis.call('HDEL', KEYS[1], ARGV[1])")
"""Give back all leases of a process that goes."""


class LeaseRequest(NamedTuple):
    """A request for leases, in the order of `GRANT`'s arguments."""

    number: int
    quota: int
    in_use: int
    wanted: int
    held: int
    waiting: int


class LeaseGrant(NamedTuple):
    """The reply to a request, in the order of `GRANT`'s."""

    allowed: int
    others_wait: int
    processes: int
    is_settling: int


@dataclass(slots=True)
class _Asked:
    request: LeaseRequest
    at: float


class Allotment:
    """A process's part of a `quota` of streams. Times are seconds of any clock that never goes back.

    `waiting`: the calls that wait for a stream.
    """

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self.in_use = self.waiting = 0
        self.others_wait = 0
        self.processes = 1
        self._allowed = 0
        self._good_until = -inf
        self._number = 0
        self._asked: _Asked | None = None

    def is_joined(self, now: float) -> bool:
        """Return True while Redis has answered within a lease."""
        return now < self._good_until

    def limit(self, now: float) -> int:
        """Return how many streams may be used now."""
        if self.is_joined(now):
            return self._allowed
        return max(self._allowed, self.quota // self.processes)

    def takes(self, now: float) -> bool:
        """Take one more stream, if one is left."""
        if self.in_use >= self.limit(now):
            return False
        self.in_use += 1
        return True

    def give_back(self) -> None:
        """Give a stream back."""
        self.in_use -= 1

    @property
    def wanted(self) -> int:
        """The leases that are asked for: for all calls, and some at hand unless calls wait elsewhere."""
        at_hand = min(max(_AT_HAND, self.in_use // _OF_THOSE_IN_USE), self.quota // (4 * self.processes))
        return min(self.quota, self.in_use + self.waiting + (0 if self.others_wait else at_hand))

    def ask(self, now: float) -> LeaseRequest:
        """Return the next request; what it does not ask for is not used from now on."""
        self._number += 1
        wanted = self.wanted
        self._allowed = min(self._allowed, wanted)
        held = self._allowed if self.is_joined(now) else 0
        request = LeaseRequest(self._number, self.quota, self.in_use, wanted, held, self.waiting)
        self._asked = _Asked(request, now)
        return request

    def answered(self, request: LeaseRequest, grant: LeaseGrant) -> None:
        """Take the reply to a request; that to an earlier one is too late."""
        asked, self._asked = self._asked, None
        if asked is None or asked.request != request or grant.allowed < 0:
            return
        self.others_wait, self.processes = grant.others_wait, max(1, grant.processes)
        if grant.is_settling and not request.held:
            return  # alone until Redis knows all: nothing was granted
        self._allowed = grant.allowed
        self._good_until = asked.at + LEASE_SECONDS - MARGIN_SECONDS
