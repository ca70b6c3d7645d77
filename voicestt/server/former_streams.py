"""Look-up of the former stream of a call that comes back, in the journal, within a time limit.

The phone comes first: a journal that does not answer in time costs the call its past, not its present.
"""

from dataclasses import replace
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from voicestt.journal.former import FormerStream
from voicestt.journal.port import FormerStreams

SECONDS: Final = 1.0
LEFT_FREE: Final = 10
"""So many numbers of utterances are left for the last words of a former stream that has not ended."""

_FIRST_LOOK_SECONDS: Final = 0.05


class FormerLookup:
    """Asks `journal` for former streams, within SECONDS."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, journal: FormerStreams) -> None:
        self._clock = clock
        self._journal = journal

    def now(self, call_sid: str) -> "Deferred[FormerStream | None]":
        """Find the call's former stream, as it stands; None if there was none, or no answer came in time."""
        return Deferred.fromCoroutine(self._within(call_sid, self._clock.seconds() + SECONDS))

    def at_its_end(self, call_sid: str) -> "Deferred[FormerStream | None]":
        """Find the same once it has told its last words; as it stands where that takes longer.

        Then LEFT_FREE numbers are left for the utterances that are still being recognised.
        """
        return Deferred.fromCoroutine(self._at_its_end(call_sid))

    async def _at_its_end(self, call_sid: str) -> FormerStream | None:
        until, pause = self._clock.seconds() + SECONDS, _FIRST_LOOK_SECONDS
        found = await self._within(call_sid, until)
        while found is not None and not found.has_ended:
            if self._clock.seconds() + pause >= until:
                return replace(found, utterances=found.utterances + LEFT_FREE)
            await deferLater(self._clock, pause)
            found = await self._within(call_sid, until) or found
            pause *= 2  # many calls may come back at once, and the journal has other readers
        return found

    async def _within(self, call_sid: str, until: float) -> FormerStream | None:
        asked = Deferred.fromCoroutine(self._journal.former(call_sid))
        try:
            return await asked.addTimeout(max(0.001, until - self._clock.seconds()), self._clock)
        except TookTooLong:
            why = f"it did not answer within {SECONDS:g} s"
        except Exception as problem:  # noqa: BLE001 - whatever the journal has: the call begins
            why = type(problem).__name__
        self._log.warn(
            "⚠️ The call came back, and the journal does not say what it was before ({why}): it goes on as a new "
            "one, without the handler's memory. What to do: see what the log says of the journal.",
            why=why,
            log_system=call_sid,
        )
        return None
