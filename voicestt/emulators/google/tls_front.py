"""TLS in front of the gRPC server, and a proxy by which clients with a fixed address come to it.

Some clients offer no other address than Google's. gRPC itself asks a proxy (`grpc_proxy` in the environment) for
a tunnel to it: this front is that proxy, and at the tunnel's other end it is Google. One port takes all three: a
request for a tunnel (CONNECT, RFC 9110, 9.3.6), TLS, and plaintext as without it.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from typing import cast

_GREETING_SECONDS = 10.0
_FAREWELL_SECONDS = 0.2  # gRPC's clients do not answer the end of TLS, and wait for that of TCP
_BLOCK = 65_536
_TLS_HANDSHAKE = b"\x16"
_CONNECT = re.compile(rb"CONNECT (?P<host>[A-Za-z0-9.-]+):443 HTTP/1\.[01]\r\n")
_SPEECH = re.compile(rb"([a-z0-9-]+-)?speech\.googleapis\.com")
_TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
_FORBIDDEN = b"HTTP/1.1 403 google-local stands in for speech.googleapis.com only\r\nContent-Length: 0\r\n\r\n"

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _NotTaken(Exception):
    """A request for a tunnel that the proxy refuses; `answer` is the response."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(answer)
        self.answer = answer


class TlsFront:
    """Takes all connections of a service, and passes them on to its plaintext port. Used on the service's loop."""

    def __init__(self, plaintext_port: int, context: ssl.SSLContext) -> None:
        self._plaintext_port = plaintext_port
        self._context = context
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._tls_port = 0

    async def listen(self, host: str, port: int) -> int:
        """Start listening and return the port; raises OSError."""
        secured = await asyncio.start_server(
            self._secured, "127.0.0.1", 0, ssl=self._context, ssl_shutdown_timeout=_FAREWELL_SECONDS
        )
        self._servers.append(secured)
        self._tls_port = _port_of(secured)
        try:
            front = await asyncio.start_server(self._greeted, host, port)
        except OSError:
            secured.close()
            raise
        self._servers.append(front)
        return _port_of(front)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        for server in self._servers:
            server.close()
        ending = tuple(self._connections)
        for connection in ending:
            connection.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _greeted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._kept(writer):
            try:
                first = await asyncio.wait_for(_greeting(reader, writer), _GREETING_SECONDS)
            except _NotTaken as refusal:
                writer.write(refusal.answer)
                return
            await self._pass_on((reader, writer), first)

    async def _secured(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._kept(writer):
            await _join((reader, writer), self._plaintext_port)

    async def _pass_on(self, client: _Stream, first: bytes) -> None:
        port = self._tls_port if first == _TLS_HANDSHAKE else self._plaintext_port
        await _join(client, port, first)

    @contextlib.asynccontextmanager
    async def _kept(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        """Keep the connection's task until it ends, however it does: a client may go, or stay silent."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.CancelledError):
                yield
        finally:
            self._connections.discard(task)
            writer.close()


async def _greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Open the tunnel if one is asked for; return the first byte of what follows. Raises `_NotTaken`."""
    first = await reader.readexactly(1)
    if not _CONNECT.pattern.startswith(first):
        return first
    try:
        head = first + await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise _NotTaken(_BAD_REQUEST) from error
    asked = _CONNECT.match(head)
    if asked is None:
        raise _NotTaken(_BAD_REQUEST)
    if not _SPEECH.fullmatch(asked["host"]):
        raise _NotTaken(_FORBIDDEN)
    writer.write(_TUNNEL)
    return await reader.readexactly(1)


async def _join(client: _Stream, port: int, first: bytes = b"") -> None:
    """Connect to `port`, and carry bytes both ways until one side ends."""
    server = await asyncio.open_connection("127.0.0.1", port)
    server[1].write(first)
    ways = [
        asyncio.ensure_future(_carry(client[0], server[1])),
        asyncio.ensure_future(_carry(server[0], client[1])),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        server[1].close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_BLOCK):
        writer.write(data)
        await writer.drain()


def _port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port
