"""Listening sockets between a supervisor and a worker; here both are this process, with their own descriptors."""

# ruff: noqa: N802 (camelCase is Twisted's)

import os
import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from tests.certificates import certificate
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt.workers.sockets import OpeningReactor, in_worker, inherited, open_sockets, shared
from voicestt.workers.start import SharedSocket


class _Hello(Protocol):
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(b"hello")
        transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let it go."""


class Worker:
    """A worker that accepts on the inherited sockets of an endpoint."""

    def __init__(self, endpoint: str, ports: list[Any]) -> None:
        self.taken: list[Any] = []
        here = [shared(port) for port in ports]
        copies = [SharedSocket(os.dup(each.file), each.family) for each in here]
        self._endpoint = inherited(reactor, endpoint, copies, self.taken.append)

    async def accept(self) -> Any:
        return await self._endpoint.listen(Factory.forProtocol(_Hello))


async def stopped(*ports: Any) -> None:
    for port in ports:
        await port.stopListening()


def heard(client: socket.socket) -> bytes:
    with client:
        client.settimeout(10)
        said = b""
        while piece := client.recv(100):
            said += piece
        return said


def connected(address: Any) -> socket.socket:
    return socket.create_connection((address.host, address.port), 10)


@on_reactor
async def test_who_connects_before_a_worker_is_there_waits_and_nobody_is_lost_between_two() -> None:
    endpoint = "tcp:0:interface=127.0.0.1"
    ports = await open_sockets(reactor, endpoint)
    try:
        for _ in range(2):
            early = await deferToThread(connected, ports[0].getHost())
            worker = Worker(endpoint, ports)
            accepting = await worker.accept()
            assert worker.taken == [accepting]
            assert await deferToThread(heard, early) == b"hello"
            await stopped(accepting)
    finally:
        await stopped(*ports)


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # Twisted does
@on_reactor
async def test_tls_is_spoken_in_the_worker(tmp_path: Path) -> None:
    public, private = certificate(tmp_path, 1)
    endpoint = f"ssl:0:interface=127.0.0.1:privateKey={private}:certKey={public}"
    ports = await open_sockets(reactor, endpoint)
    accepting = await Worker(endpoint, ports).accept()

    def heard_privately() -> bytes:
        context = ssl.create_default_context(cafile=str(public))
        return heard(context.wrap_socket(connected(ports[0].getHost()), server_hostname="localhost"))

    try:
        assert await deferToThread(heard_privately) == b"hello"
    finally:
        await stopped(accepting, *ports)


@on_reactor
async def test_the_file_of_a_unix_socket_and_its_mode_are_the_supervisors(tmp_path: Path) -> None:
    path = tmp_path / "s"
    endpoint = f"unix:{path}:mode=600"
    ports = await open_sockets(reactor, endpoint)
    accepting = await Worker(endpoint, ports).accept()

    def heard_there() -> bytes:
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        return heard(client)

    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await deferToThread(heard_there) == b"hello"
        await stopped(accepting)
        accepting = await Worker(endpoint, ports).accept()
        assert await deferToThread(heard_there) == b"hello", "the next worker accepts"
    finally:
        await stopped(accepting)
        assert path.exists()
        await stopped(*ports)
    assert not path.exists()


@on_reactor
async def test_a_socket_of_systemd_is_taken_up_and_handed_on() -> None:
    endpoint = "systemd:domain=INET:index=0"
    with socket.create_server(("127.0.0.1", 0)) as given:
        given.setblocking(False)
        opening = OpeningReactor(reactor)
        opening.adoptStreamPort(given.fileno(), socket.AF_INET, None)
        accepting = await Worker(endpoint, opening.ports).accept()
        try:
            assert await deferToThread(heard, connected(accepting.getHost())) == b"hello"
        finally:
            await stopped(accepting, *opening.ports)


@pytest.mark.parametrize(
    ("endpoint", "there"),
    [
        ("tcp:5000", "tcp:5000"),
        ("systemd:domain=INET:index=0", "tcp:0"),
        ("haproxy:systemd:domain=INET6:name=https", "haproxy:tcp:0"),
        ("unix:/run/systemd.socket", "unix:/run/systemd.socket"),
    ],
)
def test_systemd_hands_its_sockets_to_the_supervisor_only(endpoint: str, there: str) -> None:
    assert in_worker(endpoint) == there
