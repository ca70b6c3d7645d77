"""Dispatcher of a destination: the events in flight, those that may go to the receiver now, and when the next may.

An event that was read and is not settled is in the lane of its session, oldest event first.

    read -> fresh --parcel--> away --arrived--> until the journal knows --told--> out of hand
              ^                 |
              +----- held <-----+ failed

While a session is in hand the journal is not asked for it, so that nothing overtakes. A lane whose event failed is
held until its time comes, and the others go on. When deliveries were changed by hand all lanes are read anew.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from voicestt.delivery.circuit_breaker import ROUNDING, DeliveryCircuitBreaker
from voicestt.journal.port import Pending

AGAIN_SECONDS: Final = 0.5
"""Pause between retries of held calls, after one that failed again."""


@dataclass(slots=True, eq=False)
class _SessionQueue:
    """The lane of one session, read at `stamp`: its events in order. `is_stale`: what is away was forgotten."""

    session: str
    stamp: int
    is_current: bool
    waiting: deque[Pending] = field(default_factory=deque)
    is_away: bool = False
    is_stale: bool = False
    untold: int = 0

    @property
    def is_done(self) -> bool:
        return not (self.waiting or self.is_away or self.untold)


class InFlight:
    """Tracks the lanes of all sessions in hand, by whether their events may go now or must wait.

    `let_go` is called with the stamp of each lane that is done.
    """

    def __init__(self, let_go: Callable[[int], object]) -> None:
        self._let_go = let_go
        self._lanes: dict[str, _SessionQueue] = {}
        self._current: deque[_SessionQueue] = deque()
        self._left_over: deque[_SessionQueue] = deque()
        self._is_left_overs_turn = False
        self._held: list[tuple[float, int, _SessionQueue]] = []
        self._held_before = 0

    @property
    def sessions(self) -> Collection[str]:
        """The sessions whose events are in hand."""
        return list(self._lanes)

    @property
    def fresh(self) -> int:
        """The number of lanes that may go."""
        return len(self._current) + len(self._left_over)

    @property
    def fresh_current(self) -> int:
        """The number of lanes of current calls that may go."""
        return len(self._current)

    @property
    def held(self) -> int:
        """The number of lanes that wait for their time."""
        return len(self._held)

    @property
    def can_go(self) -> bool:
        """True if there are lanes that may go, now or when their time comes."""
        return bool(self.fresh or self._held)

    @property
    def events(self) -> int:
        """The number of events in hand that are neither away nor settled."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    @property
    def next_due(self) -> float | None:
        """The time at which the first of the held lanes may go; None if none is held."""
        return self._held[0][0] if self._held else None

    def take(self, found: Sequence[Pending], stamp: int) -> None:
        """Add events that were read, of sessions that were not in hand."""
        for pending in found:
            session = pending.record.session
            lane = self._lanes.get(session)
            if lane is None:
                lane = self._lanes[session] = _SessionQueue(session, stamp, pending.is_current)
                self._freshen(lane)
            lane.waiting.append(pending)

    def parcel(self, most: int, *, of_one: bool = False) -> list[Pending]:
        """Take the next `most` events that may go, of as many lanes as needed, sorted by number.

        They are away then. Current calls and what is left over take turns. `of_one`: all of one lane.
        """
        if of_one:
            return _send_off(self._next_lane(), most) if self.fresh else []
        parcel: list[Pending] = []
        while self.fresh and len(parcel) < most:
            share = most - len(parcel)
            if self._current and self._left_over:
                share = max(1, share // 2)
            parcel += _send_off(self._next_lane(), share)
        return sorted(parcel, key=lambda pending: pending.record.number)

    def held_parcel(self, most: int, now: float | None = None) -> list[Pending]:
        """Take at most `most` events of the held lane that is due first; with `now`, only if due by then."""
        if not self._held or (now is not None and self._held[0][0] > now + ROUNDING):
            return []
        return _send_off(heappop(self._held)[2], most)

    def came_back(
        self, session: str, arrived: int, failed: Sequence[Pending] = (), due: float | None = None
    ) -> None:
        """Record the outcome of a session's events that were away.

        `arrived` counts those that are to be told to the journal; `failed` go again before the others, and not
        before `due`, if it is given.
        """
        lane = self._lanes[session]
        lane.is_away = False
        lane.untold += arrived
        if not lane.is_stale:
            lane.waiting.extendleft(reversed(failed))
        lane.is_stale = False
        if not lane.waiting:
            self._release(lane)
        elif due is None:
            self._freshen(lane)
        else:
            self._held_before += 1
            heappush(self._held, (due, self._held_before, lane))

    def told(self, session: str) -> None:
        """Record that the journal knows the outcome of one more event of the session."""
        lane = self._lanes[session]
        lane.untold -= 1
        self._release(lane)

    def all_due(self, now: float) -> None:
        """Let all held lanes go at once."""
        self._held = sorted((min(due, now), order, lane) for due, order, lane in self._held)

    def drop(self, written_before: float) -> list[Pending]:
        """Remove and return events written before a time, but for lanes with events away.

        The journal is to be told of each.
        """
        dropped: list[Pending] = []
        for lane in self._lanes.values():
            while not lane.is_away and lane.waiting and lane.waiting[0].written_at < written_before:
                dropped.append(lane.waiting.popleft())
                lane.untold += 1
        self._current = deque(lane for lane in self._current if lane.waiting)
        self._left_over = deque(lane for lane in self._left_over if lane.waiting)
        self._held = sorted(entry for entry in self._held if entry[2].waiting)
        return dropped

    def forget(self) -> None:
        """Discard all events that wait; those under way are finished, and do not wait again if they fail."""
        self._current.clear()
        self._left_over.clear()
        self._held.clear()
        for lane in list(self._lanes.values()):
            lane.waiting.clear()
            lane.is_stale = lane.is_away
            self._release(lane)

    def _freshen(self, lane: _SessionQueue) -> None:
        (self._current if lane.is_current else self._left_over).append(lane)

    def _next_lane(self) -> _SessionQueue:
        is_left_over = bool(self._left_over) and (self._is_left_overs_turn or not self._current)
        self._is_left_overs_turn = not is_left_over
        return (self._left_over if is_left_over else self._current).popleft()

    def _release(self, lane: _SessionQueue) -> None:
        if lane.is_done:
            del self._lanes[lane.session]
            self._let_go(lane.stamp)


def _send_off(lane: _SessionQueue, most: int) -> list[Pending]:
    lane.is_away = True
    return [lane.waiting.popleft() for _ in range(min(most, len(lane.waiting)))]


@dataclass(frozen=True, slots=True, eq=False)
class Trip:
    """A parcel of events on its way to the receiver.

    `is_probe`: to a receiver that is down; `is_again`: of a call that was held.
    """

    parcel: Sequence[Pending]
    is_probe: bool = False
    is_again: bool = False


class Dispatcher:
    """Lets at most `at_once` parcels of `most` events go at a time, and one alone while the receiver is down.

    `of_one`: a parcel is of one session, and what failed goes again alone.
    """

    def __init__(
        self,
        in_flight: InFlight,
        breaker: DeliveryCircuitBreaker,
        at_once: int,
        most: int,
        *,
        of_one: bool = False,
    ) -> None:
        self._in_flight = in_flight
        self._breaker = breaker
        self._at_once = at_once
        self._most = most
        self._most_again = 1 if of_one else most
        self._of_one = of_one
        self._away: list[Trip] = []
        self._again_due = 0.0

    @property
    def events_away(self) -> int:
        """The number of events that are on their way."""
        return sum(len(trip.parcel) for trip in self._away)

    @property
    def wants_more(self) -> bool:
        """True if more lanes could go than there are."""
        return self._in_flight.fresh < (1 if self._breaker.is_down else self._at_once)

    @property
    def wants_current(self) -> bool:
        """True if more lanes of current calls could go at once, whatever else waits here."""
        return not self._breaker.is_down and self._in_flight.fresh_current < self._at_once

    def may_probe(self, now: float) -> bool:
        """Return True if the receiver is down and a probe is due."""
        return self._breaker.is_down and not self._away and self._breaker.may_probe(now)

    def next_trip(self, now: float) -> Trip | None:
        """Return the parcel to send now, or None."""
        if self._breaker.is_down:
            trip = Trip(self._probe(now), is_probe=True)
        elif len(self._away) >= self._at_once:
            return None
        else:
            # First, or a receiver that always has work would never be asked for them.
            again = self._again(now)
            trip = Trip(again or self._fresh(), is_again=bool(again))
        if not trip.parcel:
            return None
        self._away.append(trip)
        return trip

    def came_back(self, trip: Trip, now: float, *, has_failed: bool) -> None:
        """Record the end of a trip, on which an event did not arrive if `has_failed`."""
        self._away.remove(trip)
        if trip.is_again and has_failed:
            self._again_due = now + AGAIN_SECONDS

    @property
    def due(self) -> float | None:
        """The time from which more may go, without anything coming back or being read; None: never."""
        if self._breaker.is_down:
            return self._breaker.due if self._in_flight.can_go and not self._away else None
        due = self._in_flight.next_due
        if due is None or self._is_trying_again or len(self._away) >= self._at_once:
            return None
        return max(due, self._again_due)

    @property
    def _is_trying_again(self) -> bool:
        return any(trip.is_again for trip in self._away)

    def _probe(self, now: float) -> Sequence[Pending]:
        return (self._fresh() or self._in_flight.held_parcel(self._most_again)) if self.may_probe(now) else ()

    def _again(self, now: float) -> Sequence[Pending]:
        if self._is_trying_again or now < self._again_due - ROUNDING:
            return ()
        return self._in_flight.held_parcel(self._most_again, now)

    def _fresh(self) -> list[Pending]:
        return self._in_flight.parcel(self._most, of_one=self._of_one)
