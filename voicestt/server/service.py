"""The composition root: makes one service of the settings, which starts and stops everything in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.web.server import Site

from voicestt.config.digests import digest_answers
from voicestt.config.env_file import EnvironmentFile, ReadAgain
from voicestt.config.settings import Settings
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.request import target_of
from voicestt.recognisers.modes import Flag
from voicestt.recognisers.services import ServicesHealth
from voicestt.runtime.deadline import Deadline, within
from voicestt.runtime.loop_thread import SessionThread
from voicestt.runtime.reactor import FullReactor
from voicestt.server.bounded_http import BoundedSite
from voicestt.server.busy import CallAnswer, busy_answer
from voicestt.server.call_counts import ActiveCalls
from voicestt.server.call_log import CallLog
from voicestt.server.calls import Calls
from voicestt.server.connections import TOO_MANY, Visitors, visitors_of
from voicestt.server.control.sighup import SighupHandler
from voicestt.server.control.socket import ControlSocket
from voicestt.server.control.words import ControlWords
from voicestt.server.embedded import embedded_of
from voicestt.server.events_file import EventsFile
from voicestt.server.fleet_calls import registry_of
from voicestt.server.fleet_member import FleetMember
from voicestt.server.former_streams import FormerLookup
from voicestt.server.listeners import Listeners
from voicestt.server.media_factory import media_resource
from voicestt.server.monitoring import Monitoring
from voicestt.server.moving import move_of
from voicestt.server.open_sockets import CLOSING_SECONDS
from voicestt.server.page_port import BrowserPage, MakePage, ServerParts, no_page
from voicestt.server.pipeline import EventPipeline
from voicestt.server.recognition import recognition_of
from voicestt.server.recordings import ServerRecordings
from voicestt.server.returns import Returns
from voicestt.server.root import Root
from voicestt.server.routes import Routes
from voicestt.server.shared_registry import SharedCallRegistry
from voicestt.server.startup import announce, raise_descriptors
from voicestt.server.stopping import Shutdown
from voicestt.server.whisper import last_resort
from voicestt.server.worker import WorkerParts, live_link_of, worker_of
from voicestt.tracing.port import NoTracing, Tracing
from voicestt.twilio.signatures import SignatureCheck
from voicestt.workers.link import WorkerLink

_NO_FILE = EnvironmentFile(None, {}, {})
_FOR_LAST_WORDS, _FOR_SOCKETS, _FOR_THREADS = 0.65, 0.3, 0.5  # of the time that is left to a stop


@dataclass(frozen=True, slots=True)
class _Started:
    """The parts that only a started server has."""

    calls: Calls
    health: ServicesHealth
    monitoring: Monitoring


class VoiceService(Service):
    """The whole server. `endpoints` are Twisted's endpoint strings; `failed` is called if it cannot start;
    `read_again` is what SIGHUP reads; `enforce` is told how long a stop may take before the process is ended;
    `metrics_endpoint` is an address of the metrics' own; `tracing` makes what makes traces, `page` the page;
    `link` leads to the supervisor of a worker.

    Stopping is in order, which a MultiService does not know: no new calls; the live ones go on for their time, and
    tell their last words; then the threads that carried them end. The listener is open to the last.
    """

    _log = Logger()
    _page: BrowserPage | None = None
    _started: _Started | None = None

    def __init__(
        self,
        reactor: FullReactor,
        settings: Settings,
        endpoints: Sequence[str],
        failed: Callable[[], object] = lambda: None,
        read_again: Callable[[], ReadAgain] = _NO_FILE.read_again,
        enforce: Callable[[float], object] = lambda _seconds: None,
        metrics_endpoint: str | None = None,
        tracing: Callable[[], Tracing] = NoTracing,
        page: MakePage = no_page,
        link: WorkerLink | None = None,
    ) -> None:
        self._reactor, self._settings = reactor, settings
        self._failed = failed
        self._make_tracing, self._make_page = tracing, page
        self._listeners = Listeners(reactor, settings.public_host, endpoints, metrics_endpoint, link)
        self._threads: list[SessionThread] = []
        self._fleet = FleetMember(reactor, settings, self._drain_asked)
        registry, self._streams = registry_of(reactor, self._fleet.fleet.link)
        self._registry = registry if link is None else SharedCallRegistry(reactor, link, registry)
        self._events_file = EventsFile(settings.events_file) if settings.events_file else None
        log = CallLog(self._registry, partials=settings.log_partials, texts=settings.texts_are_logged)
        live = live_link_of(reactor, self._fleet.fleet, link)
        self._pipeline = EventPipeline(reactor, settings, log, self._events_file, live)
        self._embedded = embedded_of(settings)
        self._whisper = last_resort(reactor, settings, self._embedded.engine if self._embedded else None)
        self._recordings = ServerRecordings(reactor, settings)
        self._flag = flag = Flag(settings.enable_streaming_stt)
        self._active_calls = calls = ActiveCalls(flag)
        self._switch = switch = self._fleet.switch_of(flag, calls)
        self._shutdown = Shutdown(reactor, settings, move_of(settings), enforce)
        words = ControlWords(switch, self._drain_asked)
        self._control = ControlSocket(reactor, settings.control_socket, words)
        self._sighup = SighupHandler(reactor, switch, read_again, settings, self._reopen_files)
        parts = WorkerParts(self._listeners, words, switch, self._pipeline, self._shutdown, self._sighup, live)
        self._worker = worker_of(reactor, link, self._registry, parts)
        self._former = FormerLookup(reactor, self._pipeline.former_streams)
        self._starting: Deferred[None] = succeed(None)

    @property
    def addresses(self) -> list[Any]:
        """The addresses that the server listens on."""
        return self._listeners.addresses

    def startService(self) -> None:  # noqa: N802
        """Start sockets and threads, which cannot be made before: a daemonising twistd forks before it starts."""
        super().startService()  # type: ignore[no-untyped-call]
        self._sighup.install()
        if self._worker is not None:
            self._worker.start()
        self._starting = Deferred.fromCoroutine(self._start()).addErrback(self._could_not_start)

    def stopService(self) -> "Deferred[None]":  # noqa: N802
        """Stop everything; fires when the last thread has ended."""
        super().stopService()  # type: ignore[no-untyped-call]
        stopped: Deferred[None] = Deferred()
        deadline = self._shutdown.begin()  # whatever hangs, a start too
        if self._worker is not None:
            self._worker.stopping()
        # Sockets and threads that are being started can be stopped only when they are.
        self._starting.addBoth(lambda _: Deferred.fromCoroutine(self._stop(deadline)).chainDeferred(stopped))
        return stopped

    async def _start(self) -> None:
        announce(self._settings)
        visitors = visitors_of(self._settings, raise_descriptors())
        target = await self._find_google()
        self._threads = [SessionThread(self._reactor) for _ in range(self._settings.session_threads)]
        for thread in self._threads:
            thread.start()
        if self._events_file is not None:
            self._events_file.start()
        await self._recordings.start()
        await self._fleet.start()
        await self._pipeline.start(self._make_tracing())
        started = self._started = self._make(target, visitors)
        started.calls.start()
        started.monitoring.start()
        if self._worker is not None:
            await self._worker.learn()
        await self._listeners.listen(self._site(started.calls, visitors, started.monitoring))
        await self._listeners.listen_for_metrics(started.monitoring)
        if self._worker is None:
            self._control.start()
        else:
            self._worker.ready(started.calls, started.monitoring)  # commands reach it by its supervisor

    async def _stop(self, deadline: Deadline) -> None:
        try:
            await self._stop_calls(deadline)
        finally:
            await self._listeners.stop()
        await self._fleet.stop(deadline)
        await self._stop_threads(deadline)
        if self._events_file is not None:
            self._events_file.stop()
        if self._embedded is not None:
            self._embedded.stop()
        self._sighup.remove()
        self._shutdown.end()

    async def _stop_calls(self, deadline: Deadline) -> None:
        if self._started is not None:
            await self._shutdown.drain(self._started.calls)
        await self._control.stop()
        if self._page is not None:
            await self._page.stop()
        if self._started is not None:
            calls = self._started.calls
            await calls.stop(deadline.part(_FOR_LAST_WORDS, self._settings.drain_seconds))
            await within(self._reactor, deadline.part(_FOR_SOCKETS, CLOSING_SECONDS), calls.sockets.closed())
        await self._recordings.stop(deadline)
        await self._pipeline.stop(deadline)

    async def _stop_threads(self, deadline: Deadline) -> None:
        if self._started is not None:
            self._started.monitoring.stop()
            self._started.health.stop()
        await within(self._reactor, deadline.part(_FOR_THREADS), self._whisper.stop())
        for thread in self._threads:
            await within(self._reactor, deadline.part(_FOR_THREADS), thread.stop())

    def _drain_asked(self) -> str:
        live, seconds = 0 if self._started is None else len(self._started.calls), self._settings.shutdown_seconds
        if self._shutdown.has_begun:
            left = self._shutdown.seconds_left
            return f"The server is stopping already; its {live} live calls may go on for {left:.0f} s more"
        self._reactor.callLater(0, self._reactor.stop if self._worker is None else self._worker.drain)
        return f"The server takes no new calls, and stops within {seconds:g} s; live calls: {live}"

    async def _find_google(self) -> GoogleTarget:
        if self._embedded is None:
            return target_of(self._settings)
        return GoogleTarget(await self._embedded.start(), insecure=True)

    def _make(self, target: GoogleTarget, visitors: Visitors) -> _Started:
        reactor, settings, pipeline = self._reactor, self._settings, self._pipeline
        quota = self._fleet.leases
        recognition = recognition_of(reactor, settings, self._flag, self._threads, target, self._whisper, quota)
        calls = Calls(
            reactor,
            settings,
            self._registry,
            recognition.recogniser,
            self._active_calls,
            pipeline.greeting,
            pipeline.observer_of,
            self._former,
            self._streams,
            pipeline.numbers,
            self._recordings.recorder,
        )
        siblings = None if self._worker is None else self._worker.siblings
        counting = self._events_file, recognition.families, self._recordings, self._fleet, siblings
        monitoring = Monitoring(reactor, settings, calls, visitors, pipeline, *counting)
        self._fleet.describe(calls, pipeline)
        return _Started(calls, recognition.health, monitoring)

    def _site(self, calls: Calls, visitors: Visitors, monitoring: Monitoring) -> Site:
        settings = self._settings
        signatures = SignatureCheck(settings.twilio_auth_token if settings.twilio_validate else None)
        answers, busy = digest_answers(settings, lambda: self._flag.is_on), busy_answer(settings)
        webhooks = Routes(
            settings.public_host,
            signatures,
            self._registry,
            calls,
            media_resource(self._reactor, calls),
            answers,
            self._pipeline.hub,
            monitoring.report,
            visitors,
            busy,
            self._returns(calls, busy),
            monitoring.page,
            self._pipeline.tracing.webhook,
            monitoring.siblings,
            self._open_page(calls, visitors, monitoring),
            self._pipeline.numbers.busy_of,
        )

        def turned_away(address: str) -> None:
            calls.refusals.count("A connection was closed at once.", visitors.client(address, None), TOO_MANY)

        return BoundedSite(Root(webhooks.app.resource()), visitors, turned_away, self._reactor)

    def _open_page(self, calls: Calls, visitors: Visitors, monitoring: Monitoring) -> BrowserPage | None:
        switch = self._switch if self._worker is None else self._worker.switch
        report, history, more = monitoring.report, monitoring.history, (monitoring.page, monitoring.siblings)
        server = self._reactor, self._settings, calls, self._pipeline, report, history, switch, visitors
        self._page = self._make_page(ServerParts(*server, self._fleet.fleet, self._recordings, *more))
        return self._page

    def _returns(self, calls: Calls, busy: CallAnswer) -> Returns:
        return Returns(
            self._settings.public_host,
            calls,
            busy,
            reconnects=self._settings.twiml_reconnect,
            former=self._former,
            seconds_left=lambda: self._shutdown.seconds_left,
        )

    def _reopen_files(self) -> None:
        if self._events_file is not None:
            self._events_file.reopen()
        self._pipeline.numbers.read_again()

    def _could_not_start(self, failure: Any) -> None:
        self._log.critical(
            "The server could not start: {problem}. Nothing is served. What to do: correct it and start again.",
            problem=failure.getErrorMessage().rstrip("."),
        )
        self._failed()
        # A start that fails at once, as at a port that is taken, fails before the reactor runs and can be stopped.
        self._reactor.callWhenRunning(self._reactor.stop)
