"""The event pipeline: journal, handlers, deliveries and the live feed, made, started and stopped here.

The journal comes first: the log, the pages that listen and the deliveries get what is in it. The application's
handler in this process is told at once.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from voicestt.audio.greeting import BadGreeting, greeting_of
from voicestt.call.facts import CallObserver, Event
from voicestt.call.line import Line
from voicestt.call.observers import ObserverGroup
from voicestt.config.settings import Settings
from voicestt.delivery.deliverer import Deliverer, DeliveryFigures
from voicestt.delivery.destinations import deliverers_of, destinations_of
from voicestt.delivery.live.fleet_feed import FleetFeed, journal_name
from voicestt.delivery.live.hub import EventHub
from voicestt.fleet.port import FleetLink, NoFleet
from voicestt.handler.counts import Counts
from voicestt.handler.loading import BadHandler, load_handler
from voicestt.handler.protocol import Unhandled
from voicestt.handler.publishing import Publishing
from voicestt.handler.service import Handlers
from voicestt.journal.journal import CLOSE_SECONDS, Journal
from voicestt.journal.no_journal import NoJournal
from voicestt.journal.port import FormerStreams, Record, Standing, Written
from voicestt.runtime.deadline import Deadline, within
from voicestt.runtime.reactor import FullReactor
from voicestt.server.call_log import CallLog
from voicestt.server.events_file import EventsFile
from voicestt.server.numbers import Numbers
from voicestt.tracing.port import NoTracing, Tracing
from voicestt.tts.engines import synthesiser_of
from voicestt.tts.port import Synthesiser
from voicestt.twilio.rest import TwilioCalls

_LAST_DELIVERIES_SECONDS = 3.0
_LAST_TRACES_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_HALF, _MOST = 0.5, 0.8  # of the time that is left to a stop


class PersistedEvents:
    """Readers of the journal: an event that is written goes to the log and, by `published`, to applications.

    A final that the log shows in green is in the database; where the database cannot be written for a while, the
    log shows words all the same, and says that they are not safe yet.
    """

    def __init__(self, log: CallLog, published: Callable[[Sequence[Record]], None]) -> None:
        self._log = log
        self._published = published

    def written(self, entries: Sequence[Written[Event]]) -> None:
        """Log and publish what is in the journal now (`voicestt.journal.port.Readers`)."""
        for entry in entries:
            if not entry.was_late and entry.fact is not None:
                self._log.tell(entry.fact, None if entry.record is None else entry.record.session)
        records = [entry.record for entry in entries if entry.record is not None]
        if records or not entries:
            self._published(records)

    def late(self, facts: Sequence[Event]) -> None:
        """Log facts that the journal cannot write for now (`voicestt.journal.port.Readers`)."""
        for fact in facts:
            self._log.tell_unwritten(fact)


@dataclass(frozen=True, slots=True)
class DestinationState:
    """The state of a destination: what its deliverer counts, and what the journal has for it."""

    figures: DeliveryFigures
    standing: Standing


class EventPipeline:
    """All ways of events out of the server, and the `greeting` (mu-law), which is there after `start`."""

    def __init__(
        self,
        reactor: FullReactor,
        settings: Settings,
        log: CallLog,
        file: EventsFile | None = None,
        link: FleetLink | None = None,
    ) -> None:
        self._file = file
        self._reactor = reactor
        self._settings = settings
        self._journal = self._make_journal(PersistedEvents(log, self._published))
        self._deliverers: Sequence[Deliverer] = ()
        self._handlers: Handlers | None = None
        self._publishing = Publishing(self._journal, file=file)
        self._is_open = False
        self.tracing: Tracing = NoTracing()
        self.hub = EventHub(reactor, self._journal, settings.events_token)
        self.feed = FleetFeed(reactor, self.hub, link or NoFleet(), journal_name(settings.journal_url))
        self.numbers = Numbers(settings)
        self.greeting = b""

    @property
    def former_streams(self) -> FormerStreams:
        """The former streams of calls that come back."""
        return self._journal

    @property
    def journal(self) -> Journal[Event] | None:
        """The journal, None where JOURNAL_URL is off."""
        return self._journal if isinstance(self._journal, Journal) else None

    @property
    def destinations(self) -> Mapping[str, DestinationState]:
        """The state of the deliveries to each destination."""
        journal = self.journal
        return {
            name: DestinationState(each.figures, Standing() if journal is None else journal.standing(name))
            for name, each in ((each.destination.name, each) for each in self._deliverers)
        }

    @property
    def handler_counts(self) -> Counts | None:
        """The counters of the handlers, None where there are none."""
        return None if self._handlers is None else self._handlers.counts

    @property
    def health(self) -> Mapping[str, object]:
        """Counts for the health check."""
        health: dict[str, object] = {name: _health_of(each) for name, each in self.destinations.items()}
        if self.journal is not None:
            health["journal"] = asdict(self.journal.state)
        if self._handlers is not None:
            health["handler"] = asdict(self._handlers.counts)
        if self.tracing.counts:
            health["traces"] = dict(self.tracing.counts)
        return health

    def observer_of(self, line: Line, session: str | None = None) -> CallObserver:
        """Make the observer of the call on `line`, whose media stream is `session`."""
        publisher = self._publishing.of_call(line, session)
        tracers = self.tracing.observers()
        return ObserverGroup([publisher, *tracers]) if tracers else publisher

    async def start(self, tracing: Tracing | None = None) -> None:
        """Check and start everything, before the first call comes.

        Raises:
            SpeechError, BadGreeting, BadHandler, BadNumbers, BadJournal, CannotDeliver: in words, with what to do.
        """
        settings = self._settings
        self.tracing = tracing or self.tracing
        speaks = await deferToThread(synthesiser_of, settings)
        self.greeting = await self._make_greeting(speaks)
        await deferToThread(self.numbers.load, None if speaks is None else speaks.speak)
        handlers = self._make_handlers(settings.handler, speaks) if self._has_handlers else None
        if self.journal is not None:
            self._deliverers = deliverers_of(self._reactor, settings, self.journal, self.tracing)
        await self._journal.open()
        self._is_open = True
        self.feed.start()
        for deliverer in self._deliverers:
            deliverer.start()
        if handlers is not None:
            handlers.start()
        self._handlers = handlers
        self._publishing = Publishing(self._journal, handlers, file=self._file, recorded=settings.record)

    async def stop(self, deadline: Deadline | None = None) -> None:
        """Send the ended calls' events on their way and stop everything; what hangs is left behind in time."""
        reactor = self._reactor
        deadline = deadline or Deadline(reactor, 0)
        if self._handlers is not None:
            await self._handlers.stop(deadline.part(_HALF))
        if self._is_open:
            await self._everything_written(deadline.part(_HALF, _LAST_DELIVERIES_SECONDS))
            seconds = deadline.part(_HALF, _LAST_DELIVERIES_SECONDS)
            # A journal that does not answer does not say either that all is delivered.
            await within(reactor, seconds, self._last_deliveries(seconds))
        for deliverer in self._deliverers:
            await within(reactor, deadline.part(_HALF), deliverer.stop())
        if self._is_open:
            self.feed.stop()
        await within(reactor, deadline.part(_HALF), self.hub.stop())
        await within(reactor, deadline.part(_HALF, _LAST_TRACES_SECONDS), self.tracing.stop())
        await self._journal.close(deadline.part(_MOST, CLOSE_SECONDS))

    def _make_journal(self, readers: PersistedEvents) -> Journal[Event] | NoJournal[Event]:
        settings = self._settings
        if settings.journal_url == "off":
            return NoJournal(self._reactor, readers)
        return Journal(
            self._reactor,
            settings.journal_url,
            readers,
            destinations_of(settings),
            days=settings.journal_days,
            redact=settings.journal_redact,
            spill_dir=settings.journal_spill_dir,
            changed=self._read_again,
            figures=lambda: {each.destination.name: asdict(each.figures) for each in self._deliverers},
        )

    async def _make_greeting(self, speaks: Synthesiser | None) -> bytes:
        settings = self._settings
        speak = None if speaks is None else speaks.speak
        try:
            greeting: bytes = await deferToThread(greeting_of, settings.greeting, settings.greeting_max_ms, speak)
        except BadGreeting as problem:
            raise BadGreeting(f"GREETING {problem}") from problem
        return greeting

    @property
    def _has_handlers(self) -> bool:
        """True if calls have handlers; numbers may get some when their file is read again."""
        return self._settings.handler is not None or self._settings.numbers_file is not None

    def _make_handlers(self, path: str | None, speaks: Synthesiser | None) -> Handlers:
        settings = self._settings
        tokens = settings.twilio_auth_tokens
        return Handlers(
            self._reactor,
            Unhandled if path is None else _handler(path),
            queue=settings.handler_queue,
            overflow=settings.handler_overflow,
            threads=settings.handler_threads,
            speak=None if speaks is None else speaks.speak,
            twilio=TwilioCalls(tokens[0], settings.twilio_api_url, others=tokens[1:]) if tokens else None,
            traced=self.tracing.handler_call,
        )

    def _published(self, records: Sequence[Record]) -> None:
        self.feed.publish(records)
        for deliverer in self._deliverers:
            deliverer.wake()

    def _read_again(self) -> None:
        for deliverer in self._deliverers:
            deliverer.read_again()

    async def _everything_written(self, seconds: float) -> None:
        await self._journal.flush().addTimeout(seconds, self._reactor, lambda _result, _seconds: None)

    async def _last_deliveries(self, seconds: float) -> None:
        """Wait for the last deliveries, within a time limit: a host that starts afresh forgets its disk."""
        give_up = self._reactor.seconds() + seconds
        journal = self.journal
        if journal is None:
            return
        for deliverer in self._deliverers:
            while self._reactor.seconds() < give_up and not deliverer.figures.is_down:
                if not await journal.pending(deliverer.destination.name, 1):
                    break
                await deferLater(self._reactor, _LOOK_SECONDS)


def _handler(path: str) -> type:
    try:
        return load_handler(path)
    except BadHandler as problem:
        raise BadHandler(f"HANDLER={path}: {problem}") from problem


def _health_of(destination: DestinationState) -> dict[str, object]:
    """Collect a destination's counts: `waiting` is the journal's backlog, `in_hand` the part already read."""
    figures, standing = asdict(destination.figures), destination.standing
    figures["last_error_seconds"] = _age(figures.pop("last_error_at"))
    return {
        **figures,
        "in_hand": figures["waiting"],
        "waiting": standing.waiting,
        "oldest_seconds": _age(standing.oldest_at),
        "dead_lettered": standing.dead_lettered,
    }


def _age(since: float | None) -> float | None:
    return None if since is None else round(time.time() - since, 1)
