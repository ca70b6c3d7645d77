"""Reports of outcomes to the journal, in order and as fast as it takes them, while delivery goes on."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, Literal

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger

from voicestt.delivery.backoff import MOST_SECONDS
from voicestt.journal.port import Attempt, Outbox, Pending

_AT_ONCE: Final = 500
_What = Literal["arrived", "failed", "dead-lettered"]


@dataclass(frozen=True, slots=True)
class _Note:
    what: _What
    session: str
    number: int
    why: str = ""
    attempts: tuple[Attempt, ...] = ()


class CompletionReporter:
    """Reports the outcomes of events to the journal, and repeats what it could not take.

    `told` is called with the session of each event that is settled, once the journal knows. An outcome that the
    journal was not told would mean a second delivery.
    """

    _log = Logger()

    def __init__(self, clock: Any, outbox: Outbox, destination: str, told: Callable[[str], object]) -> None:
        self._clock = clock
        self._outbox = outbox
        self._destination = destination
        self._told = told
        self._notes: deque[_Note] = deque()
        self._working: Deferred[None] | None = None

    def __len__(self) -> int:
        return len(self._notes)

    def arrived(self, pending: Pending, attempt: Attempt | None = None) -> None:
        """Reports an arrived event, with its attempt if that is to be remembered."""
        self._add("arrived", pending, "", attempt)

    def failed(self, pending: Pending, why: str, attempt: Attempt) -> None:
        """Reports an event that will be tried again."""
        self._add("failed", pending, why, attempt)

    def dead_lettered(self, pending: Pending, why: str, attempt: Attempt | None = None) -> None:
        """Reports an event that will not be tried again."""
        self._add("dead-lettered", pending, why, attempt)

    def finished(self) -> "Deferred[None]":
        """Returns a Deferred that fires when everything has been reported."""
        return self._working or succeed(None)

    def stop(self) -> None:
        """Stops reporting, whatever is left."""
        working, self._working = self._working, None
        if working is not None:
            working.addErrback(lambda failure: failure.trap(CancelledError) and None)
            working.cancel()

    def _add(self, what: _What, pending: Pending, why: str, attempt: Attempt | None) -> None:
        record = pending.record
        self._notes.append(_Note(what, record.session, record.number, why, () if attempt is None else (attempt,)))
        if self._working is None:
            # Later, so that outcomes of the same turn are reported together.
            self._working = deferLater(self._clock, 0).addCallback(self._start)

    def _start(self, _: object) -> "Deferred[None]":
        return Deferred.fromCoroutine(self._tell_all())

    async def _tell_all(self) -> None:
        failures = 0
        while self._notes:
            notes = self._next()
            try:
                await self._tell(notes)
            except CancelledError:
                raise
            except Exception as problem:  # noqa: BLE001 - whatever the journal has
                failures += 1
                await self._complain(problem, min(MOST_SECONDS, 2.0 ** min(failures, 6)))
            else:
                failures = 0
                self._settle(notes)
        self._working = None

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
