"""The supervisor: a service that opens the sockets, starts the workers, and keeps them going.

It takes no call and recognises nothing: it hears what workers say, does what `crew` decides, and hands on what is
asked and told. While it is busy, calls are accepted by the workers all the same.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger

from voicestt.config.env_file import ReadAgain
from voicestt.config.settings import BadSettings, Settings
from voicestt.runtime.clock import Timer
from voicestt.runtime.signals import SignalHandlers
from voicestt.workers import crew
from voicestt.workers.asking import Asking
from voicestt.workers.board import LoadBoard
from voicestt.workers.process import CommandLine, SupervisingReactor, WorkerProcess
from voicestt.workers.sockets import open_sockets
from voicestt.workers.wire import DRAIN, FLAG, HasDied, IsReady, Leaves, Message, Order, Relayed, Told

KILL_SECONDS: Final = 6.5
"""So much later than SHUTDOWN_SECONDS a worker that is still there is killed: it should have ended itself."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Startable(Protocol):
    """The control socket, as far as it is the supervisor's."""

    def start(self) -> None:
        """Start to listen."""
        ...

    async def stop(self) -> None:
        """Stop listening."""
        ...


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """The tasks of a supervisor, and its means.

    `endpoints` are Twisted's endpoint strings, the metrics' own the last of them, if there is one. `line` starts a
    worker. `reloads` as `--reload` says; `read_again` reads the environment file, None where there is none.
    `control` makes the control socket.
    """

    settings: Settings
    endpoints: list[str]
    line: Callable[[], CommandLine]
    reloads: bool
    read_again: Callable[[], ReadAgain] | None
    control: Callable[[Any], Startable]
    failed: Callable[[], object]


class Supervisor(Service):
    """The supervisor of workers, of `options.settings.workers` at the start."""

    _log = Logger()

    def __init__(self, reactor: SupervisingReactor, options: SupervisorOptions) -> None:
        settings = options.settings
        self._reactor = reactor
        self._options = options
        self._crew = crew.Crew(settings.workers, settings.shutdown_seconds + KILL_SECONDS)
        self._asking = Asking(reactor, self._crew, settings.shutdown_seconds)
        self._control = options.control(self._asking.control)
        self._hang_up = SignalHandlers(reactor, (signal.SIGHUP,), lambda _name: self.hang_up())
        self._again = SignalHandlers(reactor, _SIGNALS, lambda _name: self._tell_all("hurry"))
        self._timer = Timer(reactor)
        self._ports: list[list[Any]] = []
        self._board: LoadBoard | None = None
        self._stopped: Deferred[None] = Deferred()
        self._how = ""
        self._starting: Deferred[None] = succeed(None)

    def startService(self) -> None:  # noqa: N802
        """Open the sockets and start the workers; a daemonising twistd has forked by now."""
        super().startService()  # type: ignore[no-untyped-call]
        self._hang_up.install()
        self._starting = Deferred.fromCoroutine(self._start()).addErrback(self._could_not_start)

    def stopService(self) -> "Deferred[None]":  # noqa: N802
        """Stop all workers; fires when the last is gone."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._again.install()
        self._log.info("Stopping: {count} workers are told to.", count=len(self._crew.members))
        self._do(self._crew.stop(self._now))
        self._tell_all("stop")
        stopped: Deferred[None] = Deferred()
        self._stopped.addCallback(lambda _: Deferred.fromCoroutine(self._end()).chainDeferred(stopped))
        return stopped

    def hang_up(self) -> None:
        """Do as SIGHUP says: every worker reads the file again, or new ones take the place of all."""
        count = self._crew.count
        if self._options.read_again is not None:
            try:
                found = self._options.read_again()
            except BadSettings:
                if self._options.reloads:
                    self._log.error(
                        "[CFG] SIGHUP: the environment file cannot be used: no worker is replaced. The lines that "
                        "follow say what is wrong with it."
                    )
                self._tell_all("hang-up")  # each says what is wrong
                return
            self._asking.note_flag(found.is_on)
            count = found.at_restart.workers
        if not self._options.reloads:
            self._tell_all("hang-up")
            return
        self._log.info(
            "[CFG] SIGHUP: {count} new workers are started; when all are ready the old ones stop, and their calls "
            "go on as SHUTDOWN_SECONDS and SHUTDOWN_CALLS say.",
            count=count,
        )
        self._do(self._crew.reload(max(1, count), self._now))

    @property
    def _now(self) -> float:
        return self._reactor.seconds()

    async def _start(self) -> None:
        self._log.info(
            "[CFG] The supervisor, process {pid}, starts {count} workers (WEB_CONCURRENCY).",
            pid=os.getpid(),
            count=self._crew.count,
        )
        for endpoint in self._options.endpoints:
            self._ports.append(await open_sockets(self._reactor, endpoint))
        self._board = LoadBoard.new()
        self._control.start()
        self._reactor.callWhenRunning(lambda: self._do(self._crew.begin(self._now)))

    async def _end(self) -> None:
        await self._control.stop()
        for port in (port for some in self._ports for port in some):
            stopped: Any = port.stopListening()
            if isinstance(stopped, Deferred):
                await stopped
        if self._board is not None:
            self._board.close()
        self._timer.cancel()
        self._hang_up.remove()
        self._again.remove()

    def _do(self, actions: list[crew.Action]) -> None:
        for action in actions:
            self._do_one(action)
        due = self._crew.next_look()
        if due is None:
            self._timer.cancel()
        else:
            self._timer.set(max(0.0, due - self._now), lambda: self._do(self._crew.look(self._now)))

    def _do_one(self, action: crew.Action) -> None:
        match action:
            case crew.StartWorker(name):
                self._start_worker(name)
            case crew.TellToLeave(name):
                self._tell(name, "leave")
            case crew.KillWorker(name, phase):
                self._kill(name, phase)
            case crew.WorkerDied(name, pause):
                self._say_died(name, pause)
            case crew.ReloadEnded(is_done):
                self._say_reloaded(is_done=is_done)
            case crew.GiveUp(name):
                self._give_up(name)
            case crew.CrewGone():
                self._stopped.callback(None)

    def _start_worker(self, name: str) -> None:
        if self._board is None:
            return
        worker = WorkerProcess(self._reactor, name, _WorkerReceiver(self, name), self._ended)
        self._asking.workers[name] = worker
        try:
            worker.start(self._options.line(), self._ports, self._board, self._asking.flag)
        except OSError as problem:  # no memory, or too many processes
            self._log.error("Worker {name} could not be started: {problem}.", name=name, problem=str(problem))
            self._reactor.callLater(0, self._ended, worker, str(problem))
        else:
            self._log.info("Worker {name} is started: process {pid}.", name=name, pid=worker.pid)

    def hear(self, name: str, message: Message) -> None:
        """Take a message of a worker that is no question."""
        match message:
            case IsReady():
                self._log.info("Worker {name} is ready.", name=name)
                self._asking.workers[name].is_serving = True
                self._do(self._crew.ready(name, self._now))
            case Leaves():
                self._do(self._crew.leaves(name, self._now))
            case Relayed(kind=kind) if kind == DRAIN:
                self._stop()
            case Relayed():
                if message.kind == FLAG:
                    self._asking.note_flag(bool(message.news["is_on"]))
                for worker in self._asking.all_but(name):
                    worker.channel.say(message)

    def asked(self, what: str, seconds: float) -> "Deferred[object]":
        """Ask all workers what one wants to know within `seconds`."""
        return self._asking.everybody(what, seconds)

    def _tell(self, name: str, order: Order) -> None:
        worker = self._asking.workers.get(name)
        if worker is not None:
            worker.channel.say(Told(order))
            if not worker.is_serving and order in {"leave", "stop"}:
                worker.signal("TERM")  # while it starts it does not listen

    def _tell_all(self, order: Order) -> None:
        for name in list(self._asking.workers):
            self._tell(name, order)

    def _ended(self, worker: WorkerProcess, how: str) -> None:
        self._asking.workers.pop(worker.name, None)
        self._how = f"process {worker.pid}, {how}"
        for other in self._asking.all_but(worker.name):
            other.channel.say(HasDied(worker.pid))
        self._log.info("Worker {name} is gone: {how}.", name=worker.name, how=self._how)
        self._do(self._crew.ended(worker.name, self._now))

    def _kill(self, name: str, phase: crew.Phase) -> None:
        worker = self._asking.workers.get(name)
        if worker is not None:
            self._log.error(
                "Worker {name}, process {pid}, takes too long ({phase}): it is killed. What to do: its last lines "
                "may say what hangs.",
                name=name,
                pid=worker.pid,
                phase=phase.value,
            )
            worker.signal("KILL")

    def _say_died(self, name: str, pause: float | None) -> None:
        what = "another is started with the new ones" if pause is None else f"another is started in {pause:g} s"
        self._log.error(
            "⚠️ Worker {name} died ({how}): its live calls are over, those of the others go on. The journal closes "
            "them now; {what}. What to do: see why in its last lines, or in the kernel's log (memory).",
            name=name,
            how=self._how,
            what=what,
        )

    def _say_reloaded(self, *, is_done: bool) -> None:
        if is_done:
            self._log.info("The new workers are ready: the old ones take no more calls, and stop.")
        else:
            self._log.error(
                "⚠️ A new worker did not start: the reload is given up, and the old workers go on with the code "
                "and the settings that they have. What to do: see the worker's last lines, correct it, and send "
                "SIGHUP again."
            )

    def _give_up(self, name: str) -> None:
        self._log.critical(
            "The server could not start: worker {name} ended before it took calls ({how}). Nothing is served. "
            "What to do: see its last lines, correct it and start again.",
            name=name,
            how=self._how,
        )
        self._options.failed()
        self._reactor.callLater(0, self._stop)

    def _stop(self) -> None:
        with suppress(ReactorNotRunning):  # it stops already
            self._reactor.stop()

    def _could_not_start(self, failure: Any) -> None:
        self._log.critical(
            "The server could not start: {problem}. Nothing is served. What to do: correct it and start again.",
            problem=failure.getErrorMessage().rstrip("."),
        )
        self._options.failed()
        self._reactor.callWhenRunning(self._reactor.stop)


class _WorkerReceiver:
    """Receives what one worker says and asks."""

    def __init__(self, supervisor: Supervisor, name: str) -> None:
        self.take = partial(supervisor.hear, name)
        self.answer = supervisor.asked
