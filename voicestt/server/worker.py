"""A server that is one of several workers: it obeys its supervisor."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger

from voicestt.fleet.fleet import Fleet
from voicestt.fleet.port import FleetLink
from voicestt.runtime.clock import Clock
from voicestt.runtime.reactor import FullReactor
from voicestt.server.call_registry import CallRegistry
from voicestt.server.calls import Calls
from voicestt.server.control.flag import FlagSwitch, State
from voicestt.server.control.sighup import SighupHandler
from voicestt.server.control.words import ControlWords
from voicestt.server.listeners import Listeners
from voicestt.server.monitoring import Monitoring
from voicestt.server.pipeline import EventPipeline
from voicestt.server.shared_registry import ANNOUNCED, SharedCallRegistry
from voicestt.server.sibling_link import MESSAGE, SiblingLink
from voicestt.server.siblings import HEALTH, METRICS, Siblings
from voicestt.server.stopping import Shutdown
from voicestt.workers.asking import WORD
from voicestt.workers.link import WorkerLink
from voicestt.workers.wire import DRAIN, FLAG, Order


class SiblingsSwitch:
    """The switch of the flag for whoever turns it in one worker for all, as on the page."""

    def __init__(self, switch: FlagSwitch, link: WorkerLink) -> None:
        self._switch = switch
        self._link = link

    @property
    def state(self) -> State:
        """The present state of this worker."""
        return self._switch.state

    def turn(self, is_on: bool, by: str) -> str:
        """Set the flag here and in the siblings; return the outcome here."""
        self._link.relay(FLAG, {"is_on": is_on, "by": by})
        return self._switch.turn(is_on, by)


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """The parts of a server that its supervisor may move."""

    listeners: Listeners
    words: ControlWords
    switch: FlagSwitch
    pipeline: EventPipeline
    shutdown: Shutdown
    sighup: SighupHandler
    live: FleetLink


class WorkerServer:
    """A worker's server of `parts`, which its supervisor gives orders (`voicestt.workers.link.Obedient`)."""

    _log = Logger()

    def __init__(self, reactor: FullReactor, link: WorkerLink, registry: CallRegistry, parts: WorkerParts) -> None:
        self._reactor = reactor
        self._link = link
        self._registry = registry
        self._parts = parts
        self._monitoring: Monitoring | None = None
        self.siblings = Siblings(reactor, link)
        self.switch = SiblingsSwitch(parts.switch, link)
        self._is_stopping = False

    def start(self) -> None:
        """Begin to obey."""
        self._link.start(self)

    async def learn(self) -> None:
        """Learn from the siblings which calls are announced, before any socket comes here."""
        if isinstance(self._registry, SharedCallRegistry):
            await self._registry.learn_from_all()

    def ready(self, calls: Calls, monitoring: Monitoring) -> None:
        """Tell the supervisor that calls are taken; answer for `monitoring`, and count `calls` as the load."""
        self._monitoring = monitoring
        self._link.load = lambda: len(calls)
        if isinstance(self._registry, SharedCallRegistry):
            self._registry.arrived = calls.admission.arrived
        self._link.ready()

    def stopping(self) -> None:
        """Note that the server stops, and tell the supervisor."""
        self._is_stopping = True
        self._link.stopping()

    def drain(self) -> None:
        """Have the supervisor stop all of us, because somebody else than it asked one: the fleet does."""
        self._link.relay(DRAIN, {})

    def obey(self, order: Order) -> None:
        """Do as the supervisor says."""
        match order:
            case "leave":
                # Siblings accept: what connects from now on is theirs.
                leaving = ensureDeferred(self._parts.listeners.stop())
                leaving.addErrback(lambda failure: self._log.failure("A socket was not closed.", failure))
                self._stop()
            case "stop":
                self._stop()
            case "hurry":
                self._parts.shutdown.hurry("SIGTERM")
            case "hang-up":
                self._parts.sighup.read_again()

    def sibling_died(self, pid: int) -> None:
        """Close the calls of a sibling that died."""
        journal = self._parts.pipeline.journal
        if journal is not None:
            self._log.debug("The process {pid} has died: its calls are looked for.", pid=pid)
            journal.look_for_dead()

    def relayed(self, kind: str, news: Mapping[str, Any]) -> None:
        """Learn what a sibling says: of a call, of live events, or that the flag is turned."""
        live = self._parts.live
        if kind == DRAIN:
            return  # the supervisor stops all
        if kind == FLAG:
            self._parts.switch.turn(news["is_on"], news["by"])
        elif kind == MESSAGE and isinstance(live, SiblingLink):
            live.relayed(news)
        elif isinstance(self._registry, SharedCallRegistry):
            self._registry.relayed(kind, news)

    def answer(self, what: str) -> object:
        """Answer for this worker alone."""
        if what.startswith(WORD):
            return self._parts.words(what.removeprefix(WORD).encode())
        monitoring = self._monitoring
        match what:
            case _ if what == ANNOUNCED and isinstance(self._registry, SharedCallRegistry):
                return self._registry.announced
            case _ if monitoring is None:
                return None
            case _ if what == HEALTH:
                return {**monitoring.report.json, "feed": self._parts.pipeline.hub.counters}
            case _ if what == METRICS:
                return monitoring.page.collected()
        return None

    def _stop(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._reactor.callWhenRunning(self._stop_reactor)

    def _stop_reactor(self) -> None:
        with suppress(ReactorNotRunning):  # a signal has stopped it
            self._reactor.stop()


def live_link_of(clock: Clock, fleet: Fleet, link: WorkerLink | None) -> FleetLink:
    """Return the link that live events are exchanged by: the fleet's, or without one that of the siblings."""
    if link is None or fleet.redis is not None:
        return fleet.link
    return SiblingLink(clock, link, f"worker {link.name}, {os.getpid()}")


def worker_of(
    reactor: FullReactor, link: WorkerLink | None, registry: CallRegistry, parts: WorkerParts
) -> WorkerServer | None:
    """Make what a supervisor may do with a server; None where there is no supervisor."""
    return None if link is None else WorkerServer(reactor, link, registry, parts)
