"""The two processes of a load on this machine: the scripted Google service and the measured server."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.ops.demo.services import PUBLIC_HOST, Services
from voicestt.ops.load.said import script

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_LAST_LINES = 15


class ProcessNotStarted(Exception):
    """A process did not start; the message carries its last lines."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load: its target, its process if it is here, and its files of events and streams."""

    target: ServerTarget
    pid: int | None = None
    events_file: Path | None = None
    streams_file: Path | None = None


@contextlib.contextmanager
def own_server(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Runs the real server with a scripted Google service, both on free ports of 127.0.0.1, and ends both.

    Their logs and records go to `folder`; `settings` are variables besides. Raises `ProcessNotStarted`.
    """
    services = scripted_services(folder)
    environment = services.server_environment() | dict(settings or {})
    with (
        google(services),
        running("The server", services.server_command(), environment, folder / "server.log") as up,
    ):
        up.wait_until(lambda: is_healthy(services.server_port))
        yield served_by(services, up.pid)


def scripted_services(folder: Path) -> Services:
    """Makes the layout of both processes and writes the script."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "script.json").write_text(json.dumps(script()))
    return Services(folder, script=folder / "script.json")


def served_by(services: Services, pid: int) -> Server:
    """Describes the server of these services, in process `pid`."""
    target = ServerTarget(services.url, PUBLIC_HOST, services.auth_token)
    return Server(target, pid, services.events_file, services.streams_file)


@contextlib.contextmanager
def google(services: Services) -> Iterator[None]:
    """Runs the local Google service and waits until it listens."""
    log = services.folder / "google.log"
    environment = dict(os.environ) | {"PYTHONUNBUFFERED": "1"}
    with running("The local Google service", services.google_command(), environment, log) as up:
        up.wait_until(lambda: accepts(services.google_port))
        yield


def accepts(port: int) -> bool:
    """Tells whether a process listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_healthy(port: int) -> bool:
    """Tells whether the server answers GET /healthz with 200."""
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
        """Waits until the process is ready; raises `ProcessNotStarted` when it dies before or takes a minute."""
        give_up = time.monotonic() + _START_SECONDS
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > give_up:
                last = "\n".join(self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
                code = self.process.poll()
                raise ProcessNotStarted(f"{self.name} did not start (exit code {code}). Its last lines:\n{last}")
            time.sleep(0.1)


@contextlib.contextmanager
def running(name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Running]:
    """Runs a process that writes to `log`; ends it afterwards, and kills it after 20 s."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield Running(name, process, log)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
