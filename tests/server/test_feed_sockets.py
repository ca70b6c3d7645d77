"""The live events over real connections: the standard library's HTTP client, and the `websockets` library's."""

import http.client
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.emulators.twilio.answering import with_reactor
from tests.server.listening import (
    BEARER,
    SECRET,
    LiveServer,
    record,
)
from tests.server.sse import Message, Reader

reactor: Any = installed_reactor
T = TypeVar("T")
PATIENCE = 30.0


class Running:
    """The server on a port of 127.0.0.1."""

    def __init__(self) -> None:
        self.server = LiveServer(reactor)
        self.listening: IListeningPort = reactor.listenTCP(0, self.server.site, interface="127.0.0.1")
        self.port: int = self.listening.getHost().port

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(int(PATIENCE / 0.01)):
            if condition():
                return
            await deferLater(reactor, 0.01)
        raise AssertionError("it never came about")

    async def listeners(self, count: int) -> None:
        await self.until(lambda: self.server.hub.counters["listeners"] == count)

    async def stop(self) -> None:
        await deferLater(reactor, 0, self.listening.stopListening)
        await Deferred.fromCoroutine(self.server.hub.stop())


@asynccontextmanager
async def running() -> AsyncIterator[Running]:
    server = Running()
    try:
        yield server
    finally:
        await server.stop()


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    result: T = await deferToThread(function, *arguments)
    return result


@contextmanager
def requested(port: int, query: str = "", headers: dict[str, str] | None = None) -> Iterator[Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", f"/events{query}", headers=BEARER if headers is None else headers)
        yield connection.getresponse()
    finally:
        connection.close()


def read_until(response: http.client.HTTPResponse, reader: Reader, count: int) -> list[Message]:
    """Reads as the bytes come, until there are so many messages or the stream ends."""
    while len(reader.messages) < count and (piece := response.read1(1_000)):
        reader.feed(piece)
    return reader.messages


def read_to_the_end(port: int, query: str = "", headers: dict[str, str] | None = None) -> list[Message]:
    with requested(port, query, headers) as response:
        return read_until(response, Reader(), 1_000_000_000)


def hear(port: int, count: int, **options: Any) -> list[str]:
    with connect(f"ws://127.0.0.1:{port}/ws/live", additional_headers=BEARER, **options) as connection:
        return [str(connection.recv(PATIENCE)) for _ in range(count)]


def close_code(connection: ClientConnection) -> int | None:
    try:
        while True:
            connection.recv(PATIENCE)
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code


@with_reactor
async def test_events_come_as_they_happen_and_again_from_where_they_broke_off() -> None:
    async with running() as it:

        def listen(count: int, headers: dict[str, str]) -> list[Message]:
            with requested(it.port, headers={**BEARER, **headers}) as response:
                assert response.status == 200
                return list(read_until(response, Reader(), count))

        first = deferToThread(listen, 3, {})
        await it.listeners(1)
        it.server.write(record(1), record(2))
        it.server.write(record(3))
        before = await first
        await it.listeners(0)
        it.server.write(record(4), record(5), record(6))
        second = deferToThread(listen, 5, {"Last-Event-ID": before[-1].id})
        await it.listeners(1)
        it.server.write(record(7), record(8))
        assert [int(message.id) for message in before + await second] == [1, 2, 3, 4, 5, 6, 7, 8]


@with_reactor
async def test_websockets_hear_the_same() -> None:
    async with running() as it:
        heard = deferToThread(hear, it.port, 3)
        await it.listeners(1)
        it.server.write(record(1), record(2, "dtmf"), record(3, payload=b'{"text":"%s"}' % (b"x" * 100_000)))
        first, second, third = (json.loads(message) for message in await heard)
        assert (first["type"], second["type"], len(third["text"])) == ("final", "dtmf", 100_000)


@with_reactor
async def test_a_browser_s_token_is_in_the_query() -> None:
    async with running() as it:

        def listen() -> str:
            with connect(f"ws://127.0.0.1:{it.port}/ws/live?access_token={SECRET}&types=dtmf") as connection:
                return str(connection.recv(PATIENCE))

        heard = deferToThread(listen)
        await it.listeners(1)
        it.server.write(record(1), record(2, "dtmf"))
        assert json.loads(await heard)["text"] == "2"


@with_reactor
async def test_without_the_token_the_socket_is_refused_with_401() -> None:
    async with running() as it:

        def knock() -> int:
            connection = http.client.HTTPConnection("127.0.0.1", it.port, timeout=PATIENCE)
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
            connection.request("GET", "/ws/live?access_token=x", headers=upgrade)
            status = connection.getresponse().status
            connection.close()
            return status

        assert await in_thread(knock) == 401


def silent(port: int, request: bytes) -> socket.socket:
    """A connection of somebody who asks and never reads."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request)
    return connection


STREAM = f"GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n\r\n".encode()
SOCKET = (
    f"GET /ws/live?access_token={SECRET} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()


@with_reactor
async def test_listeners_that_do_not_read_are_sent_away_and_cost_the_others_nothing() -> None:
    async with running() as it:
        deaf = [silent(it.port, STREAM), silent(it.port, SOCKET)]
        await it.listeners(2)
        quick = deferToThread(read_to_the_end, it.port)
        await it.listeners(3)
        number = 0
        while it.server.hub.counters["disconnected"] < 2:
            number += 1
            it.server.write(record(number, payload=b"x" * 20_000))
            await deferLater(reactor, 0.001)
            assert number < 5_000
        await it.until(lambda: it.server.hub.counters["listeners"] == 1)
        stopped = Deferred.fromCoroutine(it.server.hub.stop())
        assert [message.id for message in await quick] == [str(each) for each in range(1, number + 1)]
        await stopped
        for connection in deaf:
            connection.close()


@with_reactor
async def test_a_slow_listener_is_told_why_and_goes_on_where_it_was() -> None:
    async with running() as it:
        connection = silent(it.port, STREAM)
        await it.listeners(1)
        number = 0
        while not it.server.hub.counters["disconnected"]:
            number += 1
            it.server.write(record(number, payload=b"x" * 20_000))
            await deferLater(reactor, 0.001)

        def read_late() -> list[Message]:
            with connection, http.client.HTTPResponse(connection, method="GET") as response:
                response.begin()
                return read_until(response, Reader(), 1_000_000)

        *told, farewell = await in_thread(read_late)
        assert farewell.event == "overflow"
        assert [message.id for message in told] == [str(each) for each in range(1, int(farewell.id) + 1)]
        rest = deferToThread(read_to_the_end, it.port, f"?after={farewell.id}")
        await it.listeners(1)
        await it.until(lambda: it.server.hub.counters["sent"] == number)
        await it.server.hub.stop()
        assert [message.id for message in await rest] == [
            str(each) for each in range(int(farewell.id) + 1, number + 1)
        ]


@with_reactor
async def test_at_the_server_s_end_every_connection_ends_properly() -> None:
    async with running() as it:

        def listen() -> int | None:
            with connect(f"ws://127.0.0.1:{it.port}/ws/live", additional_headers=BEARER) as connection:
                return close_code(connection)

        stream, code = deferToThread(read_to_the_end, it.port), deferToThread(listen)
        await it.listeners(2)
        it.server.write(record(1))
        await it.server.hub.stop()
        assert [message.id for message in await stream] == ["1"]
        assert await code == 1001
