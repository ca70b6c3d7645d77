"""Handling of the outcomes of delivery attempts: acknowledge, retry or give up."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from voicestt.delivery.backoff import Chance, pause, pause_after_refusal
from voicestt.delivery.circuit_breaker import DeliveryCircuitBreaker
from voicestt.delivery.delivery_log import DeliveryLog
from voicestt.delivery.in_flight import InFlight
from voicestt.delivery.rate import Rate
from voicestt.delivery.sender import Arrived, DeliveryFailed, Outcome
from voicestt.delivery.telling import CompletionReporter
from voicestt.journal.port import Attempt, Pending
from voicestt.runtime.clock import Clock
from voicestt.runtime.escaping import escaped

FEWEST_ATTEMPTS: Final = 5
"""Fewest attempts before an event is given up: after days without power it is old at its first attempt."""

REFUSALS: Final = 5
"""Attempts after which a refused event is dead-lettered, unless `is_strict`."""

_LONGEST_ERROR: Final = 200
_Results = list[tuple[Pending, Outcome]]


class Completer:
    """Handles the outcomes of parcels, and counts them.

    `last_error` is the last failure, in words, and its time. `patience` is for how many seconds an event is tried,
    None: for ever; `now` is in seconds since 1970. `is_strict`: a refused event is tried for so long too; else it
    is dead-lettered after `REFUSALS` attempts.
    """

    def __init__(
        self,
        clock: Clock,
        hand: InFlight,
        outage: DeliveryCircuitBreaker,
        telling: CompletionReporter,
        log: DeliveryLog,
        chance: Chance,
        patience: float | None = None,
        now: Callable[[], float] = time.time,
        *,
        is_strict: bool = False,
    ) -> None:
        self._clock = clock
        self._hand = hand
        self._outage = outage
        self._telling = telling
        self._say = log
        self._chance = chance
        self._patience = patience
        self._now = now
        self._is_strict = is_strict
        self._why = ""
        self._rate = Rate()
        self.last_error: tuple[str, float] | None = None
        self.delivered = 0
        self.failed = 0
        self.dead_lettered = 0

    def settle(self, parcel: Sequence[Pending], outcomes: Sequence[Outcome], *, is_probe: bool) -> None:
        """Handles the outcomes of a parcel; there is one for each of its events."""
        lanes = _by_session(parcel, outcomes)
        is_whole = any(isinstance(outcome, DeliveryFailed) and outcome.is_whole for outcome in outcomes)
        for place, (session, results) in enumerate(lanes.items()):
            # Where nothing could be taken, the first event stands for all: the others were not tried.
            is_tried = place == 0 or not is_whole
            self._settle_lane(session, results, is_tried=is_tried, is_probe=is_probe and place == 0)
        arrived = sum(not isinstance(outcome, DeliveryFailed) for outcome in outcomes)
        if arrived:
            self._arrived(arrived)
        elif self._outage.is_proven and not self._outage.is_stopped:
            self._say.down(self._why)
        if not self._hand.held:
            self._say.nothing_held()
        self.give_up()

    def give_up(self) -> None:
        """Dead-letters all events in hand older than `patience`, if the receiver has been down for that long."""
        if self._patience is None or self._outage.is_stopped:
            return
        if self._outage.lasts(self._clock.seconds()) < self._patience:
            return
        dropped = self._hand.drop(self._now() - self._patience)
        for pending in dropped:
            self._telling.dead_lettered(pending, self._why)
        self._gave_up(len(dropped))

    def _settle_lane(self, session: str, results: _Results, *, is_tried: bool, is_probe: bool) -> None:
        left = [(pending, outcome) for pending, outcome in results if isinstance(outcome, DeliveryFailed)]
        again = [pending for pending, _ in left]
        due = None
        if left and is_tried:
            first, failure = left[0]
            due = self._failed(first, failure, is_probe=is_probe)
            stays = self._tell_failed(first, failure)
            again[:1] = stays
            # Those behind one that is given up do not wait for its next attempt.
            due = due if stays else None
        for pending, outcome in results:
            if not isinstance(outcome, DeliveryFailed):
                self._telling.arrived(pending, self._arrival(pending, outcome))
        self._hand.came_back(session, len(results) - len(again), again, due)

    def _failed(self, pending: Pending, failure: DeliveryFailed, *, is_probe: bool) -> float | None:
        """Records a failed event, and returns the time from which its lane may go again.

        None if that depends on the receiver as a whole.
        """
        now = self._clock.seconds()
        self.failed += 1
        self._why = failure.why
        self.last_error = (escaped(failure.why, _LONGEST_ERROR), self._now())
        is_first = pending.attempts == 0
        if failure.is_gone:
            self._outage.stop(now)
            self._say.gone(failure.why)
            return None
        if failure.is_refusal:
            return self._refused(pending, failure, now)
        self._outage.failed(now, failure, pending.record.session, is_first=is_first, is_probe=is_probe)
        if failure.is_whole:
            return None
        return now + max(failure.after, pause(pending.attempts, self._chance))

    def _refused(self, pending: Pending, failure: DeliveryFailed, now: float) -> float:
        """Records a refusal, and returns the time of the next attempt.

        The receiver answers, so it is not down, whatever it was before.
        """
        self._works(0)
        if self._is_strict:
            return now + max(failure.after, pause(pending.attempts, self._chance))
        return now + max(failure.after, pause_after_refusal(pending.attempts, self._chance))

    def _arrival(self, pending: Pending, arrived: Arrived | None) -> Attempt | None:
        """Returns the attempt to be stored; None for partials that arrived at once, as there are too many."""
        if arrived is None or (pending.record.type == "partial" and not pending.attempts):
            return None
        return Attempt(pending.record.number, self._now(), None, arrived.status, arrived.answer)

    def _tell_failed(self, pending: Pending, failure: DeliveryFailed) -> list[Pending]:
        tried = replace(pending, attempts=pending.attempts + 1)
        attempt = Attempt(pending.record.number, self._now(), failure.why, failure.status, failure.answer)
        if failure.is_refusal and not self._is_strict and tried.attempts >= REFUSALS:
            self._telling.dead_lettered(tried, failure.why, attempt)
            self.dead_lettered += 1
            self._say.dead_lettered(tried, failure.why)
            return []
        if self._is_given_up(tried):
            self._telling.dead_lettered(tried, failure.why, attempt)
            self._gave_up(1)
            return []
        self._telling.failed(tried, failure.why, attempt)
        if not self._outage.is_down:
            self._say.refused(tried, failure)
        return [tried]

    def _is_given_up(self, pending: Pending) -> bool:
        if self._patience is None or pending.attempts < FEWEST_ATTEMPTS:
            return False
        return self._now() - pending.written_at >= self._patience

    def _gave_up(self, count: int) -> None:
        if count and self._patience is not None:
            self.dead_lettered += count
            self._say.expired(count, self._patience / 3600, self._why)

    @property
    def rate(self) -> float:
        """The number of events a second that arrived in the last minute."""
        return self._rate.per_second(self._clock.seconds())

    def _arrived(self, count: int) -> None:
        self.delivered += count
        self._rate.add(count, self._clock.seconds())
        self._works(count)

    def _works(self, count: int) -> None:
        if self._outage.is_stopped:
            return
        if self._outage.is_down:
            self._hand.all_due(self._clock.seconds())
        self._outage.ended()
        self._say.works(count)


def _by_session(parcel: Sequence[Pending], outcomes: Sequence[Outcome]) -> dict[str, _Results]:
    lanes: dict[str, _Results] = {}
    for pending, outcome in zip(parcel, outcomes, strict=True):
        lanes.setdefault(pending.record.session, []).append((pending, outcome))
    return lanes
