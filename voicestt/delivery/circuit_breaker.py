"""Circuit breaker: decides from the outcomes of events whether a receiver as a whole is down.

One failing event proves nothing about the others: its own call is held back, and no more. Two things do prove it:
a failure that has nothing to do with the event (no connection), and three calls in a row whose events failed at
their first attempt. Then one request at a time goes out as a probe, and the first that arrives ends the outage. A
refusal (see `DeliveryFailed`) proves that the receiver works. One that says it is gone is asked no more.

    state     an event fails                     a probe fails              arrives or is refused   gone
    Closed    its call is in doubt: the third,   -                          nobody is in doubt      Stopped
              or a failure of the whole: Open
    Open      perhaps due later                  Open, due after a pause    Closed                  Stopped
    Stopped   -                                  -                          -                       -
"""

from dataclasses import dataclass, field, replace
from typing import Final

from voicestt.delivery.sender import DeliveryFailed
from voicestt.runtime.backoff import Backoff, Chance

ENOUGH_CALLS: Final = 3

ROUNDING: Final = 1e-6
"""Seconds that a timer may go off before the moment it was set for."""

PAUSES: Final = Backoff(first=0.5, longest=60.0, jitter=0.5)
"""Pauses between probes of a receiver that is down, and between attempts at an event."""


@dataclass(slots=True)
class BreakerClosed:
    """The receiver works, as far as is known.

    `in_doubt` are the calls of which an event failed at its first attempt, since one last arrived.
    """

    in_doubt: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class BreakerOpen:
    """The receiver is down since `since`, and may be probed from `due` on.

    `probes` have failed without a sign of life; `answers`: it answered the last, if only with a failure.
    """

    since: float
    due: float
    answers: bool
    probes: int = 0


@dataclass(frozen=True, slots=True)
class BreakerStopped:
    """The receiver has said that it wants no event any more; it takes none since `since`."""

    since: float


State = BreakerClosed | BreakerOpen | BreakerStopped


class DeliveryCircuitBreaker:
    """The state of a receiver, and its transitions; times are those of the clock that the caller goes by."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._state: State = BreakerClosed()

    @property
    def is_down(self) -> bool:
        """True if nothing but a probe may go."""
        return not isinstance(self._state, BreakerClosed)

    @property
    def is_proven(self) -> bool:
        """True if the receiver is down and a probe has failed, too, which is worth a line in the log."""
        return isinstance(self._state, BreakerOpen) and self._state.probes > 0

    @property
    def is_stopped(self) -> bool:
        """True if the receiver wants no event any more."""
        return isinstance(self._state, BreakerStopped)

    @property
    def due(self) -> float:
        """The time from which a probe may go; 0 if everything may."""
        match self._state:
            case BreakerOpen(due=due):
                return due
            case BreakerStopped():
                return float("inf")
            case BreakerClosed():
                return 0.0

    def may_probe(self, now: float) -> bool:
        """Return True if one event may be tried although the receiver is down."""
        return now >= self.due - ROUNDING

    def lasts(self, now: float) -> float:
        """Return the duration of the outage in seconds, 0 if there is none."""
        return 0.0 if isinstance(self._state, BreakerClosed) else now - self._state.since

    def ended(self) -> None:
        """Close the breaker, after an event has arrived or was refused; one that was stopped stays so."""
        if not isinstance(self._state, BreakerStopped):
            self._state = BreakerClosed()

    def stop(self, now: float) -> None:
        """Open the breaker for good: the receiver has said that it wants no event any more."""
        self._state = BreakerStopped(now if isinstance(self._state, BreakerClosed) else self._state.since)

    def failed(self, now: float, failed: DeliveryFailed, session: str, *, is_first: bool, is_probe: bool) -> None:
        """Record that an event of `session` did not arrive.

        `is_first`: at its first attempt.
        """
        match self._state:
            case BreakerClosed() as closed:
                if is_first:
                    closed.in_doubt.add(session)
                if failed.is_whole or len(closed.in_doubt) >= ENOUGH_CALLS:
                    due = now + max(failed.after, PAUSES.pause(0, self._chance))
                    self._state = BreakerOpen(since=now, due=due, answers=not failed.is_whole)
            case BreakerOpen() as down:
                if is_probe:
                    down = self._after_probe(down, now, answers=not failed.is_whole)
                self._state = replace(down, due=max(down.due, now + failed.after))
            case BreakerStopped():
                pass

    def _after_probe(self, down: BreakerOpen, now: float, *, answers: bool) -> BreakerOpen:
        # One that could not be reached and answers now, if only with a refusal, is starting.
        probes = 1 if answers and not down.answers else down.probes + 1
        return replace(down, probes=probes, answers=answers, due=now + PAUSES.pause(probes, self._chance))
