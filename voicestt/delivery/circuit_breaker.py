"""Circuit breaker: decides from the outcomes of events whether a receiver as a whole is down.

One failing event proves nothing about the others: its own call is held back, and no more. Two things do prove it:
a failure that has nothing to do with the event (no connection), and three calls in a row whose events failed at
their first attempt. Then one request at a time goes out as a probe, and the first that arrives ends the outage. A
refusal (see `DeliveryFailed`) proves that the receiver works. One that says it is gone is asked no more.
"""

from typing import Final

from voicestt.delivery.backoff import Chance, pause
from voicestt.delivery.in_flight import ROUNDING
from voicestt.delivery.sender import DeliveryFailed

ENOUGH_CALLS: Final = 3


class DeliveryCircuitBreaker:
    """The state of a receiver: up or down.

    `is_down` is set at once; `is_proven` when a probe has failed too, which is worth a line in the log.
    """

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._in_doubt: set[str] = set()
        self._probes = 0
        self._since = 0.0
        self._answers = False
        self.is_down = False
        self.is_stopped = False
        self.due = 0.0

    @property
    def is_proven(self) -> bool:
        """True if the receiver is down and a probe has failed, too."""
        return self.is_down and self._probes > 0

    def may_probe(self, now: float) -> bool:
        """True if one event may be tried although the receiver is down."""
        return now >= self.due - ROUNDING

    def lasts(self, now: float) -> float:
        """The duration of the outage in seconds, 0 if there is none."""
        return now - self._since if self.is_down else 0.0

    def ended(self) -> None:
        """Ends the outage, after an event has arrived or was refused.

        A breaker that was stopped stays so.
        """
        if self.is_stopped:
            return
        self._in_doubt.clear()
        self._probes = 0
        self.is_down = False

    def stop(self, now: float) -> None:
        """Opens the breaker for good: the receiver has said that it wants no event any more."""
        if not self.is_down:
            self._since = now
        self.is_down = self.is_stopped = True

    def failed(self, now: float, failed: DeliveryFailed, session: str, *, is_first: bool, is_probe: bool) -> None:
        """Records that an event of `session` did not arrive.

        `is_first`: at its first attempt.
        """
        if self.is_down:
            self._still_down(now, failed, is_probe=is_probe)
            return
        if is_first:
            self._in_doubt.add(session)
        if failed.is_whole or len(self._in_doubt) >= ENOUGH_CALLS:
            self.is_down = True
            self._since = now
            self._answers = not failed.is_whole
            self.due = now + max(failed.after, pause(0, self._chance))

    def _still_down(self, now: float, failed: DeliveryFailed, *, is_probe: bool) -> None:
        if is_probe:
            answers = not failed.is_whole
            # One that could not be reached and answers now, if only with a refusal, is starting.
            self._probes = 1 if answers and not self._answers else self._probes + 1
            self._answers = answers
            self.due = now + pause(self._probes, self._chance)
        self.due = max(self.due, now + failed.after)
