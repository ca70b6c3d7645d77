"""Handling of the outcomes of delivery attempts: acknowledge, retry or give up."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final, Literal

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from voicestt.delivery.circuit_breaker import PAUSES, DeliveryCircuitBreaker
from voicestt.delivery.counts import DestinationCounts
from voicestt.delivery.delivery_log import DeliveryLog
from voicestt.delivery.dispatcher import InFlight
from voicestt.delivery.sender import Arrived, DeliveryFailed, Outcome
from voicestt.journal.port import Attempt, Outbox, Pending
from voicestt.runtime.backoff import Backoff, Chance
from voicestt.runtime.idle import Idle

FEWEST_ATTEMPTS: Final = 5
"""Fewest attempts before an event is given up: after days without power it is old at its first attempt."""

REFUSALS: Final = 5
"""Attempts after which a refused event is dead-lettered, unless `is_strict`."""

AFTER_REFUSAL: Final = Backoff(first=2.0, longest=60.0, factor=4.0, jitter=0.5)
"""Pauses after refusals, unless `is_strict`: five attempts take a minute and a half at most."""

_JOURNAL_PAUSES: Final = Backoff(first=2.0, longest=60.0)
_AT_ONCE: Final = 500
_Results = list[tuple[Pending, Outcome]]
_What = Literal["arrived", "failed", "dead-lettered"]


@dataclass(frozen=True, slots=True)
class _Note:
    what: _What
    session: str
    number: int
    why: str = ""
    attempts: tuple[Attempt, ...] = ()


class CompletionReporter:
    """Reports the outcomes of events to the journal, and repeats what it could not take: a second delivery else.

    `told` is called with the session of each event that is settled, once the journal knows.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, outbox: Outbox, destination: str, told: Callable[[str], object]
    ) -> None:
        self._clock = clock
        self._outbox = outbox
        self._destination = destination
        self._told = told
        self._notes: deque[_Note] = deque()
        self._working: Deferred[None] | None = None
        self._idle = Idle(lambda: self._working is None)

    def __len__(self) -> int:
        return len(self._notes)

    def arrived(self, pending: Pending, attempt: Attempt | None = None) -> None:
        """Report an arrived event, with its attempt if that is to be remembered."""
        self._add("arrived", pending, "", attempt)

    def failed(self, pending: Pending, why: str, attempt: Attempt) -> None:
        """Report an event that will be tried again."""
        self._add("failed", pending, why, attempt)

    def dead_lettered(self, pending: Pending, why: str, attempt: Attempt | None = None) -> None:
        """Report an event that will not be tried again."""
        self._add("dead-lettered", pending, why, attempt)

    def finished(self) -> "Deferred[None]":
        """Return a Deferred that fires when everything has been reported."""
        return self._idle.wait()

    def stop(self) -> None:
        """Stop reporting, whatever is left."""
        working, self._working = self._working, None
        self._idle.look()
        if working is not None:
            working.addErrback(lambda failure: failure.trap(CancelledError) and None)
            working.cancel()

    def _add(self, what: _What, pending: Pending, why: str, attempt: Attempt | None) -> None:
        record = pending.record
        self._notes.append(_Note(what, record.session, record.number, why, () if attempt is None else (attempt,)))
        if self._working is None:
            # Later, so that outcomes of the same turn are reported together.
            soon: Deferred[None] = deferLater(self._clock, 0)
            self._working = soon.addCallback(lambda _: Deferred.fromCoroutine(self._tell_all()))

    async def _tell_all(self) -> None:
        failures = 0
        while self._notes:
            notes = self._next()
            try:
                await self._tell(notes)
            except CancelledError:
                raise
            except Exception as problem:  # noqa: BLE001 - whatever the journal has
                await self._complain(problem, _JOURNAL_PAUSES.pause(failures))
                failures += 1
            else:
                failures = 0
                self._settle(notes)
        self._working = None
        self._idle.look()

    def _next(self) -> Sequence[_Note]:
        arrived = list(takewhile(lambda note: note.what == "arrived", self._notes))
        return arrived[:_AT_ONCE] or [self._notes[0]]

    async def _tell(self, notes: Sequence[_Note]) -> None:
        first = notes[0]
        if first.what == "arrived":
            attempts = [attempt for note in notes for attempt in note.attempts]
            await self._outbox.delivered(self._destination, [note.number for note in notes], attempts)
        elif first.what == "failed":
            await self._outbox.failed(self._destination, first.number, first.why, first.attempts)
        else:
            await self._outbox.dead_letter(self._destination, first.number, first.why, first.attempts)

    def _settle(self, notes: Sequence[_Note]) -> None:
        for note in notes:
            self._notes.popleft()
            if note.what != "failed":
                self._told(note.session)

    async def _complain(self, problem: Exception, seconds: float) -> None:
        self._log.error(
            "The journal could not be told what was delivered ({destination}: {kind}). Delivery goes on, and it "
            "is told again in {seconds:g} s; if the server stops before that, up to {count} events will be "
            "delivered twice. What to do: see the journal's own lines above.",
            destination=self._destination,
            kind=type(problem).__name__,
            count=len(self._notes),
            seconds=seconds,
        )
        await deferLater(self._clock, seconds)


class Completer:
    """Handles the outcomes of parcels, and keeps `counts` of them.

    `patience` is for how many seconds an event is tried,
    None: for ever; `now` is in seconds since 1970. `is_strict`: a refused event is tried for so long too; else it
    is dead-lettered after `REFUSALS` attempts.
    """

    def __init__(
        self,
        clock: IReactorTime,
        in_flight: InFlight,
        breaker: DeliveryCircuitBreaker,
        reporter: CompletionReporter,
        log: DeliveryLog,
        chance: Chance,
        patience: float | None = None,
        now: Callable[[], float] = time.time,
        *,
        is_strict: bool = False,
    ) -> None:
        self._clock = clock
        self._in_flight = in_flight
        self._breaker = breaker
        self._reporter = reporter
        self._say = log
        self._chance = chance
        self._patience = patience
        self._now = now
        self._is_strict = is_strict
        self._why = ""
        self.counts = DestinationCounts(clock)

    def settle(self, parcel: Sequence[Pending], outcomes: Sequence[Outcome], *, is_probe: bool) -> None:
        """Handle the outcomes of a parcel; there is one for each of its events."""
        is_whole = any(isinstance(outcome, DeliveryFailed) and outcome.is_whole for outcome in outcomes)
        for place, (session, results) in enumerate(_by_session(parcel, outcomes).items()):
            # Where nothing could be taken, the first event stands for all: the others were not tried.
            is_tried = place == 0 or not is_whole
            self._settle_lane(session, results, is_tried=is_tried, is_probe=is_probe and place == 0)
        arrived = sum(not isinstance(outcome, DeliveryFailed) for outcome in outcomes)
        if arrived:
            self.counts.arrived(arrived)
            self._works(arrived)
        elif self._breaker.is_proven:
            self._say.down(self._why)
        if not self._in_flight.held:
            self._say.nothing_held()
        self.give_up()

    def give_up(self) -> None:
        """Dead-letter all events in hand older than `patience`, if the receiver has been down for that long."""
        patience, lasts = self._patience, self._breaker.lasts(self._clock.seconds())
        if patience is None or self._breaker.is_stopped or lasts < patience:
            return
        dropped = self._in_flight.drop(self._now() - patience)
        for pending in dropped:
            self._reporter.dead_lettered(pending, self._why)
        self._gave_up(len(dropped))

    def _settle_lane(self, session: str, results: _Results, *, is_tried: bool, is_probe: bool) -> None:
        left = [(pending, outcome) for pending, outcome in results if isinstance(outcome, DeliveryFailed)]
        again = [pending for pending, _ in left]
        due = None
        if left and is_tried:
            due = self._failed(*left[0], is_probe=is_probe)
            again[:1] = stays = self._tell_failed(*left[0])
            # Those behind one that is given up do not wait for its next attempt.
            due = due if stays else None
        for pending, outcome in results:
            if not isinstance(outcome, DeliveryFailed):
                self._reporter.arrived(pending, self._arrival(pending, outcome))
        self._in_flight.came_back(session, len(results) - len(again), again, due)

    def _failed(self, pending: Pending, failure: DeliveryFailed, *, is_probe: bool) -> float | None:
        """Record a failed event, and return the time from which its lane may go again.

        None if that depends on the receiver as a whole.
        """
        now, is_first = self._clock.seconds(), pending.attempts == 0
        self._why = failure.why
        self.counts.attempt_failed(failure.why, self._now())
        if failure.is_gone:
            self._breaker.stop(now)
            self._say.gone(failure.why)
            return None
        if failure.is_refusal:
            return self._refused(pending, failure, now)
        self._breaker.failed(now, failure, pending.record.session, is_first=is_first, is_probe=is_probe)
        if failure.is_whole:
            return None
        return now + max(failure.after, PAUSES.pause(pending.attempts, self._chance))

    def _refused(self, pending: Pending, failure: DeliveryFailed, now: float) -> float:
        """Record a refusal, and return the time of the next attempt.

        The receiver answers, so it is not down, whatever it was before.
        """
        self._works(0)
        pauses = PAUSES if self._is_strict else AFTER_REFUSAL
        return now + max(failure.after, pauses.pause(pending.attempts, self._chance))

    def _arrival(self, pending: Pending, arrived: Arrived | None) -> Attempt | None:
        """Return the attempt to be stored; None for partials that arrived at once, as there are too many."""
        if arrived is None or (pending.record.type == "partial" and not pending.attempts):
            return None
        return Attempt(pending.record.number, self._now(), None, arrived.status, arrived.answer)

    def _tell_failed(self, pending: Pending, failure: DeliveryFailed) -> list[Pending]:
        tried = replace(pending, attempts=pending.attempts + 1)
        attempt = Attempt(pending.record.number, self._now(), failure.why, failure.status, failure.answer)
        is_unwanted = failure.is_refusal and not self._is_strict and tried.attempts >= REFUSALS
        if is_unwanted or self._is_given_up(tried):
            self._reporter.dead_lettered(tried, failure.why, attempt)
            if is_unwanted:
                self.counts.dead_lettered += 1
                self._say.dead_lettered(tried, failure.why)
            else:
                self._gave_up(1)
            return []
        self._reporter.failed(tried, failure.why, attempt)
        if not self._breaker.is_down:
            self._say.refused(tried, failure)
        return [tried]

    def _is_given_up(self, pending: Pending) -> bool:
        if self._patience is None or pending.attempts < FEWEST_ATTEMPTS:
            return False
        return self._now() - pending.written_at >= self._patience

    def _gave_up(self, count: int) -> None:
        if count and self._patience is not None:
            self.counts.dead_lettered += count
            self._say.expired(count, self._patience / 3600, self._why)

    def _works(self, count: int) -> None:
        if self._breaker.is_stopped:
            return
        if self._breaker.is_down:
            self._in_flight.all_due(self._clock.seconds())
        self._breaker.ended()
        self._say.works(count)


def _by_session(parcel: Sequence[Pending], outcomes: Sequence[Outcome]) -> dict[str, _Results]:
    lanes: dict[str, _Results] = {}
    for pending, outcome in zip(parcel, outcomes, strict=True):
        lanes.setdefault(pending.record.session, []).append((pending, outcome))
    return lanes
