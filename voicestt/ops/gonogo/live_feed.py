"""Listens at `GET /events` during a call, as an application does."""

import http.client
import socket
from contextlib import suppress
from urllib.parse import urlencode, urlsplit

from twisted.internet.defer import Deferred, succeed

from voicestt.ops.gonogo.web import (
    NoAnswer,
    Reply,
    connection_to,
    in_thread,
    words_of,
)
from voicestt.runtime.reactor import FullReactor
from voicestt.twilio import twiml

_SILENCE_SECONDS = 60.0
"""The server says something every quarter of a minute; a proxy may hold some of it back."""

_DATA = b"data:"


class LiveFeed:
    """Listens to the events of one call at the server `url`, for the public `host`.

    `told` has their JSON in the order in which they came; a thread adds to it until `stop`.
    """

    def __init__(self, reactor: FullReactor, url: str, host: str, call_sid: str, token: str | None) -> None:
        self._reactor = reactor
        self._path = f"{urlsplit(url).path}{twiml.EVENTS}?{urlencode({'call': call_sid})}"
        self._headers = {"Host": host, "Accept": "text/event-stream"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._connection = connection_to(url)
        self._socket: socket.socket | None = None
        self._answer: http.client.HTTPResponse | None = None
        self._reading: Deferred[None] = succeed(None)
        self.told: list[bytes] = []

    async def open(self) -> Reply:
        """Ask for the events and return the answer's head; with 200 the listening begins. Raises `NoAnswer`."""
        answer = await in_thread(self._reactor, self._ask)
        if answer.status == 200:
            self._reading = Deferred.fromCoroutine(in_thread(self._reactor, lambda: self._listen(answer)))
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()})

    def stop(self) -> "Deferred[None]":
        """Disconnect; fire when the thread has ended."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # the other side has gone already
                self._socket.shutdown(socket.SHUT_RDWR)
        await self._reading
        if self._answer is not None:
            self._answer.close()
        self._connection.close()

    def _ask(self) -> http.client.HTTPResponse:
        try:
            self._connection.connect()
            # The connection drops its socket when the answer is to be its last.
            self._socket = self._connection.sock
            self._connection.request("GET", self._path, None, self._headers)
            self._answer = answer = self._connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as problem:
            self._connection.close()
            raise NoAnswer(words_of(problem)) from problem
        return answer

    def _listen(self, answer: http.client.HTTPResponse) -> None:
        assert self._socket is not None  # noqa: S101 - there is an answer
        # However the stream ends, the checks of `told` find missing events.
        with suppress(OSError, http.client.HTTPException, ValueError):
            self._socket.settimeout(_SILENCE_SECONDS)
            self._take_events(answer)

    def _take_events(self, answer: http.client.HTTPResponse) -> None:
        data: list[bytes] = []
        while line := answer.readline():
            if line.startswith(_DATA):
                data.append(line[len(_DATA) :].strip())
            elif not line.strip() and data:
                self.told.append(b"\n".join(data))
                data = []
