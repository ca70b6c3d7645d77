import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from google.cloud.speech_v1.services.speech.transports.grpc import SpeechGrpcTransport

from tests.emulators.google.client import SILENCE, audio, begin, finals, stream
from voicestt.emulators.google import script
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import CannotListen, LocalGoogle
from voicestt.emulators.google.tls_certificate import CERTIFICATE_FILE, server_context
from voicestt.emulators.google.tls_front import TlsFront

GOOGLE = "speech.googleapis.com"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def front(folder: Path) -> AsyncIterator[int]:
    """The port of a front before a server that says back what it hears."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    made = TlsFront(server.sockets[0].getsockname()[1], server_context(folder))
    try:
        yield await made.listen("127.0.0.1", 0)
    finally:
        await made.close()
        server.close()
        await asyncio.sleep(0.01)  # the server's own ends


def with_front(folder: Path, use: Callable[[int], Awaitable[None]]) -> None:
    """Run `use` with the port of a front, in a loop of its own."""

    async def main() -> None:
        async with asyncio.timeout(20), front(folder) as port:
            await use(port)

    asyncio.run(main())


def trusting(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / CERTIFICATE_FILE))
    context.set_alpn_protocols(["h2"])
    return context


async def says_back(connection: Connection) -> None:
    reader, writer = connection
    long = b"PRI * HTTP/2.0" + bytes(300_000)
    writer.write(long)
    assert await reader.readexactly(len(long)) == long
    writer.close()


async def asked_for_tunnel(port: int, head: bytes) -> tuple[bytes, Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    answer = await reader.readuntil(b"\r\n\r\n")
    return answer.partition(b"\r\n")[0], (reader, writer)


def connect(host: str) -> bytes:
    return f"CONNECT {host} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()


def test_plaintext_passes_as_it_is(tmp_path: Path) -> None:
    async def use(port: int) -> None:
        await says_back(await asyncio.open_connection("127.0.0.1", port))

    with_front(tmp_path, use)


@pytest.mark.parametrize("name", [GOOGLE, "us-central1-speech.googleapis.com", "localhost", "127.0.0.1"])
def test_tls_is_taken_for_each_name_and_speaks_http_2(tmp_path: Path, name: str) -> None:
    async def use(port: int) -> None:
        tls = trusting(tmp_path)
        connection = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
        assert connection[1].get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        await says_back(connection)

    with_front(tmp_path, use)


@pytest.mark.parametrize("name", [GOOGLE, "europe-west4-speech.googleapis.com"])
def test_a_tunnel_to_google_ends_here(tmp_path: Path, name: str) -> None:
    async def use(port: int) -> None:
        answer, (reader, writer) = await asked_for_tunnel(port, connect(f"{name}:443"))
        assert answer == b"HTTP/1.1 200 Connection established"
        await writer.start_tls(trusting(tmp_path), server_hostname=name)
        await says_back((reader, writer))

    with_front(tmp_path, use)


@pytest.mark.parametrize(
    "name", ["example.com:443", "evilspeech.googleapis.com:443", f"{GOOGLE}.example.com:443", "127.0.0.1:443"]
)
def test_it_is_no_proxy_to_anywhere_else(tmp_path: Path, name: str) -> None:
    async def use(port: int) -> None:
        answer, (reader, writer) = await asked_for_tunnel(port, connect(name))
        assert answer == b"HTTP/1.1 403 google-local stands in for speech.googleapis.com only"
        assert await reader.read() == b"Content-Length: 0\r\n\r\n"[:0]
        writer.close()

    with_front(tmp_path, use)


@pytest.mark.parametrize("head", [b"CRAZY\r\n\r\n", connect(f"{GOOGLE}:22"), b"CONNECT " + b"x" * 200_000])
def test_what_is_no_request_for_a_tunnel_is_refused(tmp_path: Path, head: bytes) -> None:
    async def use(port: int) -> None:
        answer, (_, writer) = await asked_for_tunnel(port, head)
        assert answer == b"HTTP/1.1 400 Bad Request"
        writer.close()

    with_front(tmp_path, use)


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16not TLS at all" * 10, b"CONN"])
def test_a_client_that_goes_or_stays_silent_does_no_harm(tmp_path: Path, said: bytes) -> None:
    async def use(port: int) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for _, writer in silent:
            writer.write(said)
        silent[0][1].close()
        await says_back(await asyncio.open_connection("127.0.0.1", port))
        silent[1][1].close()

    with_front(tmp_path, use)


ENGINE = ScriptEngine(script.Script((script.Utterance("שלום לך", 0.1, 0.5),)))


def heard_over_tls(folder: Path, service: LocalGoogle) -> object:
    roots = (folder / CERTIFICATE_FILE).read_bytes()
    credentials = grpc.ssl_channel_credentials(roots)
    with grpc.secure_channel(service.target, credentials) as channel:
        return stream(SpeechGrpcTransport(channel=channel), [begin(), *[audio(SILENCE)] * 4])


@pytest.mark.parametrize("faults", [None, ""])
def test_the_service_is_heard_over_tls_with_faults_and_without(tmp_path: Path, faults: str | None) -> None:
    with LocalGoogle(ENGINE, tls=tmp_path, faults=faults) as service:
        responses = heard_over_tls(tmp_path, service)
        assert isinstance(responses, list)
        assert finals(responses) == ["שלום לך"]


def test_a_connection_over_tls_can_be_cut(tmp_path: Path) -> None:
    with LocalGoogle(ENGINE, tls=tmp_path, faults="all: cut after 0.3 s of audio") as service:
        assert getattr(heard_over_tls(tmp_path, service), "code", None) == "UNAVAILABLE"


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with LocalGoogle(ENGINE) as other, pytest.raises(CannotListen, match=f"cannot listen on {other.target}"):
        LocalGoogle(ENGINE, port=other.port, tls=tmp_path).start()
