import pytest
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.listening import SECRET, LiveServer, record
from voicestt.delivery.live.websocket import LARGEST_MESSAGE, PING_SECONDS


@pytest.fixture
def live(autobahn_clock: Clock) -> LiveServer:
    return LiveServer(autobahn_clock)


def test_each_event_is_a_message_as_it_is(live: LiveServer) -> None:
    socket = live.join_live()
    live.write(record(1, payload=b'{"a":1}'), record(2, payload='{"text":"שלום"}'.encode()))
    socket.flush()
    assert socket.client.messages == [b'{"a":1}', '{"text":"שלום"}'.encode()]
    assert live.hub.counters == {"listeners": 1, "sent": 2, "disconnected": 0}


def test_events_are_larger_than_what_clients_may_say(live: LiveServer) -> None:
    socket = live.join_live()
    large = b'{"text":"%s"}' % (b"x" * 200_000)
    live.write(record(1, payload=large))
    socket.flush()
    assert socket.client.messages == [large]


def test_the_query_and_the_header_are_understood(live: LiveServer) -> None:
    live.write(*(record(number, call_sid=f"CA{number % 2}") for number in range(1, 7)))
    socket = live.join_live(f"?access_token={SECRET}&call=CA1&after=2", headers={})
    live.write(record(7, call_sid="CA1"), record(8, call_sid="CA0"))
    socket.flush()
    assert [message[-3:-2] for message in socket.client.messages] == [b"3", b"5", b"7"]
    again = live.join_live("?after=2", headers={"Authorization": f"Bearer {SECRET}", "Last-Event-ID": "7"})
    again.flush()
    assert len(again.client.messages) == 1


def test_nothing_is_compressed(live: LiveServer) -> None:
    socket = live.join_live(perMessageCompressionOffers=[])
    assert socket.client.answer is not None
    assert socket.client.answer.extensions == []
    raw = live.ask(
        b"GET /ws/live?access_token=s3cret-token HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    )
    assert raw.startswith(b"HTTP/1.1 101")
    assert b"permessage-deflate" not in raw


@pytest.mark.parametrize(
    "origin",
    ["null", "NULL", "file://", "file:///home/x.html", "", "about:blank", "https://elsewhere.example", "["],
)
def test_whoever_has_the_token_may_come_from_anywhere(live: LiveServer, origin: str) -> None:
    socket = live.join_live(headers={"Authorization": f"Bearer {SECRET}", "Origin": origin})
    assert socket.client.is_up
    live.write(record(1))
    socket.flush()
    assert len(socket.client.messages) == 1


def test_no_origin_makes_up_for_a_token(live: LiveServer) -> None:
    socket = live.join_live(headers={"Authorization": "Bearer another", "Origin": "null"})
    assert not socket.client.is_up


def test_what_clients_say_is_ignored(live: LiveServer) -> None:
    socket = live.join_live()
    socket.say(b"hello", b"x" * LARGEST_MESSAGE)
    socket.say(b"\xff\x00", binary=True)
    live.write(record(1))
    socket.flush()
    assert len(socket.client.messages) == 1


def test_a_client_that_says_too_much_is_closed_with_1009(live: LiveServer) -> None:
    socket = live.join_live()
    socket.say(b"x" * (LARGEST_MESSAGE + 1))
    assert socket.client.closed is not None
    assert socket.client.closed[1] == 1009
    assert live.hub.counters["listeners"] == 0


def test_too_much_in_many_fragments_is_too_much(live: LiveServer) -> None:
    socket = live.join_live()
    socket.client.sendMessage(b"x" * LARGEST_MESSAGE * 2, fragmentSize=100)  # type: ignore[no-untyped-call]
    socket.flush()
    assert socket.client.closed is not None
    assert socket.client.closed[1] == 1009


def test_a_peer_is_pinged_and_lives(live: LiveServer, clock: Clock) -> None:
    socket = live.join_live()
    for _ in range(60):
        clock.advance(5.0)
        socket.flush()
    assert socket.client.pings >= 5
    assert socket.client.is_up


def test_a_dead_peer_is_ended(live: LiveServer, clock: Clock) -> None:
    socket = live.join_live()
    for _ in range(12):  # nothing is moved to the client, and nothing from it
        clock.advance(PING_SECONDS / 4)
    socket.flush()
    assert socket.client.closed is not None
    assert not socket.client.closed[0]
    assert live.hub.counters["listeners"] == 0


def test_a_client_that_goes_is_forgotten(live: LiveServer) -> None:
    leaving, lost = live.join_live(), live.join_live()
    leaving.client.sendClose(1000)
    leaving.flush()
    lost.lose()
    live.write(record(1))
    assert live.hub.counters == {"listeners": 0, "sent": 0, "disconnected": 0}


def test_what_is_published_while_it_closes_is_no_error(live: LiveServer) -> None:
    socket = live.join_live()
    socket.client.sendClose(1000)
    socket.pump.pump()
    live.write(record(1))
    socket.flush()
    assert socket.client.messages == []


@pytest.mark.parametrize("query", [f"?access_token={SECRET}", ""])
def test_autobahn_never_sees_the_token(live: LiveServer, logged: Logged, query: str) -> None:
    headers = {} if query else {"Authorization": f"Bearer {SECRET}"}
    socket = live.join_live(query + "&x=%0b%85" if query else "", headers=headers)
    live.write(record(1))
    socket.flush()
    assert len(socket.client.messages) == 1
    assert logged.matching(SECRET) == []


def test_without_an_upgrade_the_answer_is_426(live: LiveServer) -> None:
    answer = live.http("GET", "/ws/live", {"Authorization": f"Bearer {SECRET}"})
    assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")
