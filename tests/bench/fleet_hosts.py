"""A fleet on several hosts: two servers of two workers, Redis, PostgreSQL, Google's place, and a balancer."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.bench.balancer import Balancer, answers_ready
from tests.bench.hosts import Hosts
from tests.bench.rolling import HANDLER, ROOT, SAID, Member, until
from tests.postgres import Cluster
from tests.redis_server import RedisServer
from voicestt.emulators.twilio.rest_api import TwilioRestApi
from voicestt.ops.processes import running
from voicestt.ops.services import Services, beside_python, free_port

WORKERS = 2
_POSTGRES = ("shared_buffers=32MB", "max_connections=100", "fsync=off", "synchronous_commit=off")
_WORKER_LINE = re.compile(r"Worker (\d+) is started: process (\d+)\.")
_HAPROXY = """
defaults
    mode http
    timeout connect 1s
    timeout check 2s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    retries 3
    option redispatch 1
    option httpchk GET /readyz
    default-server inter 200 fall 1 rise 1
listen voicestt
    bind 127.0.0.1:{port}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedServices(Services):
    """The services of a trial on hosts of their own."""

    address: str
    google: str
    within: tuple[str, ...] = ()
    of_google: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://{self.address}:{self.server_port}"

    def google_command(self) -> list[str]:
        """Return the command line of the local Google service on its host."""
        command = [beside_python("voicestt"), "google-local", "--listen", self.google]
        return [*self.of_google, *command, "--script", str(self.script), "--record", str(self.folder / "streams")]

    def server_command(self) -> list[str]:
        """Return the command line of the server on its host."""
        listen = f"tcp:{self.server_port}:interface={self.address}"
        command = [beside_python("twistd"), "--nodaemon", "--pidfile=", "voicestt", "--listen", listen]
        return [*self.within, *command, "--workers", str(WORKERS)]


class FleetMember(Member):
    """One of the servers, and what its operator sees."""

    def health(self) -> dict[str, Any]:
        """The answer of /healthz; empty where there is none."""
        with suppress(OSError, ValueError), urlopen(f"{self.services.url}/healthz", timeout=5) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found
        return {}

    def workers(self) -> dict[str, int]:
        """The process of each worker's name."""
        return {name: int(pid) for name, pid in _WORKER_LINE.findall(self.log.read_text("utf-8"))}

    def asked(self, *arguments: str) -> str:
        """The output of a command of `voicestt` on its host. Blocks."""
        command = [*self.services.server_command()[: -len(_twistd(self))], beside_python("voicestt"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr


def _twistd(member: FleetMember) -> list[str]:
    command = member.services.server_command()
    return command[command.index(beside_python("twistd")) :]


class Watch:
    """The reasons of /healthz of all members, asked twice a second while calls go on."""

    def __init__(self, members: list[FleetMember]) -> None:
        self._members = members
        self._is_over = threading.Event()
        self.reasons: list[str] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> list[str]:
        """The reasons, without numbers, each once. Blocks."""
        self._is_over.set()
        self._thread.join()
        return self.reasons

    def _watch(self) -> None:
        while not self._is_over.wait(0.5):
            for member in self._members:
                for reason in member.health().get("reasons", []):
                    told = re.sub(r"\d+(\.\d+)?", "N", reason)
                    if told not in self.reasons:
                        self.reasons.append(told)


@dataclass
class Fleet:
    """All of it, started in order; `close` ends it in any state."""

    reactor: Any
    folder: Path
    hosts: Hosts
    shutdown_seconds: float = 25.0
    stack: ExitStack = field(default_factory=ExitStack)
    _balancer: Balancer | None = None

    async def start(self) -> None:
        """Return when both servers take calls."""
        self.stack.callback(self.hosts.close)
        self.api = TwilioRestApi()
        self.api.listen(self.reactor, interface=self.hosts.address("here"))
        (self.folder / "script.json").write_text(json.dumps(SAID))
        self._start_stores()
        google_port = free_port()
        self.members = [self._member(name, google_port) for name in ("one", "two")]
        self._start_google(self.members[0].services, google_port)
        for member in self.members:
            self.stack.callback(_end, member)
            member.start()
        self._start_balancer()
        for member in self.members:
            await self.ready(member)

    async def close(self) -> None:
        """End all."""
        try:
            if self._balancer is not None:
                await self._balancer.close()
            await self.api.close()
        finally:
            self.stack.close()

    async def ready(self, member: FleetMember) -> None:
        """Wait until it takes calls and the balancer has seen it."""
        address, port = self.hosts.address(member.services.folder.name), member.port
        await until(self.reactor, lambda: answers_ready(address, port) or member.is_gone(), "it is ready")
        assert not member.is_gone(), member.log.read_text("utf-8")
        await until(
            self.reactor, lambda: member.log.read_text("utf-8").count("is ready.") >= WORKERS, "both workers"
        )
        seen = time.monotonic() + 0.5
        await until(self.reactor, lambda: time.monotonic() > seen, "the balancer has seen it")

    def _start_stores(self) -> None:
        (self.folder / "redis").mkdir(exist_ok=True)
        self.redis = RedisServer(
            self.folder / "redis",
            keeps=False,
            options=("--protected-mode", "no"),
            address=self.hosts.address("redis"),
            within=self.hosts.within("redis"),
        )
        self.stack.enter_context(self.redis)
        self.cluster = Cluster(
            _POSTGRES, address=self.hosts.address("postgresql"), within=self.hosts.within("postgresql")
        )
        self.stack.callback(self.cluster.remove)
        self.journal = self.cluster.new_database()

    def _start_google(self, services: Services, port: int) -> None:
        environment = dict(os.environ) | {"PYTHONUNBUFFERED": "1"}
        log = self.folder / "google.log"
        up = self.stack.enter_context(running("The Google service", services.google_command(), environment, log))
        up.wait_until(lambda: _accepts(self.hosts.address("google"), port))

    def _start_balancer(self) -> None:
        ports = [member.port for member in self.members]
        addresses = [self.hosts.address(member.services.folder.name) for member in self.members]
        if shutil.which("haproxy") is None:
            self._balancer = Balancer(self.reactor, ports, addresses)
            self.balancer_port, self.balancer_name = self._balancer.port, "the tests' own balancer"
            return
        self.balancer_port, self.balancer_name = free_port(), "HAProxy"
        servers = [f"    server s{n} {addresses[n]}:{ports[n]} check" for n in range(len(ports))]
        settings = self.folder / "haproxy.cfg"
        settings.write_text(_HAPROXY.format(port=self.balancer_port) + "\n".join(servers) + "\n")
        command = ["haproxy", "-db", "-f", str(settings)]
        up = self.stack.enter_context(running("HAProxy", command, os.environ, self.folder / "haproxy.log"))
        up.wait_until(lambda: _accepts("127.0.0.1", self.balancer_port))

    def _member(self, name: str, google_port: int) -> FleetMember:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        google = self.hosts.way(name, "google", google_port)
        services = PlacedServices(
            folder,
            script=self.folder / "script.json",
            auth_token="a-token-of-the-proof",
            address=self.hosts.address(name),
            within=self.hosts.within(name),
            google=f"{self.hosts.address('google')}:{google_port}",
            of_google=self.hosts.within("google"),
        )
        return FleetMember(services, services.server_environment() | self._settings(name, google, folder))

    def _settings(self, name: str, google: str, folder: Path) -> dict[str, str]:
        postgres = self.hosts.way(name, "postgresql", self.cluster.port)
        redis = self.hosts.way(name, "redis", self.redis.port)
        return {
            "GCP_STT_ENDPOINT": google,
            "JOURNAL_URL": self.journal.replace(f"{self.cluster.address}:{self.cluster.port}", postgres),
            "FLEET_REDIS_URL": f"redis://{redis}/0",
            "EVENTS_FILE": str(folder / "events.jsonl"),
            "GREETING": "off",
            "HANDLER": HANDLER,
            "MAX_LAG_MS": "0",
            "PYTHONPATH": str(ROOT),
            "SHUTDOWN_CALLS": "move",
            "SHUTDOWN_SECONDS": f"{self.shutdown_seconds:g}",
            "TWILIO_API_URL": self.api.url,
            "TWIML_RECONNECT": "true",
            "VOICESTT_SOCKET": str(folder / "control"),
            "WHISPER_MODEL": "off",  # the audio's words are for the scripted service only
        }


def _end(member: FleetMember) -> None:
    if member.process is not None:
        member.process.terminate()
        try:
            member.process.wait(10)
        except subprocess.TimeoutExpired:
            member.process.kill()
            member.process.wait()


def _accepts(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
