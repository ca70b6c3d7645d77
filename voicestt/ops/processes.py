"""Processes that are started and watched: `twistd voicestt`, and the local Google service beside it.

`WatchedProcess` is for code in the reactor: output is passed on line by line, and an unexpected end is reported.
`running` is for code that blocks: output goes to a file. `voicestt.ops.services` has the command lines and the
environments.
"""

# ruff: noqa: N802 (camelCase is Twisted's)

import http.client
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from voicestt.runtime.reactor import FullReactor

_LAST_LINES = 15
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0


class ProcessReactor(FullReactor, IReactorProcess):
    """Twisted's own reactor, on a system where it can start processes."""


class ProcessDied(Exception):
    """A process ended unexpectedly; the message carries its last lines."""


class ProcessNotStarted(Exception):
    """A process did not start; the message carries its last lines."""


class Lines:
    """Splits output bytes into whole lines."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take more output and pass every complete line on."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line.decode("utf-8", "replace").rstrip("\r"))

    def end(self) -> None:
        """End the output; an unfinished line counts."""
        if self._rest:
            self.feed(b"\n")


class WatchedProcess(ProcessProtocol):
    """A watched process; `on_line` takes its lines (stdout and stderr), `on_death` its unexpected end."""

    transport: IProcessTransport

    def __init__(self, name: str, on_line: Callable[[str], None], on_death: Callable[[ProcessDied], None]) -> None:
        self._name = name
        self._on_line = on_line
        self._on_death = on_death
        self._outputs = {1: Lines(self._line), 2: Lines(self._line)}
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._waiting: list[tuple[str, Deferred[None]]] = []
        self._stopping = False
        self.ended: Deferred[None] = Deferred()

    def start(self, reactor: ProcessReactor, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the process; its end before `stop` is told to `on_death`."""
        self._reactor = reactor
        reactor.spawnProcess(self, command[0], list(command), env=dict(environment))
        reactor.addSystemEventTrigger("before", "shutdown", self.kill)

    def says(self, words: str) -> Deferred[None]:
        """Fire when a line with these words has come; to be asked before `start`."""
        said: Deferred[None] = Deferred()
        self._waiting.append((words, said))
        return said

    async def stop(self) -> None:
        """Ask the process to end, wait for it, and kill it after 20 s."""
        self._stopping = True
        self._signal("TERM")
        timer = self._reactor.callLater(_STOP_SECONDS, self.kill)
        await self.ended
        if timer.active():
            timer.cancel()

    def kill(self) -> None:
        """Kill the process."""
        self._stopping = True
        self._signal("KILL")

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N803
        """Take output of the process from Twisted."""
        self._outputs[childFD].feed(data)

    def processEnded(self, reason: Failure) -> None:
        """Handle the end of the process, after all its output."""
        for output in self._outputs.values():
            output.end()
        self.ended.callback(None)
        if not self._stopping:
            self._on_death(self._died(reason))

    def _died(self, reason: Failure) -> ProcessDied:
        last = "\n".join(f"    {line}" for line in self._last_lines) or "    (it said nothing)"
        code = getattr(reason.value, "exitCode", None)
        how = f"exit code {code}" if code is not None else f"signal {getattr(reason.value, 'signal', None)}"
        return ProcessDied(f"{self._name} ended although it should not have ({how}). Its last lines:\n{last}")

    def _line(self, line: str) -> None:
        self._last_lines.append(line)
        self._on_line(line)
        for words, said in [waiting for waiting in self._waiting if waiting[0] in line]:
            self._waiting.remove((words, said))
            said.callback(None)

    def _signal(self, name: str) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(name)


def accepts(port: int) -> bool:
    """Tell whether a process listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_healthy(port: int) -> bool:
    """Tell whether the server answers GET /healthz with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Running:
    """A started process."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Wait until the process is ready; raise `ProcessNotStarted` when it dies before or takes a minute."""
        give_up = time.monotonic() + _START_SECONDS
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > give_up:
                last = "\n".join(self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
                code = self.process.poll()
                raise ProcessNotStarted(f"{self.name} did not start (exit code {code}). Its last lines:\n{last}")
            time.sleep(0.1)


@contextmanager
def running(
    name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path | None = None
) -> Iterator[Running]:
    """Run a process in `folder` that writes to `log`; end it afterwards, and kill it after 20 s."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield Running(name, process, log)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
