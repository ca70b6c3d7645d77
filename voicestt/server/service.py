"""The composition root: makes one service of the settings, which starts and stops everything in order."""

from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool
from twisted.web.server import Site

from voicestt.audio import mulaw
from voicestt.audio.ledger import RetainedAudioLimit
from voicestt.config.digests import digest_answers
from voicestt.config.env_file import EnvironmentFile, ReadAgain
from voicestt.config.settings import Settings
from voicestt.recognisers.fallback import Fallback
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.client import GoogleRecogniser
from voicestt.recognisers.google.request import request_of, target_of
from voicestt.recognisers.modes import Flag
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.services import Persistent, ServicesHealth
from voicestt.recognisers.single_shot import SingleShot
from voicestt.recognisers.streaming import Endless, StreamLimits
from voicestt.runtime.reactor import FullReactor
from voicestt.runtime.session_thread import SessionThread
from voicestt.server.active_calls import ActiveCalls
from voicestt.server.bounded_http import BoundedSite
from voicestt.server.busy import busy_answer
from voicestt.server.call_log import CallLog
from voicestt.server.call_registry import CallRegistry
from voicestt.server.calls import Calls
from voicestt.server.connections import TOO_MANY, visitors_of
from voicestt.server.control.flag import FlagSwitch
from voicestt.server.control.sighup import SighupHandler
from voicestt.server.control.socket import ControlSocket
from voicestt.server.embedded import EmbeddedGoogle
from voicestt.server.events_file import EventsFile
from voicestt.server.figures import FigureWatch
from voicestt.server.media_factory import media_resource
from voicestt.server.pipeline import EventPipeline
from voicestt.server.root import Root
from voicestt.server.routes import Routes
from voicestt.server.startup import announce, raise_descriptors
from voicestt.server.whisper import last_resort
from voicestt.twilio.signatures import SignatureCheck

_NO_FILE = EnvironmentFile(None, {}, {})


class VoiceService(Service):
    """The whole server. `endpoints` are Twisted's endpoint strings; `failed` is called if it cannot start;
    `read_again` is what SIGHUP reads.

    Stopping is in order, which a MultiService does not know: no new calls; the live ones tell their last words;
    then the threads that carried them end.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: FullReactor,
        settings: Settings,
        endpoints: Sequence[str],
        failed: Callable[[], object] = lambda: None,
        read_again: Callable[[], ReadAgain] = _NO_FILE.read_again,
    ) -> None:
        self._reactor = reactor
        self._failed = failed
        self._settings = settings
        self._endpoints = endpoints
        self._ports: list[IListeningPort] = []
        self._pool = ThreadPool(settings.session_threads, settings.session_threads, name="sessions")
        self._threads: list[SessionThread] = []
        self._registry = CallRegistry(reactor)
        self._events_file = EventsFile(settings.events_file) if settings.events_file else None
        self._pipeline = EventPipeline(reactor, settings, CallLog(self._registry), self._events_file)
        self._embedded = _embedded(settings) if settings.engine == "embedded" else None
        self._whisper = last_resort(reactor, settings, self._embedded.engine if self._embedded else None)
        self._flag = Flag(settings.enable_streaming_stt)
        self._active_calls = ActiveCalls(self._flag)
        switch = FlagSwitch(self._flag, self._active_calls)
        self._control = ControlSocket(reactor, settings.control_socket, switch)
        self._sighup = SighupHandler(reactor, switch, read_again, settings, self._reopen_files)
        self._calls: Calls | None = None
        self._health: ServicesHealth | None = None
        self._watch: FigureWatch | None = None
        self._starting: Deferred[None] = succeed(None)
        self._descriptors = 0

    @property
    def addresses(self) -> list[Any]:
        """The addresses that the server listens on."""
        return [port.getHost() for port in self._ports]

    def startService(self) -> None:  # noqa: N802
        """Start sockets and threads, which cannot be made before: a daemonising twistd forks before it starts."""
        super().startService()  # type: ignore[no-untyped-call]
        self._sighup.install()
        self._starting = Deferred.fromCoroutine(self._start()).addErrback(self._could_not_start)

    def stopService(self) -> "Deferred[None]":  # noqa: N802
        """Stop everything; fires when the last thread has ended."""
        super().stopService()  # type: ignore[no-untyped-call]
        stopped: Deferred[None] = Deferred()
        # What is still being started can be stopped only when it is.
        self._starting.addBoth(lambda _: Deferred.fromCoroutine(self._stop()).chainDeferred(stopped))
        return stopped

    async def _start(self) -> None:
        announce(self._settings)
        self._descriptors = raise_descriptors()
        target = await self._find_google()
        self._pool.start()
        self._threads = [SessionThread(self._reactor, self._pool) for _ in range(self._settings.session_threads)]
        for thread in self._threads:
            thread.start()
        if self._events_file is not None:
            self._events_file.start()
        await self._pipeline.start()
        self._calls = self._make_calls(target)
        self._calls.start()
        self._watch = FigureWatch(self._reactor, self._calls)
        self._watch.start()
        await self._listen(self._site(self._calls))
        self._control.start()

    async def _stop(self) -> None:
        await self._control.stop()
        for port in self._ports:
            stopped: Any = port.stopListening()
            if isinstance(stopped, Deferred):
                await stopped
        if self._calls is not None:
            await self._calls.stop()
        await self._pipeline.stop()
        if self._watch is not None:
            self._watch.stop()
        if self._health is not None:
            self._health.stop()
        await self._whisper.stop()
        for thread in self._threads:
            await thread.stop()
        if self._pool.started:
            self._pool.stop()
        if self._events_file is not None:
            self._events_file.stop()
        if self._embedded is not None:
            self._embedded.stop()
        self._sighup.remove()

    async def _find_google(self) -> GoogleTarget:
        if self._embedded is None:
            return target_of(self._settings)
        return GoogleTarget(await self._embedded.start(), insecure=True)

    def _make_calls(self, target: GoogleTarget) -> Calls:
        settings = self._settings
        google = GoogleRecogniser(self._threads, target, request_of(settings))
        health = self._health = ServicesHealth(self._reactor, google, self._whisper)
        single_shot = SingleShot(
            Persistent(self._reactor, health.services), lambda action: self._reactor.callLater(0, action)
        )
        recogniser = Fallback(
            self._reactor,
            self._flag,
            Endless(self._reactor, google, _limits(settings), health=health.streaming),
            single_shot,
            Probe(self._reactor, google),
            health.streaming,
            retain_bytes=int(settings.retain_seconds * mulaw.BYTES_PER_SECOND),
            retention=RetainedAudioLimit(settings.retain_total_mb * 1_000_000),
            recover_seconds=settings.recover_seconds,
        )
        pipeline = self._pipeline
        return Calls(
            self._reactor,
            settings,
            self._registry,
            recogniser,
            self._active_calls,
            pipeline.greeting,
            pipeline.observer_of,
        )

    def _site(self, calls: Calls) -> Site:
        settings = self._settings
        token = settings.twilio_auth_token if settings.twilio_validate else None
        media = media_resource(self._reactor, calls)
        answers = digest_answers(settings, lambda: self._flag.is_on)
        visitors = visitors_of(settings, self._descriptors)
        webhooks = Routes(
            settings.public_host,
            SignatureCheck(token),
            self._registry,
            calls,
            media,
            answers,
            self._pipeline.hub,
            lambda: self._pipeline.health,
            visitors,
            busy_answer(settings),
        )

        def turned_away(address: str) -> None:
            calls.refusals.count("A connection was closed at once.", visitors.client(address, None), TOO_MANY)

        root = Root(webhooks.app.resource())
        return BoundedSite(root, visitors, turned_away, self._reactor)

    async def _listen(self, site: Site) -> None:
        for endpoint in self._endpoints:
            self._ports.append(await serverFromString(self._reactor, endpoint).listen(site))
            host = self._settings.public_host
            self._log.info("Listening on {endpoint} for https://{host}", endpoint=endpoint, host=host)

    def _reopen_files(self) -> None:
        if self._events_file is not None:
            self._events_file.reopen()

    def _could_not_start(self, failure: Any) -> None:
        self._log.critical(
            "The server could not start: {problem}. Nothing is served. What to do: correct it and start again.",
            problem=failure.getErrorMessage().rstrip("."),
        )
        self._failed()
        # What fails at once, such as a port that is taken, fails before the reactor runs and can be stopped.
        self._reactor.callWhenRunning(self._reactor.stop)


def _embedded(settings: Settings) -> EmbeddedGoogle:
    return EmbeddedGoogle(settings.language, settings.whisper_model)


def _limits(settings: Settings) -> StreamLimits:
    return StreamLimits(
        soft=settings.soft_limit_seconds,
        hard=settings.hard_limit_seconds,
        hold=settings.hold_seconds,
        silent=settings.silent_seconds,
        queue=settings.queue_seconds,
        restarts=settings.restarts,
    )
