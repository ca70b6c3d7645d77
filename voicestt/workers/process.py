"""A worker's process as its supervisor sees it: its channel, its output, its end."""

# ruff: noqa: N802, N803 (camelCase is Twisted's)

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from voicestt.runtime.reactor import SocketReactor
from voicestt.workers.board import ABSENT, LoadBoard
from voicestt.workers.channel import Channel, ChannelReceiver
from voicestt.workers.sockets import shared
from voicestt.workers.start import VARIABLE, SharedSocket, WorkerStart, written

_WRITES, _READS, _BOARD, _FIRST_SOCKET = 3, 4, 5, 6  # descriptors in the worker
_FOR_ANOTHER: Final = frozenset({"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"})
"""Variables that are meant for the supervisor's process."""


class SupervisingReactor(SocketReactor, IReactorProcess):
    """Twisted's own reactor, on a system where it can start processes."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The command line of a worker; `environ` is the supervisor's own environment.

    `output` is given the lines that a worker writes; None: it writes where the supervisor does.
    """

    command: Sequence[str]
    environ: Mapping[str, str]
    output: Callable[[bytes], object] | None = None


class WorkerProcess(ProcessProtocol):
    """A worker's process; `receiver` takes what it says, `ended` is told how it ended, in words."""

    transport: IProcessTransport

    def __init__(
        self,
        reactor: SupervisingReactor,
        name: str,
        receiver: ChannelReceiver,
        ended: Callable[["WorkerProcess", str], object],
    ) -> None:
        self.name = name
        self.pid = 0
        self.is_serving = False
        self.channel = Channel(reactor, self._write, receiver)
        self._reactor = reactor
        self._ended = ended
        self._output: Callable[[bytes], object] = _nowhere
        self._board: LoadBoard | None = None
        self._rest = {1: b"", 2: b""}

    def start(
        self, line: CommandLine, ports: Sequence[Sequence[Any]], board: LoadBoard, flag: bool | None
    ) -> None:
        """Start the process, with the sockets of `ports` for each endpoint."""
        files, sockets = self._descriptors(ports)
        start = WorkerStart(self.name, _READS, _WRITES, _BOARD, sockets, flag)
        environ = {name: value for name, value in line.environ.items() if name not in _FOR_ANOTHER}
        given: dict[int, Any] = {0: 0, 1: 1, 2: 2, _WRITES: "r", _READS: "w", _BOARD: board.file, **files}
        if line.output is not None:
            self._output = line.output
            given |= {1: "r", 2: "r"}
        self._board = board
        process = self._reactor.spawnProcess(
            self, line.command[0], list(line.command), {**environ, VARIABLE: written(start)}, None, childFDs=given
        )
        self.pid = process.pid

    def signal(self, name: str) -> None:
        """Send a signal, if the process is still there."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(name)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Take what the worker says, or writes to its log."""
        if childFD == _WRITES:
            self.channel.receive(data)
            return
        lines, newline, self._rest[childFD] = (self._rest[childFD] + data).rpartition(b"\n")
        if newline:
            self._output(lines + newline)

    def processEnded(self, reason: Failure) -> None:
        """Note the end, after all that the process has said."""
        self.channel.close()
        if self._board is not None:
            self._board.write(int(self.name), ABSENT)
        for rest in filter(None, self._rest.values()):
            self._output(rest + b"\n")
        self._ended(self, _in_words(reason))

    def _write(self, data: bytes) -> None:
        if self.pid:
            with suppress(KeyError):  # the worker has closed its end
                self.transport.writeToChild(_READS, data)

    @staticmethod
    def _descriptors(ports: Sequence[Sequence[Any]]) -> tuple[dict[int, int], list[list[SharedSocket]]]:
        files: dict[int, int] = {}
        sockets: list[list[SharedSocket]] = []
        for some in ports:
            sockets.append([])
            for port in some:
                here, there = shared(port), _FIRST_SOCKET + len(files)
                files[there] = here.file
                sockets[-1].append(SharedSocket(there, here.family))
        return files, sockets


def _nowhere(_lines: bytes) -> None:
    """Drop lines: the worker writes where the supervisor does."""


def _in_words(reason: Failure) -> str:
    code, number = getattr(reason.value, "exitCode", None), getattr(reason.value, "signal", None)
    return f"signal {number}" if code is None else f"exit code {code}"
