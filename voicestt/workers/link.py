"""A worker's side: the channel to its supervisor, the sockets that it inherited, and its load on the board."""

# ruff: noqa: N802 (camelCase is Twisted's)

import os
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.protocol import Protocol as ByteProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.runtime.clock import Timer
from voicestt.runtime.reactor import SocketReactor
from voicestt.workers.board import LoadBoard
from voicestt.workers.channel import ALL_SHARE, ANSWER_SECONDS, Channel
from voicestt.workers.fair_accept import FairAccept
from voicestt.workers.sockets import inherited
from voicestt.workers.start import WorkerStart
from voicestt.workers.wire import HasDied, IsReady, Leaves, Message, Order, Relayed, Told

ALL_SECONDS: Final = ANSWER_SECONDS / ALL_SHARE
"""Patience with the supervisor, which has patience with each worker."""

NEW_SECONDS: Final = 0.25
"""A connection counts as load for so long, because it may become a call."""

_LOOK_SECONDS: Final = 0.2


class Obedient(Protocol):
    """A server that a supervisor has started: it does what it is told, and answers what it is asked."""

    def obey(self, order: Order) -> None:
        """Do as the supervisor says."""
        ...

    def sibling_died(self, pid: int) -> None:
        """Close the calls of a sibling's process that has died."""
        ...

    def relayed(self, kind: str, news: Mapping[str, Any]) -> None:
        """Take news of a sibling."""
        ...

    def answer(self, what: str) -> object:
        """Answer a question, with what JSON can hold, or a Deferred of it."""
        ...


class WorkerLink:
    """The worker's link to its supervisor, of its `start`. `load` is set to what counts its live calls."""

    _log = Logger()

    def __init__(self, reactor: SocketReactor, start: WorkerStart) -> None:
        self.name = start.name
        self.flag = start.flag
        self.load: Callable[[], int] = lambda: 0
        self._reactor = reactor
        self._start = start
        self._board = LoadBoard(start.board)
        self._new: deque[float] = deque()
        self._timer = Timer(reactor)
        self._fair: list[FairAccept] = []
        self._server: Obedient | None = None
        self._channel = Channel(reactor, self._write, self)
        self._pipes: Any = None
        self._is_stopping = False
        for file in (start.reads, start.writes, start.board):
            os.set_inheritable(file, False)

    def start(self, server: Obedient) -> None:
        """Begin to listen to the supervisor."""
        self._server = server
        files = {"stdin": self._start.reads, "stdout": self._start.writes}
        pipes: Any = StandardIO  # whose types are those of another platform
        self._pipes = pipes(_Pipes(self._channel, self._supervisor_is_gone), **files, reactor=self._reactor)

    async def listen(self, index: int, endpoint: str, factory: IProtocolFactory) -> IListeningPort:
        """Accept on the inherited sockets of the endpoint with this index; the metrics' own is the last (-1)."""
        sockets = self._start.sockets[index]
        port: IListeningPort = await inherited(self._reactor, endpoint, sockets, self._taken).listen(factory)
        return port

    def ready(self) -> None:
        """Tell the supervisor that calls are accepted here."""
        self._channel.say(IsReady())
        self._show_load()

    def stopping(self) -> None:
        """Tell the supervisor that this worker stops, whoever told it to."""
        self._is_stopping = True
        self._channel.say(Leaves())
        self._timer.cancel()

    def relay(self, kind: str, news: dict[str, Any]) -> None:
        """Tell all siblings; those that start later are not told."""
        self._channel.say(Relayed(kind, news))

    def ask_all(self, what: str, seconds: float = ALL_SECONDS) -> "Deferred[Mapping[str, Any]]":
        """Ask all workers; fires with their answers as `workers`, by name, None for one that gave none in time.

        It fires with nothing where the supervisor does not answer.
        """
        asked = self._channel.ask(what, seconds)
        return asked.addCallback(lambda answers: answers if isinstance(answers, dict) else {})

    def take(self, message: Message) -> None:
        """Take a message of the supervisor."""
        server = self._server
        match message:
            case Told(order=order) if server is not None:
                server.obey(order)
            case HasDied(pid=pid) if server is not None:
                server.sibling_died(pid)
            case Relayed(kind=kind, news=news) if server is not None:
                server.relayed(kind, news)

    def answer(self, what: str, _seconds: float) -> object:
        """Answer a question of the supervisor's."""
        return None if self._server is None else self._server.answer(what)

    def _write(self, data: bytes) -> None:
        if self._pipes is not None:
            self._pipes.write(data)

    def _taken(self, port: Any) -> None:
        self._fair.append(FairAccept(self._reactor, port, self._is_busier, self._accepted))

    def _is_busier(self) -> bool:
        least = self._board.least_beside(self._start.cell)
        return least is not None and self._load_now() > least

    def _accepted(self) -> None:
        self._new.append(self._reactor.seconds())
        self._write_load()

    def _show_load(self) -> None:
        self._write_load()
        self._timer.set(_LOOK_SECONDS, self._show_load)

    def _write_load(self) -> None:
        if not self._is_stopping:
            self._board.write(self._start.cell, self._load_now())

    def _load_now(self) -> int:
        oldest = self._reactor.seconds() - NEW_SECONDS
        while self._new and self._new[0] < oldest:
            self._new.popleft()
        return self.load() + len(self._new)

    def _supervisor_is_gone(self) -> None:
        self._channel.close()
        if self._server is not None and not self._is_stopping:
            self._log.error(
                "The supervisor of this worker is gone: the worker stops, and its live calls may go on for "
                "SHUTDOWN_SECONDS. What to do: see why it ended, and start the server again; the port is free."
            )
            self._server.obey("leave")


class _Pipes(ByteProtocol):
    def __init__(self, channel: Channel, gone: Callable[[], object]) -> None:
        self._channel = channel
        self._gone = gone

    def dataReceived(self, data: bytes) -> None:
        self._channel.receive(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone()
