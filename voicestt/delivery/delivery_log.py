"""Log messages about a destination, each once for each thing that a person should know."""

from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from voicestt.delivery.sender import DeliveryFailed, EventSender
from voicestt.journal.port import Outbox, Pending

_MOST_COUNTED: Final = 1_000
_ATTEMPTS_BEFORE_A_LINE: Final = 2


class DeliveryLog:
    """Logs the outages, refusals and given up events of one receiver."""

    _log = Logger()

    def __init__(self, sender: EventSender, outbox: Outbox, destination: str) -> None:
        self._sender = sender
        self._outbox = outbox
        self._destination = destination
        self._is_down = False
        self._is_refusing = False
        self._is_gone = False

    def down(self, why: str) -> None:
        """Log that the receiver is down."""
        if not self._is_down:
            self._is_down = True
            self._log.error(
                "🔴 {place} is down: {why}. Events wait in the journal, none is lost and calls go on; it is tried "
                "again at least once a minute. What to do: {advice}",
                place=self._sender.place,
                why=why,
                advice=self._sender.advice,
            )

    def works(self, arrived: int) -> None:
        """Log that the receiver works again, if it was down.

        `arrived` counts the events whose arrival the journal does not know yet.
        """
        if self._is_down:
            self._is_down = False
            Deferred.fromCoroutine(self._count_and_say(arrived))

    def gone(self, why: str) -> None:
        """Log that the receiver wants no event any more."""
        if not self._is_gone:
            self._is_gone = True
            self._log.error(
                "🔴 {place} says that it is gone for good: {why}. Nothing more is sent there until the server is "
                "started again; events wait in the journal, none is lost and calls go on. What to do: correct or "
                "remove its address in EVENTS_WEBHOOK_URL, or let it answer 2xx again, and restart the server.",
                place=self._sender.place,
                why=why,
            )

    def dead_lettered(self, pending: Pending, why: str) -> None:
        """Log that an event was refused a few times and is dead-lettered."""
        self._log.error(
            "🔴 {place} refused an event ({kind}) {attempts} times: {why}. It is dead-lettered (kept in the "
            "journal, not sent again), and the later events of its call go on. What to do: see why in the "
            "receiver's log, and its answers by `voicestt deliveries --attempts`; `--retry` sends it again.",
            place=self._sender.place,
            kind=pending.record.type,
            attempts=pending.attempts,
            why=why,
            log_system=pending.record.call_sid,
        )

    def refused(self, pending: Pending, failure: DeliveryFailed) -> None:
        """Log an event that keeps failing while others may arrive, the first of several."""
        if not self._is_refusing and not self._is_down and pending.attempts >= _ATTEMPTS_BEFORE_A_LINE:
            self._is_refusing = True
            self._log.warn(
                "⚠️ {place} does not take an event ({kind}): {why}. It is tried again, and the later events of its "
                "call wait for it; other calls go on. Further ones are not told one by one. What to do: {advice}",
                place=self._sender.place,
                kind=pending.record.type,
                why=failure.why,
                advice=self._sender.advice,
                log_system=pending.record.call_sid,
            )

    def nothing_held(self) -> None:
        """Log that no call waits for a failed event any more, if any did."""
        if self._is_refusing:
            self._is_refusing = False
            self._log.info("{place} holds back no call's events any more", place=self._sender.place)

    def expired(self, count: int, hours: float, why: str) -> None:
        """Log that events are not tried again because they are too old."""
        self._log.error(
            "🔴 {place}: {count} events are dead-lettered, as they had not arrived in {hours:g} h: {why}. They "
            "are kept in the journal, and what follows them goes on. What to do: `voicestt deliveries` shows "
            "them.",
            place=self._sender.place,
            count=count,
            hours=hours,
            why=why,
        )

    async def _count_and_say(self, arrived: int) -> None:
        try:
            found = len(await self._outbox.pending(self._destination, _MOST_COUNTED))
        except Exception:  # noqa: BLE001 - the journal says in lines of its own what it has
            words = "events wait, it is not known how many"
        else:
            words = f"{found - arrived} events wait" if found < _MOST_COUNTED else "many events wait"
        self._log.info("{place} works again: {words} and go out now", place=self._sender.place, words=words)
