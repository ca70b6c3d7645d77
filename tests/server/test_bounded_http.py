"""Requests of strangers, in memory: the real Site, byte by byte."""

import ssl
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.in_memory import (
    Bytes,
    Joined,
    Server,
    start,
)
from tests.server.test_routes import (
    FORM,
    INCOMING,
    post,
    signed,
)
from voicestt.server.bounded_http import MOST_AT_ONCE

KIB = 1_024
PATHS = [INCOMING, "/nothing", "/healthz", "/ws/twilio-media", "/gonogo/settings", "/events"]
FORM_TYPE = b"Content-Type: application/x-www-form-urlencoded\r\n"


def joined(server: Server) -> Joined:
    return Joined(server.site, Bytes(), server.clock)


def send(connection: Joined, data: bytes) -> None:
    connection.client.transport.write(data)
    connection.flush()


def head(method: str, path: str, *headers: bytes) -> bytes:
    return b"".join([f"{method} {path} HTTP/1.1\r\nHost: x\r\n".encode(), *headers, b"\r\n"])


def is_cut_with(connection: Joined, status: bytes) -> bool:
    received: bytes = connection.client.received
    return received.startswith(b"HTTP/1.1 " + status) and bool(connection.client.is_lost)


# -- bodies


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("digits", [b"65537", b"8000000", b"9" * 16, b"1" + b"0" * 5_000])
def test_a_great_length_is_413_before_a_byte_of_the_body_comes(server: Server, path: str, digits: bytes) -> None:
    connection = joined(server)
    send(connection, head("POST", path, FORM_TYPE, b"Content-Length: " + digits + b"\r\n"))
    assert is_cut_with(connection, b"413 ")


@pytest.mark.parametrize("path", PATHS)
def test_a_body_in_chunks_is_cut_at_its_bound(server: Server, path: str) -> None:
    connection = joined(server)
    send(connection, head("POST", path, FORM_TYPE, b"Transfer-Encoding: chunked\r\n"))
    sent = 0
    while not connection.client.is_lost:
        send(connection, b"400\r\n" + b"a=&" * 341 + b"x\r\n")
        sent += KIB
        assert sent < 70 * KIB
    assert is_cut_with(connection, b"413 ")


def test_tiny_chunks_with_long_extensions_are_cut_too(server: Server) -> None:
    connection = joined(server)
    send(connection, head("POST", INCOMING, b"Transfer-Encoding: chunked\r\n"))
    for _ in range(700):
        if not connection.client.is_lost:
            send(connection, b"1;" + b"x" * 1_000 + b"\r\nx\r\n")
    assert is_cut_with(connection, b"413 ")


def test_data_after_a_refusal_is_ignored(server: Server) -> None:
    connection = joined(server)
    send(connection, head("POST", INCOMING, b"Content-Length: 999999\r\n") + head("GET", "/healthz") * 3)
    assert connection.client.received.count(b"HTTP/1.1") == 1


def test_a_body_of_64_kib_is_taken(server: Server) -> None:
    form = {**FORM, "More": "x" * (64 * KIB - 200)}
    assert post(server, INCOMING, form).status == 200


def test_a_body_in_chunks_is_read_as_any_other(server: Server) -> None:
    connection, body = joined(server), b"CallSid=CA1"
    signature = signed(INCOMING, {"CallSid": "CA1"})["X-Twilio-Signature"]
    assert isinstance(signature, str)
    headers = (FORM_TYPE, b"Transfer-Encoding: chunked\r\n", b"X-Twilio-Signature: %s\r\n" % signature.encode())
    send(connection, head("POST", INCOMING, *headers) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert connection.client.received.startswith(b"HTTP/1.1 200")


def test_no_form_is_parsed_by_twisted(server: Server) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name*="a"\r\n\r\nb\r\n--x--\r\n'
    answer = server.http("POST", "/nothing", {"Content-Type": "multipart/form-data; boundary=x"}, body)
    assert answer.status == 404


# -- time


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"", id="nothing at all"),
        pytest.param(b"G", id="a request line without an end"),
        pytest.param(b"x: y\r\n", id="a header now and then"),
    ],
)
def test_a_request_has_ten_seconds_however_it_drips(server: Server, piece: bytes) -> None:
    connection = joined(server)
    send(connection, b"" if not piece.startswith(b"x") else b"GET / HTTP/1.1\r\n")
    for _ in range(9):
        server.clock.advance(1)
        send(connection, piece)
    assert not connection.client.is_lost
    server.clock.advance(1.1)
    connection.flush()
    assert connection.client.is_lost
    assert len(server.visitors) == 0


def test_a_body_has_what_its_head_has_left(server: Server) -> None:
    connection = joined(server)
    server.clock.advance(6)
    send(connection, head("POST", INCOMING, b"Content-Length: 100\r\n") + b"a")
    server.clock.advance(3)
    send(connection, b"a")
    assert not connection.client.is_lost
    server.clock.advance(1.1)
    connection.flush()
    assert connection.client.is_lost


def test_the_second_request_has_ten_seconds_of_its_own_and_idleness_more(server: Server, logged: Logged) -> None:
    connection = joined(server)
    server.clock.advance(9)
    send(connection, head("GET", "/healthz"))
    server.clock.advance(60)
    send(connection, head("GET", "/healthz") + b"GET")
    assert connection.client.received.count(b"HTTP/1.1 200") == 2
    server.clock.advance(76)
    connection.flush()
    assert connection.client.is_lost
    assert logged.matching("Timing out") == []


# -- number


def test_a_thousand_idle_connections_do_not_shut_out_a_webhook(autobahn_clock: Clock) -> None:
    server = Server(autobahn_clock, MAX_CONNECTIONS="50", MAX_CONNECTIONS_PER_ADDRESS="50")
    idle = [joined(server) for _ in range(200)]
    assert len(server.visitors) == 50
    assert post(server, INCOMING, FORM).status == 200
    for each in idle:
        each.flush()
    assert sum(not each.client.is_lost for each in idle) == 49


def test_calls_do_not_count_among_the_connections(autobahn_clock: Clock) -> None:
    server = Server(autobahn_clock, MAX_CONNECTIONS="10", MAX_CONNECTIONS_PER_ADDRESS="10")
    calls = [server.join() for _ in range(10)]
    assert len(server.visitors) == 10
    for number, call in enumerate(calls):
        call.say(start(f"CA{number}"))
    assert len(server.visitors) == 0
    more = [server.join() for _ in range(10)]
    assert all(each.client.is_up for each in more)
    for each in more:
        each.lose()
    assert len(server.visitors) == 0


def test_refused_handshakes_by_the_thousand_are_two_lines_and_say_who(server: Server, logged: Logged) -> None:
    """Whom a header names is not believed of somebody who is no proxy of ours."""
    for number in range(1_000):
        answer = server.ask(
            head(
                "GET",
                "/ws/twilio-media",
                b"Connection: Upgrade\r\nUpgrade: websocket\r\nX-Twilio-Signature: \x1b[2J\xe2\x80\xae\r\n",
                b"X-Forwarded-For: 10.0.%d.%d\r\n" % divmod(number, 256),
            )
        )
        assert answer.startswith(b"HTTP/1.1 403")
    assert len(logged.matching("403")) == 1
    server.clock.advance(60)
    (first, then) = logged.matching("403")
    assert "It came from unknown address." in first
    assert (
        "It happened 999 times more within a minute, at 1 addresses, most often unknown address (999)."
    ) in then
    assert "\x1b" not in "".join(logged.lines)


def test_three_hundred_calls_of_one_address_all_start(autobahn_clock: Clock, logged: Logged) -> None:
    """Behind a proxy that is not in TRUSTED_PROXIES, with the bounds as they are unless somebody sets them."""
    server = Server(autobahn_clock)
    calls = [server.join() for _ in range(300)]
    for number, call in enumerate(calls):
        call.say(start(f"CA{number}"))
    assert all(call.client.is_up for call in calls)
    assert (len(server.calls), len(server.visitors)) == (300, 0)
    assert logged.matching("closed at once") == []


def test_so_many_requests_of_one_read_are_answered_and_no_more(server: Server) -> None:
    connection = joined(server)
    send(connection, head("GET", "/healthz") * 500)
    assert connection.client.received.count(b"HTTP/1.1 200") == MOST_AT_ONCE
    assert connection.client.is_lost


# -- nothing that a client can send is an error in the log


ODD = [
    b":webhook/incoming_call",
    b"[ws/twilio-media",
    b"http://[x/",
    b"/%FF",
    b"//[x",
    b"*",
    b"/\xa0",
    b"/ws/twilio-media?[",
    b"?",
]


@pytest.mark.parametrize("method", [b"GET", b"POST", b"HEAD", b"OPTIONS", b"X"])
@pytest.mark.parametrize("target", ODD)
def test_odd_targets_are_answered_without_a_line_in_the_log(
    server: Server, logged: Logged, method: bytes, target: bytes
) -> None:
    connection = joined(server)
    send(connection, b"%s %s HTTP/1.1\r\nHost: x\r\n\r\n" % (method, target))
    assert connection.client.received[9:12] in {b"400", b"404", b"405", b"426", b"200", b"308"}
    assert logged.matching("Traceback") == []


@pytest.mark.parametrize(
    "host", ["..", "x" * 5_000, "x." * 100 + "..", "[", "a b", "\x1b[2J", ".", "xn--\xff", "x:99999999"]
)
@pytest.mark.parametrize("path", [INCOMING, "/healthz", "/ws/twilio-media"])
def test_odd_hosts_are_400_or_do_not_matter(server: Server, host: str, path: str) -> None:
    connection = joined(server)
    send(connection, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
    assert connection.client.received[9:12] in {b"400", b"403", b"426", b"200"}


LINES = [
    b"Host: x\r\n",
    b"Host: ..\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: " + b"9" * 5_000 + b"\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Content-Type: multipart/form-data; boundary=x\r\n",
    FORM_TYPE,
    b"Cookie: a=b; c\r\n",
    b"Connection: Upgrade\r\n",
    b"Upgrade: websocket\r\n",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    b"Sec-WebSocket-Version: 13\r\n",
    b"Sec-WebSocket-Version: x\r\n",
    b"Sec-WebSocket-Protocol: ,\r\n",
    b"Sec-WebSocket-Extensions: ;;=\r\n",
    b"Origin: null\r\n",
    b"Origin: http://[\r\n",
    b"X-Forwarded-For: ,x,\r\n",
    b"Authorization: Bearer x\r\n",
    b"X-Twilio-Signature: x\r\n",
    b"X-Twilio-Webhooks-Signature-Settings: algorithm=\x1b[2J\r\n",
]
PARTS = [b"GET ", b"POST ", b"PRI * ", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/2.0\r\n", b"\r\n", b"\r\n\r\n"]
PARTS += [b"\n", b"\r", b" ", b"\t", b":", b"\x00", b"\xff", b"0\r\n\r\n", b"5\r\nhello\r\n", b"a=b&c=%FF"]
PARTS += [
    b'--x\r\nContent-Disposition: form-data; name*="a"\r\n\r\n--x--',
    *ODD,
    *(path.encode() for path in PATHS),
]
TOKENS = st.sampled_from(PARTS + LINES)
TARGETS = st.binary(max_size=20).map(lambda path: b"/" + quote(path).encode())
HEADS = st.builds(
    lambda method, path, headers, rest: b"".join([method, path, b" HTTP/1.1\r\n", *headers, b"\r\n", rest]),
    st.sampled_from([b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b"PUT "]),
    st.sampled_from([path.encode() for path in PATHS] + ODD) | TARGETS,
    st.lists(st.sampled_from(LINES), max_size=8),
    st.binary(max_size=40) | TOKENS,
)
STREAMS = st.lists(TOKENS | HEADS | st.binary(max_size=30), max_size=12).map(b"".join)


@pytest.fixture
def open_server(autobahn_clock: Clock) -> Server:
    """A server that takes unsigned requests."""
    return Server(autobahn_clock, TWILIO_VALIDATE="false")


def is_quiet(server: Server, logged: Logged, data: bytes, places: list[int]) -> bool:
    """Whether `data`, in pieces, leaves nothing in the log that a stranger wrote, nor anything behind."""
    logged.events.clear()
    connection = joined(server)
    ends = [*sorted(places), len(data)]
    for begin, end in zip([0, *ends], ends, strict=False):
        if not connection.client.is_lost:
            send(connection, data[begin:end])
    if not connection.client.is_lost:
        connection.lose()
    server.clock.advance(20)
    return not logged.failures and "\x1b" not in "".join(logged.lines) and len(server.visitors) == 0


ANY_BYTES = {"data": STREAMS, "places": st.lists(st.integers(0, 500), max_size=4)}
HANDSHAKE = b"GET /ws/twilio-media HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
TWO_LENGTHS = b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\nHost: x\r\n\r\nhello"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=300)
@given(**ANY_BYTES)
@example(data=HANDSHAKE, places=[])
@example(data=TWO_LENGTHS, places=[])
def test_no_bytes_make_an_error_in_the_log(server: Server, logged: Logged, data: bytes, places: list[int]) -> None:
    assert is_quiet(server, logged, data, places)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=300)
@given(**ANY_BYTES)
@example(data=HANDSHAKE, places=[])
@example(data=TWO_LENGTHS, places=[])
def test_no_bytes_make_an_error_where_nothing_is_signed(
    open_server: Server, logged: Logged, data: bytes, places: list[int]
) -> None:
    assert is_quiet(open_server, logged, data, places)


def test_http_2_is_not_offered_for_no_bound_applies_to_it(server: Server) -> None:
    assert ssl.HAS_ALPN
    assert server.site.acceptableProtocols() == [b"http/1.1"]
