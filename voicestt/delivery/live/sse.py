"""`GET /events`: the events as they happen, as server-sent events.

    id: 123
    event: final
    data: {"type":"final",…}

Source: WHATWG, "HTML Living Standard", section 9.2, "Server-sent events".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from voicestt.delivery.live.access import FOR_EVERY_PAGE
from voicestt.delivery.live.filter import EventFilter
from voicestt.delivery.live.hub import EventHub
from voicestt.delivery.live.subscriber import STOPPING, Farewell
from voicestt.journal.port import NOWHERE, Record

_RECONNECT_MS: Final = 2_000
_PATIENCE_SECONDS: Final = 10.0
_HEADERS: Final = {
    b"content-type": b"text/event-stream; charset=utf-8",
    b"x-accel-buffering": b"no",  # nginx, before us, would collect events until its buffer is full
}
_KEEP_ALIVE: Final = b": keep-alive\n\n"


class EventStream(Resource):
    """The resource of an admitted request: a listener of `hub` until one of both ends.

    `encode` makes the bytes of an event; `headers` are those of the answer besides the stream's own.
    """

    isLeaf = True  # noqa: N815 - Twisted's

    def __init__(
        self,
        hub: EventHub,
        asked: EventFilter,
        encode: "Callable[[Record], bytes] | None" = None,
        headers: Mapping[bytes, bytes] = FOR_EVERY_PAGE,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._hub = hub
        self._asked = asked
        self._encode = encode or block
        self._headers = headers

    def render(self, request: Request) -> int:
        """Begin the answer, and add its connection to the event hub."""
        for name, value in (*self._headers.items(), *_HEADERS.items()):
            request.setHeader(name, value)
        if request.method == b"HEAD":
            request.finish()
            return NOT_DONE_YET
        request.write(b"retry: %d\n\n" % _RECONNECT_MS)  # with it go the headers
        connection = _SseConnection(self._hub.clock, request, self._encode)
        subscriber = self._hub.join(connection, self._asked)
        request.notifyFinish().addBoth(lambda _how: self._hub.leave(subscriber))
        return NOT_DONE_YET


class _SseConnection:
    """A SubscriberConnection over the answer to one request."""

    def __init__(self, clock: IReactorTime, request: Request, encode: Callable[[Record], bytes]) -> None:
        self._clock = clock
        self._request = request
        self._encode = encode

    def attach(self, producer: IPushProducer) -> None:
        self._request.registerProducer(producer, True)

    def send(self, records: Sequence[Record]) -> None:
        self._request.write(b"".join(map(self._encode, records)))

    def keep_alive(self) -> None:
        self._request.write(_KEEP_ALIVE)

    def close(self, farewell: Farewell) -> None:
        request = self._request
        channel, transport = request.channel, request.transport
        if farewell is not STOPPING:  # a browser just comes again when the server is back
            request.write(_block(farewell.event.encode(), b'{"why":"%s"}' % farewell.words.encode()))
        request.unregisterProducer()
        request.finish()
        channel.loseConnection()
        # A client that does not read this either is cut off.
        self._clock.callLater(_PATIENCE_SECONDS, _cut_off, transport)


def block(record: Record) -> bytes:
    """Encode an event as a block of the stream."""
    cursor = record.number if record.cursor is None else record.cursor
    place = b"" if cursor == NOWHERE else b"id: %d\n" % cursor
    return place + _block(record.type.encode(), record.payload)


def _block(event: bytes, data: bytes) -> bytes:
    return b"event: %s\n%s\n" % (event, b"".join(_lines(data)))


def _lines(data: bytes) -> Iterator[bytes]:
    for line in data.splitlines():
        yield b"data: %s\n" % line


def _cut_off(transport: Any) -> None:
    transport.abortConnection()
