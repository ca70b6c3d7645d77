import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.server.listening import LiveServer, record
from tests.server.sse import Message, Reader
from voicestt.delivery.live.sse import block


@pytest.fixture
def live(autobahn_clock: Clock) -> LiveServer:
    return LiveServer(autobahn_clock)


def test_the_answer_begins_at_once_and_is_kept_by_nobody(live: LiveServer) -> None:
    stream = live.listen()
    assert stream.head.startswith("http/1.1 200 ok\r\n")
    for line in (
        "content-type: text/event-stream; charset=utf-8",
        "cache-control: no-store",
        "x-accel-buffering: no",
        "access-control-allow-origin: *",
        "transfer-encoding: chunked",
    ):
        assert line in stream.head.split("\r\n")
    assert stream.read.retry == 2_000
    assert stream.read.messages == []


def test_an_event_is_its_number_its_type_and_its_json(live: LiveServer) -> None:
    stream = live.listen()
    live.write(record(7, "final", payload='{"type":"final","text":"שלום"}'.encode()), record(8, "call_ended"))
    assert stream.read.messages == [
        Message("7", "final", '{"type":"final","text":"שלום"}'),
        Message("8", "call_ended", '{"type":"call_ended","text":"8"}'),
    ]


def test_in_http_1_0_it_comes_without_chunks(live: LiveServer) -> None:
    stream = live.listen(version="1.0")
    live.write(record(1))
    stream.flush()
    head, _, body = stream.client.received.partition(b"\r\n\r\n")
    reader = Reader()
    reader.feed(body)
    assert b"chunked" not in head
    assert [message.id for message in reader.messages] == ["1"]
    live.stop()
    stream.flush()
    assert stream.client.is_lost


def test_a_silent_stream_is_kept_alive_every_fifteen_seconds(live: LiveServer, clock: Clock) -> None:
    stream = live.listen()
    clock.advance(14.9)
    assert stream.read.comments == []
    clock.advance(0.2)
    assert stream.read.comments == ["keep-alive"]
    clock.pump([15.0] * 3)
    assert stream.read.comments == ["keep-alive"] * 4
    stream.lose()
    assert clock.getDelayedCalls() == []


def test_who_goes_is_forgotten(live: LiveServer) -> None:
    stream = live.listen()
    assert live.hub.counters["listeners"] == 1
    stream.lose()
    live.write(record(1))
    assert live.hub.counters == {"listeners": 0, "sent": 0, "disconnected": 0}


def test_head_is_the_head_and_nobody_listens(live: LiveServer) -> None:
    answer = live.http("HEAD", "/events", {"Authorization": "Bearer s3cret-token"})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert live.hub.counters["listeners"] == 0


@given(st.binary(max_size=30).filter(lambda data: data.strip(b"\r\n") != b""), st.integers(0, 2**63 - 1))
def test_whatever_the_data_a_reader_gets_it_back_line_by_line(data: bytes, number: int) -> None:
    text = data.decode("latin-1").encode()
    reader = Reader()
    reader.feed(block(record(number, payload=text)))
    (message,) = reader.messages
    assert message.id == str(number)
    assert message.data.split("\n") == [line.decode() for line in text.splitlines()]


@given(st.integers(1, 7))
def test_the_reader_of_these_tests_takes_pieces_of_any_size(size: int) -> None:
    whole = block(record(1)) + b": keep-alive\n\n" + block(record(2, "dtmf"))
    reader = Reader()
    for at in range(0, len(whole), size):
        reader.feed(whole[at : at + size])
    assert [(message.id, message.event) for message in reader.messages] == [("1", "final"), ("2", "dtmf")]
