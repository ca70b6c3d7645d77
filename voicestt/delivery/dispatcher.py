"""Dispatcher of parcels: decides which may go to the receiver now, and when the next may."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from voicestt.delivery.circuit_breaker import DeliveryCircuitBreaker
from voicestt.delivery.in_flight import ROUNDING, InFlight
from voicestt.journal.port import Pending

AGAIN_SECONDS: Final = 0.5
"""Pause between retries of held calls, after one that failed again."""


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
        """True if the receiver is down and a probe is due."""
        return self._breaker.is_down and not self._away and self._breaker.may_probe(now)

    def next_trip(self, now: float) -> Trip | None:
        """Returns the parcel to send now, or None."""
        if self._breaker.is_down:
            trip = self._probe() if self.may_probe(now) else None
        elif len(self._away) < self._at_once:
            # First, or a receiver that always has work would never be asked for them.
            trip = self._again(now) or self._fresh()
        else:
            trip = None
        if trip is not None:
            self._away.append(trip)
        return trip

    def came_back(self, trip: Trip, now: float, *, has_failed: bool) -> None:
        """Records the end of a trip.

        `has_failed`: an event of it did not arrive.
        """
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

    def _probe(self) -> Trip | None:
        parcel = self._next_parcel() or self._in_flight.held_parcel(self._most_again)
        return Trip(parcel, is_probe=True) if parcel else None

    def _again(self, now: float) -> Trip | None:
        if self._is_trying_again or now < self._again_due - ROUNDING:
            return None
        parcel = self._in_flight.held_parcel(self._most_again, now)
        return Trip(parcel, is_again=True) if parcel else None

    def _fresh(self) -> Trip | None:
        parcel = self._next_parcel()
        return Trip(parcel) if parcel else None

    def _next_parcel(self) -> list[Pending]:
        return self._in_flight.parcel(self._most, of_one=self._of_one)
