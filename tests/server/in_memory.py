"""A whole server without a socket: the real Site and the real Autobahn on both sides, joined in memory."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPResponse
from io import BytesIO
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.types import ConnectionResponse
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.web.server import Site

from tests.recognisers.fakes import ScriptedRecogniser
from tests.server.fakes import TOKEN, Collected, settings_of
from voicestt.call.facts import CallObserver
from voicestt.call.line import Line
from voicestt.emulators.twilio.server_messages import ServerMessage, parse_server_message
from voicestt.emulators.twilio.signatures import signature
from voicestt.fleet.port import FleetLink, NoFleet
from voicestt.journal.port import FormerStreams
from voicestt.recognisers.port import CallRecogniser
from voicestt.recording.recorder import AudioRecorder
from voicestt.server.bounded_http import BoundedSite
from voicestt.server.busy import busy_answer
from voicestt.server.calls import Calls
from voicestt.server.connections import Visitors
from voicestt.server.fleet_calls import registry_of
from voicestt.server.former_streams import FormerLookup
from voicestt.server.media_factory import media_resource
from voicestt.server.returns import Returns
from voicestt.server.root import Root
from voicestt.server.routes import Routes
from voicestt.twilio import twiml
from voicestt.twilio.signatures import SignatureCheck

HOST = "voice.example.com"
MEDIA_URL = twiml.media_url(HOST)
FRAME = bytes(range(160))
NOW = 1_800_000_000.5


def event(kind: str, **fields: Any) -> bytes:
    """A message of Twilio's."""
    return json.dumps({"event": kind, "sequenceNumber": "1", "streamSid": "MZ1", **fields}).encode()


def start(call_sid: str = "CA1", **details: Any) -> bytes:
    audio = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    about = {"accountSid": "AC1", "streamSid": "MZ1", "callSid": call_sid, "tracks": ["inbound"]}
    return event("start", start={**about, "mediaFormat": audio, "customParameters": {}, **details})


def media(audio: bytes = FRAME, track: str = "inbound") -> bytes:
    payload = base64.b64encode(audio).decode()
    return event("media", media={"track": track, "chunk": "1", "timestamp": "5", "payload": payload})


CONNECTED = b'{"event":"connected","protocol":"Call","version":"1.0.0"}'
STOP = event("stop", stop={"accountSid": "AC1", "callSid": "CA1"})


class Bytes(Protocol):
    """The client's end of a plain connection."""

    def __init__(self) -> None:
        self.received = b""
        self.is_lost = False

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self.is_lost = True

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.received += data


class Caller(WebSocketClientProtocol):
    """A real Autobahn client that keeps what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: ConnectionResponse | None = None
        self.is_up = False
        self.messages: list[bytes] = []
        self.pings = 0
        self.closed: tuple[bool, int | None, str | None] | None = None

    def onConnect(self, response: ConnectionResponse) -> None:  # noqa: N802
        self.answer = response

    def onOpen(self) -> None:  # noqa: N802
        self.is_up = True

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        self.messages.append(payload)

    def onPing(self, payload: bytes) -> None:  # noqa: N802
        self.pings += 1
        super().onPing(payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: N802, N803
        self.is_up = False
        self.closed = (wasClean, code, reason)


class Joined:
    """A connection: the client, and what moves its bytes."""

    def __init__(self, site: Site, client: Any, clock: Clock) -> None:
        self.client = client
        server = site.buildProtocol(None)
        self.transport = FakeTransport(client, isServer=False)
        self.pump: IOPump = connect(
            server,
            FakeTransport(server, isServer=True),
            client,
            self.transport,
            clock=clock,
        )
        self.flush()

    def flush(self) -> None:
        self.pump.flush()

    def lose(self) -> None:
        """The network fails: no close frame, no goodbye."""
        self.transport.loseConnection()
        self.flush()


class Media(Joined):
    """A media stream as its caller has it."""

    client: Caller

    @property
    def heard(self) -> list[ServerMessage]:
        """The server's messages, as Twilio understands them."""
        return [parse_server_message(message.decode(), "MZ1") for message in self.client.messages]

    def say(self, *messages: bytes, binary: bool = False) -> None:
        for message in messages:
            self.client.sendMessage(message, binary)  # type: ignore[no-untyped-call]
        self.flush()


class Server:
    """Everything but the recogniser, the sockets and the threads; `former_streams` knows of former streams.

    `link` joins it to a fleet. A `call_recogniser` stands in the place of the scripted one.
    """

    former_streams: FormerStreams | None = None
    link: FleetLink = NoFleet()
    recorder: AudioRecorder | None = None
    call_recogniser: CallRecogniser | None = None
    seconds_left = 10.0

    def __init__(
        self,
        clock: Clock,
        greeting: bytes = b"",
        observer_of: Callable[[Line, str], CallObserver] | None = None,
        /,
        **variables: str,
    ) -> None:
        self.clock = clock
        self.settings = settings_of(**variables)
        self.registry, self.streams = registry_of(clock, self.link)
        self.recogniser = ScriptedRecogniser()
        self.observer = Collected()
        former = None if self.former_streams is None else FormerLookup(clock, self.former_streams)
        recogniser = self.call_recogniser or self.recogniser
        self.calls = Calls(
            clock,
            self.settings,
            self.registry,
            recogniser,
            self.observer,
            greeting,
            observer_of,
            former,
            self.streams,
            recorder=self.recorder,
        )
        token = self.settings.twilio_auth_token if self.settings.twilio_validate else None
        self.visitors = Visitors(
            self.settings.max_connections,
            self.settings.max_connections_per_address,
            self.settings.trusted_proxies,
        )
        media = media_resource(clock, self.calls)
        busy = busy_answer(self.settings)
        webhooks = Routes(
            HOST,
            SignatureCheck(token),
            self.registry,
            self.calls,
            media,
            visitors=self.visitors,
            busy=busy,
            returns=Returns(
                HOST,
                self.calls,
                busy,
                reconnects=self.settings.twiml_reconnect,
                former=former,
                seconds_left=lambda: self.seconds_left,
                now=lambda: NOW,
            ),
        )
        self.site: Site = BoundedSite(Root(webhooks.app.resource()), self.visitors, reactor=clock)

    def ask(self, request: bytes) -> bytes:
        """The bytes that come back for these bytes."""
        joined = Joined(self.site, Bytes(), self.clock)
        joined.client.transport.write(request)
        joined.flush()
        received: bytes = joined.client.received
        return received

    def http(
        self, method: str, path: str, headers: Mapping[str, str | bytes] | None = None, body: bytes = b""
    ) -> "Answer":
        """One HTTP request, through another name than the public one, as behind a proxy."""
        lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: 10.0.0.7:5000"]
        for name, value in (headers or {}).items():
            lines.append(name.encode() + b": " + (value.encode() if isinstance(value, str) else value))
        if body:
            lines.append(f"Content-Length: {len(body)}".encode())
        return Answer(method, self.ask(b"\r\n".join([*lines, b"", body])))

    def join(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        protocols: Sequence[str] = (),
        path: str = twiml.MEDIA,
        **options: Any,
    ) -> Media:
        """A caller's WebSocket with Twilio's headers, signed unless `headers` are given."""
        signed = {"x-twilio-signature": signature(TOKEN, MEDIA_URL)}
        factory = WebSocketClientFactory(
            f"ws://{HOST}{path}",
            protocols=list(protocols),
            useragent="Twilio.TmeWs/1.0",
            headers=dict(signed if headers is None else headers),
            reactor=self.clock,
        )
        factory.setProtocolOptions(**options)
        client = Caller()
        client.factory = factory
        return Media(self.site, client, self.clock)


class Answer:
    """An HTTP response, read by the standard library."""

    def __init__(self, method: str, raw: bytes) -> None:
        self.raw = raw
        response = HTTPResponse(_Socket(raw), method=method)  # type: ignore[arg-type]
        response.begin()
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


class _Socket:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> BytesIO:
        return BytesIO(self._raw)
