"""A server that answers calls on a real port and writes down everything it is told, for tests of the caller."""

# ruff: noqa: N802, N803, N815 (camelCase is Twisted's and Autobahn's)

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest_twisted  # type: ignore[import-untyped]
from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.pages import notFound
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

TWIML = """<?xml version="1.0" encoding="UTF-8"?>
<Response><Connect><Stream url="wss://demo.example/ws/twilio-media" track="inbound_track"
  statusCallback="https://demo.example/webhook/stream_status"><Parameter name="line" value="sales"/>
</Stream></Connect></Response>
"""


def response(inside: str) -> str:
    """A document of these verbs."""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>'


STREAM = '<Stream url="wss://demo.example/ws/twilio-media" statusCallback="https://demo.example/webhook/status"/>'


def nothing(_socket: "Socket", _message: dict[str, Any]) -> None:
    """The behaviour of a server that only listens."""


@dataclass
class Answering:
    """The behaviour of the server, and what it was told: `posts` are (path, headers, form).

    `documents` are TwiML by path; every other path has `twiml`.
    """

    twiml: str = TWIML
    documents: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/xml"
    webhook_code: int = 200
    status_code: int = 204
    subprotocol: str | None = None
    react: Callable[["Socket", dict[str, Any]], None] = nothing
    posts: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    oddities: list[tuple[bytes, bool]] = field(default_factory=list)
    ends: list[tuple[bool, int | None]] = field(default_factory=list)

    @staticmethod
    def understand(payload: bytes) -> dict[str, Any] | None:
        """The message, if it is a JSON object."""
        try:
            message = json.loads(payload)
        except ValueError:
            return None
        return message if isinstance(message, dict) else None

    def media(self) -> list[dict[str, Any]]:
        """The frames of audio that came."""
        return [message["media"] for message in self.messages if message["event"] == "media"]

    def events(self) -> list[str]:
        """The kinds of message that came, frames counted once."""
        kinds = [message["event"] for message in self.messages]
        return [kind for at, kind in enumerate(kinds) if kind != "media" or kinds[at - 1] != "media"]


class Socket(WebSocketServerProtocol):
    """The media socket."""

    def __init__(self, answering: Answering) -> None:
        super().__init__()
        self._answering = answering

    def onConnect(self, request: ConnectionRequest) -> str | None:
        self._answering.requests.append(self.http_request_data)
        return self._answering.subprotocol if self._answering.subprotocol in request.protocols else None

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        message = None if isBinary else self._answering.understand(payload)
        if message is None:
            self._answering.oddities.append((payload, isBinary))
            return
        self._answering.messages.append(message)
        self._answering.react(self, message)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self._answering.ends.append((wasClean, code))

    def say(self, message: dict[str, Any]) -> None:
        self.say_bytes(json.dumps(message).encode(), binary=False)

    def say_bytes(self, payload: bytes, binary: bool) -> None:
        self.sendMessage(payload, isBinary=binary)  # type: ignore[no-untyped-call]


class Webhook(Resource):
    """Any path: the TwiML, or 204 for the status callback."""

    isLeaf = True

    def __init__(self, answering: Answering) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answering = answering

    def render_POST(self, request: Request) -> bytes:
        headers = {name.decode(): value.decode() for name, value in request.getAllHeaders().items()}
        form = {name.decode(): values[0].decode() for name, values in request.args.items()}
        path = request.path.decode()
        self._answering.posts.append((path, headers, form))
        if "status" in path:
            request.setResponseCode(self._answering.status_code)
            return b""
        request.setResponseCode(self._answering.webhook_code)
        request.setHeader("content-type", self._answering.content_type)
        return self._answering.documents.get(path, self._answering.twiml).encode()

    def render_GET(self, request: Request) -> bytes:
        return self.render_POST(request)


class Factory(WebSocketServerFactory):
    """Makes the media sockets."""

    def __init__(self, answering: Answering) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answering = answering

    def buildProtocol(self, _address: object) -> Socket:
        socket = Socket(self._answering)
        socket.factory = self
        return socket


class Server:
    """The server on a free port of 127.0.0.1."""

    def __init__(self, reactor: Any, answering: Answering) -> None:
        root: Any = Resource()
        sockets: Any = Resource()
        root.putChild(b"webhook", Webhook(answering))
        root.putChild(b"ws", sockets)
        sockets.putChild(b"twilio-media", WebSocketResource(Factory(answering)))
        sockets.putChild(b"nobody", notFound())
        self._port = reactor.listenTCP(0, Site(root), interface="127.0.0.1")
        self.url = f"http://127.0.0.1:{self._port.getHost().port}"

    def close(self) -> Deferred[Any]:
        return maybeDeferred(self._port.stopListening)


def with_reactor(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Any]:
    """A test that is a coroutine and needs the reactor (pytest_twisted.ensureDeferred, with types)."""
    wrapped: Callable[..., Any] = pytest_twisted.ensureDeferred(test)
    return wrapped
