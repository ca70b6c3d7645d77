"""The ground of the end-to-end tests: the server and the Google service as processes of their own, always ended.

Everything here blocks: a test tells its story from top to bottom, and waits for conditions, never for times.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import create_engine, text

from tests.bench.load import json_lines
from voicestt.emulators.google import script
from voicestt.emulators.google.recording import Recorder, StreamRecord
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.ops import processes
from voicestt.ops.services import PUBLIC_HOST, Services, beside_python

PATIENCE = 40.0
ENDED_AS_ASKED = {0, -signal.SIGTERM}
"""twistd ends in order at SIGTERM, and then by that very signal, so that its parent knows why it ended."""

_T = TypeVar("_T")
_PREFIX = re.compile(r"^\d{4}-\S+ \[[^\]]*\] ")
_ABOUT_WORDS = {"partial", "final", "degraded", "recovered", "interrupted", "resumed", "unrecognised"}
_END_SHOWN = re.compile(r"^\d{4}-\S+ \[(CA\w+)\] .*Call ended: ", re.MULTILINE)
_FINAL_SHOWN = re.compile(r"^\d{4}-\S+ \[(CA\w+)\] 🟢 Final: (.*)\n", re.MULTILINE)


def until(found: Callable[[], _T], what: str, seconds: float = PATIENCE) -> _T:
    """Return what `found` gives as soon as it is true; fails with `what` when time is over."""
    give_up = time.monotonic() + seconds
    while not (result := found()):
        if time.monotonic() > give_up:
            raise AssertionError(f"not so within {seconds:g} s: {what}")
        time.sleep(0.02)
    return result


@dataclass(slots=True)
class Server:
    """A running server: its process, and what it writes."""

    services: Services
    process: subprocess.Popen[bytes]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def target(self) -> ServerTarget:
        """Where callers call."""
        return ServerTarget(self.services.url, PUBLIC_HOST, self.services.auth_token)

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self.services.server_port

    @property
    def output(self) -> str:
        """All it said."""
        return self.log.read_text("utf-8")

    @property
    def messages(self) -> list[str]:
        """The log's lines without time and system."""
        return [_PREFIX.sub("", line) for line in self.output.splitlines()]

    def saying(self, words: str) -> list[str]:
        """The log's lines that hold `words`."""
        return [line for line in self.messages if words in line]

    def wait_for(self, words: str, count: int = 1) -> list[str]:
        """The lines that hold `words`, when there are so many."""
        return until(
            lambda: lines if len(lines := self.saying(words)) >= count else [],
            f"{count} lines with {words!r} in:\n{self.output}",
        )

    def events(self, call: str | None = None) -> list[dict[str, Any]]:
        """The events of words and of their recognition in EVENTS_FILE, of one call or all.

        The file has a thread of its own: of a call whose end the log shows, the last words are waited for.
        """
        with contextlib.suppress(AssertionError):  # a server that was killed has not written them
            until(lambda: self.ended >= set(_END_SHOWN.findall(self.output)), "all ends", seconds=2.0)
        lines = json_lines(self.services.events_file)
        return [line for line in lines if call in {None, line["call"]} and line["kind"] in _ABOUT_WORDS]

    @property
    def ended(self) -> set[str]:
        """The calls whose end is in EVENTS_FILE."""
        return {line["call"] for line in json_lines(self.services.events_file) if line["kind"] == "call_ended"}

    def texts(self, kind: str, call: str | None = None) -> list[str]:
        """The texts of the partials or the finals."""
        return [event["text"] for event in self.events(call) if event["kind"] == kind]

    def wait_for_final(self, call: str | None = None, count: int = 1) -> list[str]:
        """The texts of the finals, when there are so many."""
        return until(
            lambda: texts if len(texts := self.texts("final", call)) >= count else [],
            f"{count} finals in:\n{self.output}",
        )

    @property
    def finals_shown(self) -> list[tuple[str, str]]:
        """CallSid and text of each final that the log shows in green; a line that a kill has cut is none."""
        return _FINAL_SHOWN.findall(self.log.read_bytes().decode("utf-8", "replace"))

    def journal(self, call: str | None = None) -> list[dict[str, Any]]:
        """The events in its journal, of one call or all, each with its `number`."""
        engine = create_engine(self.environment["JOURNAL_URL"])
        try:
            with engine.connect() as connection:
                rows = list(
                    connection.execute(text("SELECT number, payload FROM voicestt_events ORDER BY number"))
                )
        finally:
            engine.dispose()
        events = [{"number": number, **json.loads(payload)} for number, payload in rows]
        return [event for event in events if call in {None, event["call_sid"]}]

    def asked(self, *arguments: str) -> str:
        """The output of a command of `voicestt` in the server's environment."""
        command = [beside_python("voicestt"), *arguments]
        done = subprocess.run(
            command,
            cwd=self.services.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def end(self) -> int:
        """Asks it to end; its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """SIGKILL: it is gone at once, whatever it was at."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def health(self) -> dict[str, Any]:
        """The answer of /healthz; {} while nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/healthz")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        except OSError:
            return {}
        else:
            return answer
        finally:
            connection.close()


def reserved(port: int = 0) -> socket.socket:
    """While it is open, nobody gets this port of 127.0.0.1 but who asks for it by its number, also again."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind(("127.0.0.1", port))
    except OSError:
        place.close()
        raise
    return place


@contextlib.contextmanager
def running(
    command: list[str], environment: Mapping[str, str], folder: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in `folder`, where no checkout lies; gone afterwards in any case."""
    with _started("It", command, environment, folder, log) as up:
        yield up.process


@contextlib.contextmanager
def _started(
    name: str, command: list[str], environment: Mapping[str, str], folder: Path, log: Path
) -> Iterator[processes.Running]:
    """The same, with its start to be waited for; fails where it does not end when it is asked to."""
    with processes.running(name, command, environment, log, folder) as up:
        try:
            yield up
        finally:
            up.process.terminate()
            up.process.wait(15)


@contextlib.contextmanager
def running_server(folder: Path, google_port: int | None = None, **settings: str) -> Iterator[Server]:
    """The server, listening, with the Google service at `google_port` of this machine."""
    services = Services(folder) if google_port is None else Services(folder, google_port=google_port)
    environment = services.server_environment() | settings
    with reserved(services.server_port), _listening(services, environment, folder / "server.log") as server:
        yield server


@contextlib.contextmanager
def running_again(gone: Server) -> Iterator[Server]:
    """A server in the place of one that is gone: its folder, its port, its settings; the log is another."""
    log = gone.log.with_stem(f"{gone.log.stem}-again")
    with reserved(gone.port), _listening(gone.services, gone.environment, log) as server:
        yield server


@contextlib.contextmanager
def _listening(services: Services, environment: Mapping[str, str], log: Path) -> Iterator[Server]:
    command = services.server_command()
    with _started("The server", command, environment, services.folder, log) as up:
        server = Server(services, up.process, log, environment)
        up.wait_until(lambda: bool(server.saying("Listening on")))
        yield server


@contextlib.contextmanager
def google_process(folder: Path, said: Mapping[str, Any]) -> Iterator[Services]:
    """The local Google service as a process that says a script; what it received is in its `streams_file`."""
    script_file = folder / "script.json"
    script_file.write_text(json.dumps(said), "utf-8")
    services = Services(folder, script=script_file)
    log = folder / "google.log"
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with _started("The Google service", services.google_command(), environment, folder, log) as up:
        up.wait_until(lambda: b"listening on" in log.read_bytes())
        yield services


def scripted_google(said: Mapping[str, Any], faults: str | None = None) -> LocalGoogle:
    """The same in this process, where what it received can be looked at while it comes."""
    engine = ScriptEngine(script.parse(json.dumps(said)))
    return LocalGoogle(engine, recorder=Recorder(keep_audio=True), faults=faults)


def stream_with(google: LocalGoogle, pcm: bytes) -> StreamRecord:
    """The call of the service that got exactly this audio, when it has ended."""
    google.wait(lambda: any(record.audio == pcm for record in google.streams), PATIENCE)
    return next(record for record in google.streams if record.audio == pcm)


def call_process(server: Server, clip: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """`voicestt call`: the simulated Twilio caller as a command."""
    return subprocess.run(
        [beside_python("voicestt"), "call", str(clip), "--to", server.services.url, *options],
        cwd=server.services.folder,
        env=os.environ | {"PUBLIC_HOST": PUBLIC_HOST, "TWILIO_AUTH_TOKEN": server.services.auth_token},
        capture_output=True,
        text=True,
        timeout=PATIENCE + 20,
        check=False,
    )
