"""A listener at `GET /events`: what it makes of what servers and proxies answer."""

import io
from http.client import HTTPResponse
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.gonogo.faulty_proxy import (
    PAGE,
    Fault,
    answer,
    faulty_proxy,
)
from tests.ops.gonogo.run_contexts import HOST
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt.delivery.live.sse import block
from voicestt.journal.port import Record
from voicestt.ops.gonogo.live_feed import LiveFeed
from voicestt.ops.gonogo.web import NoAnswer
from voicestt.ops.services import free_port

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
TOLD = [b'{"type":"call_started"}', '{"text":"שלום"}'.encode(), b'{"type":"call_ended"}']
STREAM = b"retry: 2000\n\n" + b"".join(b"id: 1\nevent: x\ndata: %s\n\n: keep-alive\n\n" % each for each in TOLD)


def chunked(data: bytes, size: int) -> bytes:
    """A body in chunks, without an end."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


async def listened(said: bytes, count: int) -> tuple[int, list[bytes]]:
    """The status, and what was told, of a server that says these bytes, when so many events have come."""
    port = faulty_proxy(reactor, 0, Fault("/", instead=said))
    feed = LiveFeed(reactor, f"http://127.0.0.1:{port.getHost().port}", HOST, "CA1", "t0ken")
    try:
        reply = await feed.open()
        await _until(lambda: len(feed.told) >= count)
        return reply.status, feed.told
    finally:
        await feed.stop()
        await port.stopListening()


async def _until(is_so: Any) -> None:
    from twisted.internet.task import deferLater

    for _ in range(500):
        if is_so():
            return
        await deferLater(reactor, 0.01)


@pytest.mark.parametrize(
    "said",
    [
        HEAD + b"Connection: close\r\n\r\n" + STREAM,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(STREAM, 7),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(STREAM.replace(b"\n", b"\r\n"), 1_000),
    ],
)
@on_reactor
async def test_events_come_however_the_answer_is_sent(said: bytes) -> None:
    assert await listened(said, 3) == (200, TOLD)


@on_reactor
async def test_another_answer_is_only_its_status() -> None:
    assert await listened(answer("401 Unauthorized", "text/plain", b"data: no\n\n"), 0) == (401, [])
    assert await listened(answer("200 OK", "text/html", PAGE), 0) == (200, [])


@on_reactor
async def test_no_server_or_a_nonsense_answer_counts_as_no_answer() -> None:
    for said in (b"what?\r\n\r\n", b""):
        with pytest.raises(NoAnswer):
            await listened(said, 0)
    nobody = LiveFeed(reactor, f"http://127.0.0.1:{free_port()}", HOST, "CA1", None)
    with pytest.raises(NoAnswer, match="refused"):
        await nobody.open()
    await nobody.stop()


@on_reactor
async def test_a_listener_that_was_told_nothing_can_be_stopped_at_any_time() -> None:
    status, told = await listened(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"retry: 2000\n\n", 100), 0
    )
    assert (status, told) == (200, [])


@given(st.lists(st.binary(min_size=1).filter(lambda payload: payload == payload.strip() and payload.isascii())))
def test_events_of_the_server_are_read_back(payloads: list[bytes]) -> None:
    texts = [payload for payload in payloads if len(payload.splitlines()) == 1]
    written = b"".join(block(Record(1, "s", 1, "final", "CA1", payload)) for payload in texts)
    feed = LiveFeed(reactor, "http://127.0.0.1:1", HOST, "CA1", None)
    feed._take_events(cast(HTTPResponse, io.BytesIO(written)))
    assert feed.told == texts


@given(st.binary())
def test_junk_is_no_event_and_no_failure(junk: bytes) -> None:
    feed = LiveFeed(reactor, "http://127.0.0.1:1", HOST, "CA1", None)
    feed._take_events(cast(HTTPResponse, io.BytesIO(junk)))
    assert all(isinstance(each, bytes) for each in feed.told)
