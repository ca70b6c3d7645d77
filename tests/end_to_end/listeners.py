"""Listeners to the live events of a server that may go at any time: as a browser does, and by a WebSocket."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.rig import PATIENCE, Server
from tests.server.sse import Message, Reader

TOKEN = "a-token-of-the-tests"
SETTINGS = {"EVENTS_TOKEN": TOKEN}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Stream:
    """`GET /events`, until it ends; `messages` are those that came whole."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer
        self._reader = Reader()

    @property
    def messages(self) -> list[Message]:
        return list(self._reader.messages)

    @property
    def numbers(self) -> list[int]:
        """The id that a browser would remember, of each."""
        return [int(message.id) for message in self.messages]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message.data) for message in self.messages]

    def read(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):  # the server was killed
            while piece := self._answer.read1(65_536):
                self._reader.feed(piece)


@contextlib.contextmanager
def stream(server: Server, query: str = "", after: int | None = None) -> Iterator[Stream]:
    """A listener who has come; `after` is the last number that it has from before."""
    headers = BEARER if after is None else {**BEARER, "Last-Event-ID": str(after)}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request("GET", f"/events{query}", headers=headers)
    line = connection.sock
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    made = Stream(answer)
    try:
        with _reading(made.read, lambda: _hang_up(line)):
            yield made
    finally:
        connection.close()


def _hang_up(line: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the server has
        line.shutdown(socket.SHUT_RDWR)


class Socket:
    """`GET /ws/live`, until it ends with the `close_code`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.events: list[dict[str, Any]] = []
        self.close_code: int | None = None

    def read(self) -> None:
        try:
            while True:
                self.events.append(json.loads(self._connection.recv()))
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd is not None else 1006


@contextlib.contextmanager
def live_socket(server: Server, query: str = "") -> Iterator[Socket]:
    """A listener who has come."""
    with connect(f"ws://127.0.0.1:{server.port}/ws/live{query}", additional_headers=BEARER) as connection:
        made = Socket(connection)
        with _reading(made.read, connection.close):
            yield made


@contextlib.contextmanager
def _reading(read: Callable[[], None], hang_up: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=read, name="listener")
    thread.start()
    try:
        yield
    finally:
        hang_up()
        thread.join(PATIENCE)
        assert not thread.is_alive()
