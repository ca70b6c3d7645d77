"""A server with an event hub, a journal that is a list, and those who listen, in memory."""

from collections.abc import Awaitable, Callable
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory
from twisted.internet.defer import Deferred

from tests.server.in_memory import (
    HOST,
    Bytes,
    Caller,
    Joined,
    Media,
    Server,
)
from tests.server.sse import Reader, dechunked
from voicestt.delivery.live.hub import EventHub
from voicestt.journal.port import (
    EVERYTHING,
    Filter,
    Page,
    Record,
)
from voicestt.server.bounded_http import BoundedSite
from voicestt.server.media_factory import media_resource
from voicestt.server.root import Root
from voicestt.server.routes import Routes
from voicestt.twilio.signatures import SignatureCheck

SECRET = "s3cret-token"
BEARER = {"Authorization": f"Bearer {SECRET}"}


def record(number: int, kind: str = "final", call_sid: str = "CA1", payload: bytes | None = None) -> Record:
    data = b'{"type":"%s","text":"%d"}' % (kind.encode(), number) if payload is None else payload
    return Record(number, f"S{call_sid}", number, kind, call_sid, data)


def has_fired(deferred: "Deferred[Any]") -> bool:
    return bool(deferred.called)


class Journal:
    """A History in a list, and an event hub that is told of what is written."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.reads: list[tuple[int, int]] = []
        self.filters: list[Filter] = []
        self.through: int | None = None
        self.before_answer: Callable[[], Awaitable[Any]] | None = None
        self.problem: Exception | None = None

    async def since(self, number: int, limit: int, wanted: Filter = EVERYTHING) -> Page:
        self.reads.append((number, limit))
        self.filters.append(wanted)
        last = max((each.number for each in self.records), default=0)
        through = last if self.through is None else self.through
        found = [each for each in self.records if number < each.number <= through and wanted.lets_through(each)]
        page = Page(found[:limit], through, last)
        if self.before_answer is not None:
            await self.before_answer()
        if self.problem is not None:
            raise self.problem
        return page


class LiveServer(Server):
    """The server of the other tests, and an event hub."""

    def __init__(self, clock: Any, token: str | None = SECRET) -> None:
        super().__init__(clock)
        self.journal = Journal()
        self.hub = EventHub(clock, self.journal, token)
        media = media_resource(clock, self.calls)
        webhooks = Routes(HOST, SignatureCheck(None), self.registry, self.calls, media, hub=self.hub)
        self.site = BoundedSite(Root(webhooks.app.resource()), reactor=clock)

    def write(self, *records: Record) -> None:
        """These happen: they are written, then published."""
        self.journal.records.extend(records)
        self.hub.publish(records)

    def listen(self, query: str = "", version: str = "1.1", **headers: str) -> "Stream":
        """Somebody who listens by server-sent events."""
        all_headers = {**BEARER, **{name.replace("_", "-"): value for name, value in headers.items()}}
        lines = "".join(f"{name}: {value}\r\n" for name, value in all_headers.items())
        joined = Stream(self.site, Bytes(), self.clock)
        joined.say(f"GET /events{query} HTTP/{version}\r\nHost: x\r\n{lines}\r\n".encode())
        return joined

    def join_live(self, query: str = "", **options: Any) -> Media:
        """Somebody who listens by WebSocket."""
        headers = options.pop("headers", BEARER)
        factory = WebSocketClientFactory(f"ws://{HOST}/ws/live{query}", headers=headers, reactor=self.clock)
        factory.setProtocolOptions(**options)
        client = Caller()
        client.factory = factory
        return Media(self.site, client, self.clock)

    def stop(self) -> "Deferred[None]":
        return Deferred.fromCoroutine(self.hub.stop())


class Stream(Joined):
    """A connection with server-sent events on it."""

    def say(self, data: bytes) -> None:
        self.client.transport.write(data)
        self.flush()

    @property
    def channel(self) -> Any:
        """The server's end, which the transport tells of its room; the one in memory has always some."""
        return self.pump.server

    @property
    def head(self) -> str:
        head: bytes = self.client.received.partition(b"\r\n\r\n")[0]
        return head.decode().lower()

    @property
    def body(self) -> bytes:
        self.flush()
        whole, _ = dechunked(self.client.received.partition(b"\r\n\r\n")[2])
        return whole

    @property
    def is_ended(self) -> bool:
        """Whether the answer came to its end, and the connection too."""
        self.flush()
        return dechunked(self.client.received.partition(b"\r\n\r\n")[2])[1] and self.client.is_lost

    @property
    def read(self) -> Reader:
        reader = Reader()
        reader.feed(self.body)
        return reader

    @property
    def numbers(self) -> list[int]:
        """The numbers of the events that came."""
        return [int(message.id) for message in self.read.messages]
