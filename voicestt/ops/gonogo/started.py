"""Starts `twistd voicestt` as a process for checks: its log, its events, and its end.

Its calls reach nobody: it keeps its journal in its own folder, delivers no event, records nothing, and sends its
handler's requests to Twilio's REST API to an address where nobody listens.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as NoAnswerInTime

from voicestt.ops.processes import ProcessDied, ProcessReactor, WatchedProcess
from voicestt.ops.services import Services

_READY = "Listening on"
_START_SECONDS = 120.0  # the embedded recogniser loads its model first
_DELIVERIES = frozenset({"EVENTS_WEBHOOK_URL", "EVENTS_WEBHOOK_SECRET", "REDIS_URL"})
_STORE = frozenset({"RECORD_STORE", "RECORD_STORE_ENDPOINT"})
# The last one names a file that would set the others again.
_NOT_ITS_OWN = _DELIVERIES | _STORE | {"FLEET_REDIS_URL", "VOICESTT_ENV_FILE"}
_NOBODY = "http://127.0.0.1:1"
_PREFIX = re.compile(r"^\d{4}-\S+ \[(?P<system>[^\]]*)\] (?P<message>.*)$")


class ServerNotStarted(Exception):
    """The server did not start; the message carries its last lines."""


class StartedServer:
    """A server on a free port of 127.0.0.1 with the variables of `environ`; its files lie in `folder`.

    `environ` is complete: the file that VOICESTT_ENV_FILE names has been read into it.
    """

    def __init__(self, reactor: ProcessReactor, folder: Path, environ: Mapping[str, str]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._reactor = reactor
        self._services = Services(folder)
        self._environ = environ
        self._lines: list[tuple[str, str]] = []
        self._process = WatchedProcess("the server", self._take, self._die)
        self._ready = self._process.says(_READY)
        self._started = False
        self.death: ProcessDied | None = None

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._services.server_port

    @property
    def events_file(self) -> Path:
        """The server's file of partials and finals."""
        return self._services.events_file

    @property
    def control_socket(self) -> Path:
        """The control socket for `voicestt flag`: in its own folder, so that an operator's never finds it."""
        return self._services.folder / "control.socket"

    @property
    def journal_url(self) -> str:
        """The server's journal, in its own folder."""
        return f"sqlite:///{self._services.journal_file}"

    @property
    def environ(self) -> dict[str, str]:
        """The server's variables; those that lead out of its folder are replaced or left out."""
        kept = {name: value for name, value in self._environ.items() if name not in _NOT_ITS_OWN}
        return kept | {
            "EVENTS_FILE": str(self.events_file),
            "JOURNAL_URL": self.journal_url,
            "TWILIO_API_URL": _NOBODY,
            "RECORD": "off",
            "RECORD_DIR": str(self._services.folder / "recordings"),
            "SHUTDOWN_CALLS": "end",
            "SHUTDOWN_SECONDS": "0",
            "VOICESTT_SOCKET": str(self.control_socket),
            "PYTHONUNBUFFERED": "1",
        }

    async def start(self) -> None:
        """Start the server and wait until it listens; raise `ServerNotStarted`."""
        self._started = True
        self._process.start(self._reactor, self._services.server_command(), self.environ)
        try:
            await self._ready.addTimeout(_START_SECONDS, self._reactor)
        except ProcessDied as death:
            raise ServerNotStarted(str(death)) from death
        except NoAnswerInTime as late:
            raise ServerNotStarted(f"it does not listen after {_START_SECONDS:.0f} s") from late

    def stop(self) -> "Deferred[None]":
        """Stop the server; fire when it has ended."""
        return Deferred.fromCoroutine(self._stop())

    def messages(self, system: str | None = None) -> list[str]:
        """List the log's messages so far, of one call (its CallSid) or all."""
        return [message for whose, message in self._lines if system in {None, whose}]

    async def _stop(self) -> None:
        if self._started and self.death is None:
            await self._process.stop()

    def _take(self, line: str) -> None:
        found = _PREFIX.match(line)
        self._lines.append((found["system"], found["message"]) if found else ("", line))

    def _die(self, death: ProcessDied) -> None:
        self.death = death
        if not self._ready.called:
            self._ready.errback(death)
