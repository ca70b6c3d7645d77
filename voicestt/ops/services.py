"""The two processes of a trial: the local Google service, and the server that uses it.

Command lines and environments only: other modules start the processes.
"""

import os
import random
import secrets
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from voicestt.config.settings import variables

PUBLIC_HOST = "demo.example"
_FIRST_PORT = 10_240
_FIRST_EPHEMERAL = 32_768  # Linux's ip_local_port_range; macOS and RFC 6335 begin at 49,152
_handed_out: set[int] = set()
_chance = random.SystemRandom()  # a test's seed gives all processes the same port


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody uses now, and that the system gives to nobody who connects somewhere.

    Raises:
        OSError: nearly all are in use.
    """
    # Of the system's own ports, the next connection of any process may take one before its server has started.
    tried = _chance.sample(range(_FIRST_PORT, _FIRST_EPHEMERAL), 1_000)
    port = next(filter(_is_free, tried), None) or _one_of_the_systems()
    _handed_out.add(port)
    return port


def _is_free(port: int) -> bool:
    if port in _handed_out:  # whoever got it may not listen yet
        return False
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _one_of_the_systems() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def beside_python(name: str) -> str:
    """Return the path of a command in this installation, whatever PATH says."""
    return str(Path(sys.executable).parent / name)


@dataclass(frozen=True, slots=True)
class Services:
    """The layout of a trial: two ports of 127.0.0.1, a secret of its own, and a folder for records."""

    folder: Path
    google_port: int = field(default_factory=free_port)
    server_port: int = field(default_factory=free_port)
    auth_token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    language: str = "en-US"
    script: Path | None = None

    @property
    def events_file(self) -> Path:
        """The server's file of partials and finals: a line of JSON each."""
        return self.folder / "events.jsonl"

    @property
    def journal_file(self) -> Path:
        """The server's journal: every event, in SQLite."""
        return self.folder.resolve() / "journal.db"

    @property
    def streams_file(self) -> Path:
        """The local Google service's file of stream records: a line of JSON each."""
        return self.folder / "streams" / "streams.jsonl"

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.server_port}"

    def google_command(self) -> list[str]:
        """Return the command line of the local Google service."""
        command = [beside_python("voicestt"), "google-local", "--listen", f"127.0.0.1:{self.google_port}"]
        command += ["--record", str(self.streams_file.parent)]
        return command + (["--script", str(self.script)] if self.script else [])

    def server_command(self) -> list[str]:
        """Return the command line of the server, as in a Procfile, on loopback only."""
        listen = f"tcp:{self.server_port}:interface=127.0.0.1"
        return [beside_python("twistd"), "--nodaemon", "--pidfile=", "voicestt", "--listen", listen]

    def server_environment(self, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the server's environment; the machine's own voicestt variables are left out."""
        ours = {variable.name for variable in variables()} | {"VOICESTT_ENV_FILE"}
        kept = {name: value for name, value in environment.items() if name not in ours}
        return kept | {
            "PUBLIC_HOST": PUBLIC_HOST,
            "TWILIO_AUTH_TOKEN": self.auth_token,
            "ENABLE_STREAMING_STT": "true",
            "GCP_STT_ENDPOINT": f"127.0.0.1:{self.google_port}",
            "GCP_STT_INSECURE": "true",
            "GCP_STT_LANGUAGE": self.language,
            "EVENTS_FILE": str(self.events_file),
            "JOURNAL_URL": f"sqlite:///{self.journal_file}",
            "SHUTDOWN_SECONDS": "0",
            "PYTHONUNBUFFERED": "1",
        }
