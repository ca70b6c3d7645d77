"""The two processes of a load on this machine: the scripted Google service and the measured server."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.ops.load.said import script
from voicestt.ops.processes import accepts, is_healthy, running
from voicestt.ops.services import PUBLIC_HOST, Services


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load: its target, its process if it is here, and its files of events and streams."""

    target: ServerTarget
    pid: int | None = None
    events_file: Path | None = None
    streams_file: Path | None = None


@contextlib.contextmanager
def own_server(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run the real server with a scripted Google service, both on free ports of 127.0.0.1, and end both.

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
    """Make the layout of both processes and write the script."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "script.json").write_text(json.dumps(script()))
    return Services(folder, script=folder / "script.json")


def served_by(services: Services, pid: int) -> Server:
    """Describe the server of these services, in process `pid`."""
    target = ServerTarget(services.url, PUBLIC_HOST, services.auth_token)
    return Server(target, pid, services.events_file, services.streams_file)


@contextlib.contextmanager
def google(services: Services) -> Iterator[None]:
    """Run the local Google service and wait until it listens."""
    log = services.folder / "google.log"
    environment = dict(os.environ) | {"PYTHONUNBUFFERED": "1"}
    with running("The local Google service", services.google_command(), environment, log) as up:
        up.wait_until(lambda: accepts(services.google_port))
        yield
