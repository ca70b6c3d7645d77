"""GO or NO-GO from the page: `voicestt gonogo` in a process of its own, which yields to live calls.

It starts a server beside this one, on a free port and with a journal of its own, and calls that; nothing is
delivered. It runs at the lowest priority, one at a time, and is ended when it takes too long or the server stops.
"""

# ruff: noqa: N802 (camelCase is Twisted's)

import json
import shutil
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import ACCEPTED, CONFLICT, SERVICE_UNAVAILABLE

from voicestt.config.settings import BadSettings
from voicestt.ops.processes import Lines, ProcessReactor
from voicestt.page.visit import Endpoint, PageError, PageReply, Visit
from voicestt.runtime.clock import Timer
from voicestt.runtime.times import rfc3339

MOST_SECONDS: Final = 300.0
_LOWEST_PRIORITY: Final = ["nice", "-n", "19"]
_MOST_BYTES: Final = 1_000_000
_MOST_LINES: Final = 200


class Examination(ProcessProtocol):
    """A run of `voicestt gonogo --json`; `over` gets its report, None where it made none."""

    transport: IProcessTransport

    def __init__(self, reactor: ProcessReactor, over: Callable[[dict[str, Any] | None], object]) -> None:
        self.progress: deque[str] = deque(maxlen=_MOST_LINES)
        self._lines = Lines(self.progress.append)
        self._report = b""
        self._over = over
        self._limit = Timer(reactor)
        self._limit.set(MOST_SECONDS, self._too_long)

    def outReceived(self, data: bytes) -> None:
        """Take a part of the report."""
        if len(self._report) < _MOST_BYTES:
            self._report += data

    def errReceived(self, data: bytes) -> None:
        """Take progress, line by line."""
        self._lines.feed(data)

    def processEnded(self, reason: Failure) -> None:
        """Hand over the report."""
        self._limit.cancel()
        self._lines.end()
        try:
            report = json.loads(self._report)
        except (ValueError, RecursionError):
            report = None
        self._over(report if isinstance(report, dict) else None)

    def kill(self) -> None:
        """End the run."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("TERM")

    def _too_long(self) -> None:
        self.progress.append(f"It took longer than {MOST_SECONDS:.0f} s, and was ended.")
        self.kill()


class GoNoGoApi:
    """Runs examinations and keeps the last report; `environment` gives the server's variables.

    `why_not` gives a reason to run none now; `command` is a run's command line, `now` is in seconds since 1970.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: ProcessReactor,
        environment: Callable[[], Mapping[str, str]],
        now: Callable[[], float],
        why_not: Callable[[], str | None] = lambda: None,
        command: list[str] | None = None,
    ) -> None:
        self._reactor = reactor
        self._environment = environment
        self._now = now
        self._why_not = why_not
        self._command = command or examination_command()
        self._running: Examination | None = None
        self._progress: list[str] = []
        self._report: dict[str, Any] | None = None
        self._at: float | None = None

    @property
    def endpoints(self) -> list[Endpoint]:
        """The two endpoints."""
        return [Endpoint("GET", "/api/gonogo", self._show), Endpoint("POST", "/api/gonogo", self._run)]

    @property
    def is_running(self) -> bool:
        """True while an examination runs."""
        return self._running is not None

    def stop(self) -> None:
        """End what runs."""
        if self._running is not None:
            self._running.kill()

    async def _show(self, _visit: Visit) -> Mapping[str, Any]:
        running = self._running
        return {
            "running": running is not None,
            "progress": list(self._progress if running is None else running.progress),
            "report": self._report,
            "at": None if self._at is None else rfc3339(self._at),
        }

    async def _run(self, _visit: Visit) -> PageReply:
        if self._running is not None:
            raise PageError(CONFLICT, "An examination is running: its progress is shown.")
        why_not = self._why_not()
        if why_not is not None:
            raise PageError(SERVICE_UNAVAILABLE, f"Not now: {why_not}. Live calls come first.")
        try:
            environment = {**self._environment(), "PYTHONUNBUFFERED": "1"}
        except BadSettings as bad:
            raise PageError(SERVICE_UNAVAILABLE, f"The server's variables cannot be read: {bad}") from None
        examination = Examination(self._reactor, self._over)
        self._reactor.spawnProcess(examination, self._command[0], self._command, env=environment)
        self._running = examination
        self._log.info("By the page: `voicestt gonogo` examines a server beside this one, at the lowest priority.")
        return PageReply("application/json", '{"running": true}', ACCEPTED)

    def _over(self, report: dict[str, Any] | None) -> None:
        progress = [] if self._running is None else list(self._running.progress)
        self._running = None
        self._progress = progress
        self._report = report
        self._at = self._now()
        verdict = "no verdict" if report is None else str(report.get("verdict"))
        self._log.info("By the page: `voicestt gonogo` is over: {verdict}.", verdict=verdict)


def examination_command() -> list[str]:
    """Return the command line of a run, of this installation, at the lowest priority where the system has it."""
    own = [str(Path(sys.executable).parent / "voicestt"), "gonogo", "--json"]
    nice = shutil.which(_LOWEST_PRIORITY[0])
    return own if nice is None else [nice, *_LOWEST_PRIORITY[1:], *own]
