import hashlib
import json
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.fakes import TOKEN
from tests.server.in_memory import HOST, Answer, Server
from tests.twilio.test_twiml import WANTED
from voicestt.emulators.twilio.signatures import signature
from voicestt.server.bounded_http import BoundedSite
from voicestt.server.health import HealthReport
from voicestt.server.media_factory import media_resource
from voicestt.server.metrics.page import MetricsPage
from voicestt.server.root import Root
from voicestt.server.routes import Routes
from voicestt.twilio.placing import placed_call_url
from voicestt.twilio.signatures import SignatureCheck
from voicestt.twilio.twiml import HANG_UP

INCOMING = "/webhook/incoming_call"
STATUS = "/webhook/stream_status"
FORM = {"CallSid": "CA1", "From": "+972501234567", "To": "+972771234567", "CallStatus": "ringing"}
WEBHOOKS = [INCOMING, INCOMING + "/", STATUS, STATUS + "/"]


def signed(path: str, form: Mapping[str, str] | None = None) -> dict[str, str | bytes]:
    return {"X-Twilio-Signature": signature(TOKEN, f"https://{HOST}{path}", form)}


def post(
    server: Server, path: str, form: Mapping[str, str], headers: Mapping[str, str | bytes] | None = None
) -> Answer:
    given_headers = signed(path, form) if headers is None else headers
    body = urlencode(form).encode()
    return server.http(
        "POST", path, {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", **given_headers}, body
    )


def is_refused_in_words(answer: Answer) -> bool:
    return (answer.status, answer.headers["content-type"]) == (403, "text/plain; charset=utf-8")


@pytest.mark.parametrize("path", [INCOMING, INCOMING + "/"])
def test_an_incoming_call_is_answered_with_the_twiml(server: Server, path: str) -> None:
    for answer in (post(server, path, FORM), server.http("GET", path, signed(path))):
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"
        assert answer.headers["content-length"] == str(len(WANTED))
        assert answer.headers["transfer-encoding"] is None
        assert answer.headers["location"] is None
        assert answer.body == WANTED


def test_the_call_and_its_numbers_are_remembered(server: Server, logged: Logged) -> None:
    post(server, INCOMING, FORM)
    record = server.registry.find("CA1")
    assert (record.announced, record.caller, record.called) == (True, "+972501234567", "+972771234567")
    assert logged.matching("Incoming call announced.") != []
    assert logged.matching("972") == []


PLACED = {"CallSid": "CA1", "From": "+972771234567", "To": "+972501234567", "Direction": "outbound-api"}
LEAVES_MACHINES = placed_call_url(HOST, leaves_machines=True).removeprefix(f"https://{HOST}")


@pytest.mark.parametrize("who", ["human", "unknown", "", None])
def test_a_call_that_we_placed_is_announced_when_it_is_picked_up(
    server: Server, logged: Logged, who: str | None
) -> None:
    form = PLACED if who is None else PLACED | {"AnsweredBy": who}
    assert post(server, LEAVES_MACHINES, form).body == WANTED
    record = server.registry.find("CA1")
    assert (record.announced, record.caller, record.called) == (True, "+972771234567", "+972501234567")
    by = f" by {who}" if who else ""
    assert logged.matching(f"A call that we placed is answered{by}.") != []
    assert logged.matching("972") == []


@pytest.mark.parametrize("who", ["machine_start", "machine_end_beep", "fax"])
def test_a_call_that_is_not_for_machines_ends_where_one_picks_it_up(server: Server, who: str) -> None:
    form = PLACED | {"AnsweredBy": who}
    answer = post(server, LEAVES_MACHINES, form)
    assert (answer.status, answer.body) == (200, HANG_UP)
    assert not server.registry.find("CA1").announced
    assert post(server, INCOMING, form).body == WANTED, "and nobody else's"


def test_a_get_is_read_from_its_query(server: Server) -> None:
    path = f"{INCOMING}?{urlencode(FORM)}"
    assert server.http("GET", path, signed(path)).status == 200
    assert server.registry.find("CA1").caller == "+972501234567"


def test_without_a_call_sid_the_answer_is_the_same(server: Server) -> None:
    assert post(server, INCOMING, {"From": "+1"}).body == WANTED


def test_a_form_of_another_charset_is_no_error(server: Server) -> None:
    answer = server.http(
        "POST", INCOMING, {"Content-Type": "application/x-www-form-urlencoded"}, b"CallSid=%FF%FE&From=\xff"
    )
    assert is_refused_in_words(answer)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"CallSid": "CA1", "StreamEvent": "stream-started", "Timestamp": "x", "New": "field"}, "stream-started"),
        ({"CallSid": "CA1", "StreamEvent": "stream-error", "StreamError": "31930"}, "stream-error 31930"),
        ({"CallSid": "CA1"}, "no event"),
        ({"CallSid": "CA1", "StreamEvent": "x" * 1_000}, "x" * 200),
    ],
)
@pytest.mark.parametrize("path", [STATUS, STATUS + "/"])
def test_a_status_is_noted_and_answered_with_nothing(
    server: Server, path: str, form: dict[str, str], status: str
) -> None:
    answer = post(server, path, form)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.raw.endswith(b"\r\n\r\n")
    assert server.registry.find("CA1").statuses == [status]


def test_a_status_of_no_call_is_taken(server: Server, logged: Logged) -> None:
    assert post(server, STATUS, {"StreamEvent": "stream-stopped"}).status == 204
    assert logged.matching("Twilio's stream status: stream-stopped") != []


WRONG: dict[str, dict[str, str | bytes]] = {
    "none": {},
    "empty": {"X-Twilio-Signature": ""},
    "garbage": {"X-Twilio-Signature": "%%%"},
    "no UTF-8": {"X-Twilio-Signature": b"\xff\xfe"},
    "settings that are no UTF-8": {"X-Twilio-Signature": "x", "X-Twilio-Webhooks-Signature-Settings": b"\xff"},
    "an unknown algorithm": {
        "X-Twilio-Signature": "x",
        "X-Twilio-Webhooks-Signature-Settings": "algorithm=MD5",
    },
    "another token's": {"X-Twilio-Signature": signature("x", f"https://{HOST}{INCOMING}", FORM)},
    "another host's": {"X-Twilio-Signature": signature(TOKEN, f"https://10.0.0.7:5000{INCOMING}", FORM)},
    "of no form": {"X-Twilio-Signature": signature(TOKEN, f"https://{HOST}{INCOMING}")},
}


@pytest.mark.parametrize("path", WEBHOOKS)
@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
def test_a_wrong_signature_is_403_and_changes_nothing(
    server: Server, logged: Logged, path: str, headers: dict[str, str | bytes]
) -> None:
    answer = post(server, path, {**FORM, "StreamEvent": "stream-started"}, headers)
    assert is_refused_in_words(answer)
    record = server.registry.find("CA1")
    assert (record.announced, record.statuses) == (False, [])
    assert len(logged.matching("A webhook was refused with 403")) == 1


def test_headers_of_a_proxy_do_not_change_the_signed_url(server: Server) -> None:
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    assert post(server, INCOMING, FORM, {**signed(INCOMING, FORM), **forwarded}).status == 200


def test_a_json_body_is_signed_by_its_hash(server: Server) -> None:
    body = json.dumps({"CallSid": "CA1"}).encode()
    path = f"{STATUS}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    json_headers = {"Content-Type": "application/json"}
    assert server.http("POST", path, {**json_headers, **signed(path)}, body).status == 204
    assert is_refused_in_words(server.http("POST", path, {**json_headers, **signed(path)}, body + b" "))
    assert is_refused_in_words(server.http("POST", STATUS, {**json_headers, **signed(STATUS)}, body))


@pytest.mark.parametrize("size", [65_537, 1_000_000])
def test_a_body_that_is_too_long_is_413_in_words(server: Server, size: int) -> None:
    answer = post(server, INCOMING, {"CallSid": "x" * size})
    assert (answer.status, answer.body) == (413, b"The body is larger than 65536 bytes.\n")


def test_more_fields_than_anybody_sends_are_refused(server: Server) -> None:
    form = {f"field{number}": "" for number in range(5_001)}
    assert is_refused_in_words(post(server, INCOMING, form))


def test_where_nothing_is_validated_everybody_is_answered(autobahn_clock: Clock) -> None:
    server = Server(autobahn_clock, TWILIO_VALIDATE="false")
    assert post(server, INCOMING, FORM, {}).body == WANTED
    assert post(server, STATUS, FORM, {}).status == 204


@pytest.mark.parametrize("path", ["/healthz", "/healthz/"])
def test_health_is_json(server: Server, path: str) -> None:
    answer = server.http("GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    health = json.loads(answer.body)
    assert (health["status"], health["live_calls"], health["calls_taken"]) == ("ok", 0, 0)
    server.join()
    health = json.loads(server.http("GET", path).body)
    assert (health["status"], health["live_calls"], health["calls_taken"]) == ("ok", 1, 1)
    assert health["starts_refused"] == 0
    server.calls.stop()
    assert json.loads(server.http("GET", path).body)["status"] == "stopping"


def test_health_has_more_keys_where_others_count_too(server: Server) -> None:
    counts = {"journal": {"waiting": 3}}
    media = media_resource(server.clock, server.calls)
    report = HealthReport(server.calls, more=lambda: dict(counts))
    webhooks = Routes(HOST, SignatureCheck(TOKEN), server.registry, server.calls, media, health=report)
    server.site = BoundedSite(Root(webhooks.app.resource()), reactor=server.clock)
    health = json.loads(server.http("GET", "/healthz").body)
    assert (health["status"], health["journal"]) == ("ok", {"waiting": 3})
    assert "feed" not in health


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
def test_without_a_token_nobody_reads_the_metrics_and_the_log_says_so_once(
    server: Server, logged: Logged, path: str
) -> None:
    assert server.http("GET", path).status == 404
    media = media_resource(server.clock, server.calls)
    page = MetricsPage([], None)
    webhooks = Routes(HOST, SignatureCheck(TOKEN), server.registry, server.calls, media, metrics=page)
    server.site = BoundedSite(Root(webhooks.app.resource()), reactor=server.clock)
    for _ in range(3):
        answer = server.http("GET", path, {"Authorization": "Bearer guessed"})
        assert (answer.status, answer.body) == (404, b"There is nothing here.\n")
    (line,) = logged.matching("Somebody asked for /metrics and was answered 404")
    assert "METRICS_TOKEN" in line


@pytest.mark.parametrize("path", ["/events", "/events/", "/ws/live", "/ws/live/"])
def test_without_an_event_hub_no_listener_is_admitted(server: Server, path: str) -> None:
    for method in ("GET", "HEAD", "OPTIONS") if path.startswith("/events") else ("GET",):
        assert server.http(method, path, {"Authorization": "Bearer x"}).status == 404


@pytest.mark.parametrize("path", ["/favicon.ico", "/webhook", "/ws", "/ws/twilio-media/x", "//", "/."])
def test_an_unknown_path_is_404_in_words(server: Server, path: str) -> None:
    answer = server.http("GET", path)
    assert (answer.status, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert answer.body == b"There is nothing here.\n"


@pytest.mark.parametrize("path", ["/%FF", "/healthz%C3", "/webhook/%80%81"])
def test_a_path_that_is_no_utf_8_is_404_in_words_and_nothing_in_the_log(server: Server, path: str) -> None:
    answer = server.http("GET", path)
    assert (answer.status, answer.body) == (404, b"There is nothing here.\n")


@pytest.mark.parametrize(("method", "path"), [("PUT", INCOMING), ("DELETE", STATUS), ("POST", "/healthz")])
def test_an_unknown_method_is_answered_405_in_words(server: Server, method: str, path: str) -> None:
    answer = server.http(method, path)
    assert (answer.status, answer.headers["content-type"]) == (405, "text/plain; charset=utf-8")


def test_connections_are_kept(server: Server) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert server.ask(one + one).count(b"HTTP/1.1 200 OK") == 2


OTHER_PATHS = st.text(max_size=20).map(lambda text: "/" + quote(text))
PATHS = st.sampled_from([INCOMING, STATUS, "/ws/twilio-media"]) | OTHER_PATHS


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    path=PATHS,
    query=st.binary(max_size=20).map(quote),
    content_type=st.sampled_from(["application/x-www-form-urlencoded", "application/json", "x"]),
    body=st.binary(max_size=50),
    header=st.text(st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=20),
)
def test_whatever_a_stranger_posts_is_refused_and_never_an_error(
    server: Server, path: str, query: str, content_type: str, body: bytes, header: str
) -> None:
    headers: dict[str, str | bytes] = {
        "Content-Type": content_type,
        "X-Twilio-Signature": header.encode("latin-1"),
    }
    answer = server.http("POST", f"{path}?{query}", headers, body)
    assert answer.status in (403, 404, 405, 426)


def test_a_form_of_more_than_two_hundred_fields_is_taken(server: Server) -> None:
    assert post(server, INCOMING, {**FORM, **{f"SipHeader_X-{n}": str(n) for n in range(300)}}).body == WANTED
