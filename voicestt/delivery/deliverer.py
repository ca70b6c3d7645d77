"""Delivery of events from the journal to one destination, at least once and in order within a call.

The journal is read when something was written and there is room for it, and else twice a minute: what another
process left may become ours without anybody saying so. A deliverer that cannot keep up, or whose receiver is down,
delays its own events and nothing else: they wait in the journal.

A receiver that is down is asked by one request at a time, with pauses from half a second to a minute. A call whose
event failed is tried again after pauses of its own; of such calls one at a time goes, and where it fails again, at
most two a second: a receiver that refuses everything costs next to nothing, however many calls there are.
"""

import random
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.delivery.circuit_breaker import DeliveryCircuitBreaker
from voicestt.delivery.completer import Completer, CompletionReporter
from voicestt.delivery.delivery_log import DeliveryLog
from voicestt.delivery.dispatcher import Dispatcher, InFlight, Trip
from voicestt.delivery.outbox_poller import OutboxPoller
from voicestt.delivery.sender import DeliveryFailed, EventSender, Outcome
from voicestt.journal.port import Destination, Outbox, Pending
from voicestt.runtime.backoff import Chance
from voicestt.runtime.clock import Timer

READ_AT_ONCE: Final = 64
_READ_OF_EACH: Final = 8
_MOST_READ: Final = 2_000
MOST_HELD: Final = 5_000
"""Largest number of held calls. Beyond it no others are read, as the journal's query must leave out each one."""

IDLE_SECONDS: Final = 30.0
_MOST_UNTOLD: Final = 1_000
_FINISH_SECONDS: Final = 1.5
_CLOSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class DeliveryFigures:
    """The figures of a deliverer since its start.

    `waiting` are the events in memory, `in_flight` those of them that are on their way. `rate` is the number of
    arrivals a second in the last minute. `last_error` is escaped and without a secret, and `last_error_at` is in
    seconds since 1970.
    """

    delivered: int
    failed_attempts: int
    dead_lettered: int
    waiting: int
    in_flight: int
    is_down: bool
    rate: float
    last_error: str | None
    last_error_at: float | None


class Deliverer:
    """Delivers the pending events of `outbox` to `destination`, by a `sender` of its own.

    `patience` is for how many seconds an event is tried, None: for ever. `now` is in seconds since 1970.
    `is_strict`: a call waits for an event that is refused for so long, too; else it goes on after a few attempts.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        outbox: Outbox,
        destination: Destination,
        sender: EventSender,
        *,
        patience: float | None = None,
        chance: Chance = random.random,
        now: Callable[[], float] = time.time,
        is_strict: bool = False,
    ) -> None:
        name = destination.name
        self.destination = destination
        self._clock = clock
        self._sender = sender
        self._poller = OutboxPoller(clock, outbox, name, _read_at_once(sender), chance, self._found)
        self._in_flight = InFlight(self._poller.let_go)
        self._reporter = CompletionReporter(clock, outbox, name, self._told)
        self._breaker = DeliveryCircuitBreaker(chance)
        self._dispatcher = Dispatcher(
            self._in_flight, self._breaker, sender.at_once, sender.most, of_one=sender.of_one
        )
        log = DeliveryLog(sender, outbox, name)
        self._completer = Completer(
            clock, self._in_flight, self._breaker, self._reporter, log, chance, patience, now, is_strict=is_strict
        )
        self._under_way: set[Deferred[None]] = set()
        self._soon = Timer(clock)
        self._later = Timer(clock)
        self._idle = Timer(clock)
        self._is_running = False

    @property
    def figures(self) -> DeliveryFigures:
        """The current figures, for health checks and metrics."""
        counts, away = self._completer.counts, self._dispatcher.events_away
        error, at = counts.last_error or (None, None)
        return DeliveryFigures(
            delivered=counts.delivered,
            failed_attempts=counts.failed,
            dead_lettered=counts.dead_lettered,
            waiting=self._in_flight.events + away,
            in_flight=away,
            is_down=self._breaker.is_down,
            rate=counts.rate,
            last_error=error,
            last_error_at=at,
        )

    def start(self) -> None:
        """Start the delivery, beginning with the events that were left over.

        Raises:
            CannotDeliver: if it can never work as it is set up.
        """
        self._sender.start()
        self._is_running = True
        self.wake()

    def wake(self) -> None:
        """Note that there may be new events in the journal, and looks for them soon.

        It costs next to nothing.
        """
        self._poller.written()
        if self._is_running:
            self._idle.set(IDLE_SECONDS, self.wake)
            self._look_soon()

    def read_again(self) -> None:
        """Discard the events that were read and are not under way, and read the journal again.

        It is called when deliveries were changed by hand.
        """
        self._in_flight.forget()
        self._poller.forget()
        self.wake()

    async def stop(self) -> None:
        """Stop the delivery, and wait two seconds at most for what is under way.

        The rest is delivered after the next start.
        """
        self._is_running = False
        for timer in (self._soon, self._later, self._idle):
            timer.cancel()
        self._poller.stop()
        await self._for_at_most(_FINISH_SECONDS, self._finish())
        self._reporter.stop()
        await self._for_at_most(_CLOSE_SECONDS, self._sender.stop())

    async def _finish(self) -> None:
        # When time is over, this cancels all of them.
        await DeferredList(list(self._under_way))
        await self._reporter.finished()

    async def _for_at_most(self, seconds: float, work: Coroutine[Any, Any, None]) -> None:
        working = Deferred.fromCoroutine(work).addTimeout(seconds, self._clock, lambda _result, _seconds: None)
        await working.addErrback(lambda failure: failure.trap(CancelledError) and None)

    def _look_soon(self) -> None:
        if self._is_running and not self._soon.is_set:
            self._soon.set(0, self._look)

    def _look(self) -> None:
        """Send what may go now, read more events, and set a timer for what is due later."""
        if self._breaker.is_stopped:
            self._later.cancel()
            return
        now = self._clock.seconds()
        may_read = not self._breaker.is_down or self._dispatcher.may_probe(now)
        while (trip := self._dispatcher.next_trip(now)) is not None:
            self._send(trip)
        if may_read and self._poller.is_due(now):
            if self._wants_more:
                self._poller.read(self._in_flight.sessions)
            elif self._wants_current:
                self._poller.read(self._in_flight.sessions, with_left_over=False)
        dues = [due for due in (self._dispatcher.due, self._poll_due) if due is not None]
        if dues:
            self._later.set(max(0.0, min(dues) - now), self._look)
        else:
            self._later.cancel()

    @property
    def _wants_more(self) -> bool:
        return self._poller.is_wanted and self._dispatcher.wants_more and self._has_room

    @property
    def _wants_current(self) -> bool:
        return self._poller.is_current_wanted and self._dispatcher.wants_current and self._has_room

    @property
    def _has_room(self) -> bool:
        return self._in_flight.held < MOST_HELD and len(self._reporter) < _MOST_UNTOLD

    @property
    def _poll_due(self) -> float | None:
        if not (self._wants_more or self._wants_current):
            return None
        if not self._breaker.is_down:
            return self._poller.due
        # A probe that is under way or can go reads the journal anyway.
        return None if self._in_flight.can_go or self._under_way else max(self._breaker.due, self._poller.due)

    def _send(self, trip: Trip) -> None:
        going = Deferred.fromCoroutine(self._carry(trip))
        self._under_way.add(going)
        going.addBoth(self._ended, going)

    def _ended(self, result: Failure | None, going: "Deferred[None]") -> None:
        self._under_way.discard(going)
        self._look_soon()
        if result is not None:
            self._log.failure("A mistake in the delivery of events.", result)

    async def _carry(self, trip: Trip) -> None:
        count = len(trip.parcel)
        outcomes: Sequence[Outcome]
        try:
            outcomes = _of_each(await self._sender.carry([pending.record for pending in trip.parcel]), count)
        except CancelledError:
            outcomes = [DeliveryFailed("the server was stopped")] * count
        except Exception:  # noqa: BLE001 - one mistake must not end the delivery of all other events
            self._log.failure("Taking events to {place} failed by a mistake of ours.", place=self._sender.place)
            outcomes = [DeliveryFailed("a mistake of this program, see its log")] * count
        self._settle(trip, outcomes)

    def _settle(self, trip: Trip, outcomes: Sequence[Outcome]) -> None:
        has_failed = any(isinstance(outcome, DeliveryFailed) for outcome in outcomes)
        self._dispatcher.came_back(trip, self._clock.seconds(), has_failed=has_failed)
        if self._is_running or not has_failed:
            self._completer.settle(trip.parcel, outcomes, is_probe=trip.is_probe)

    def _found(self, found: list[Pending], stamp: int) -> None:
        self._in_flight.take(found, stamp)
        self._completer.give_up()
        self._look_soon()

    def _told(self, session: str) -> None:
        self._in_flight.told(session)
        self._look_soon()


def _read_at_once(sender: EventSender) -> int:
    of_each = max(_READ_OF_EACH, sender.most) if sender.of_one else _READ_OF_EACH
    return max(READ_AT_ONCE, sender.most, min(_MOST_READ, sender.at_once * of_each))


def _of_each(outcomes: Sequence[Outcome], count: int) -> Sequence[Outcome]:
    if len(outcomes) != count:
        raise RuntimeError(f"{len(outcomes)} outcomes of {count} events")
    return outcomes
