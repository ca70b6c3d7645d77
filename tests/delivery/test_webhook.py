import hashlib
import hmac
import json
import socket
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError
from twisted.internet.defer import Deferred, gatherResults

from tests.conftest import Logged
from tests.delivery.fakes import record
from tests.delivery.receiver import (
    OwnCertificate,
    bytes_only,
    never,
    receiving,
    status,
)
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from voicestt.delivery.sender import Arrived, DeliveryFailed, Outcome
from voicestt.delivery.webhook import (
    LONGEST_SECONDS,
    Webhook,
    seconds_after,
    signed,
)

KEY = b"0123456789abcdef0123456789abcdef"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def posting(url: str, **options: Any) -> AsyncIterator[Webhook]:
    webhook = Webhook(reactor, url, [KEY], **options)
    webhook.start()
    try:
        yield webhook
    finally:
        await soon(Deferred.fromCoroutine(webhook.stop()))


def post(webhook: Webhook, session: str = "a", sequence: int = 1, text: str = "שלום") -> Deferred[Outcome]:
    async def one() -> Outcome:
        (outcome,) = await webhook.carry([record(session, sequence, text=text)])
        return outcome

    return soon(Deferred.fromCoroutine(one()))


async def failure(webhook: Webhook) -> DeliveryFailed:
    outcome = await post(webhook)
    assert isinstance(outcome, DeliveryFailed)
    assert "secret" not in outcome.why
    return outcome


async def outcome_of(answer: bytes | None, **how: bool) -> Outcome:
    async with bytes_only(answer, **how) as receiver, posting(receiver.url, answer_seconds=0.3) as webhook:
        return await post(webhook)


@on_reactor
async def test_an_event_is_posted_as_it_is_in_the_journal_and_its_signature_holds() -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:
        assert await post(webhook, "a", 7, "שלום, מה נשמע?") == Arrived(204)
    ((headers, body),) = receiver.posts
    assert body == record("a", 7, text="שלום, מה נשמע?").payload
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == str(len(body))
    assert headers["user-agent"].startswith("voicestt/")
    assert headers["webhook-id"] == "a-000007" == json.loads(body)["id"]
    assert StandardWebhook(KEY).verify(body, headers)["text"] == "שלום, מה נשמע?"
    assert receiver.targets == ["/hook?token=secret"]


@on_reactor
async def test_an_address_without_a_path_is_asked_for_the_root() -> None:
    async with receiving(path="?token=secret") as receiver, posting(receiver.url) as webhook:
        assert await post(webhook) == Arrived(204)
    assert receiver.targets == ["/?token=secret"]


@on_reactor
async def test_a_repeat_has_the_same_id_and_a_signature_of_its_own_time() -> None:
    times = iter([1_700_000_000.9, 1_700_000_060.0])
    async with receiving() as receiver, posting(receiver.url, now=lambda: next(times)) as webhook:
        for _ in range(2):
            await post(webhook)
    (first, _), (second, _) = receiver.posts
    assert first["webhook-id"] == second["webhook-id"]
    assert [first["webhook-timestamp"], second["webhook-timestamp"]] == ["1700000000", "1700000060"]
    assert first["webhook-signature"] != second["webhook-signature"]


@on_reactor
async def test_a_connection_serves_again_and_the_log_stays_quiet(logged: Logged) -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:
        for sequence in range(3):
            await post(webhook, sequence=sequence + 1)
    assert len(receiver.connections) == 1
    assert not logged.matching("factory")


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
@on_reactor
async def test_any_2xx_is_an_arrival(code: int) -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:
        receiver.answer = status(code)
        assert await post(webhook) == Arrived(code, "" if code == 204 else "an answer")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (408, "it answered 408 Request Timeout"),
        (425, "it answered 425 Too Early"),
        (500, "it answered 500 Internal Server Error"),
        (503, "it answered 503 Service Unavailable"),
        (599, "it answered 599"),
    ],
)
@on_reactor
async def test_another_answer_is_a_failure_that_proves_nothing_about_other_events(code: int, words: str) -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:
        receiver.answer = status(code)
        assert await failure(webhook) == DeliveryFailed(words, status=code, answer="an answer")


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 413, 422, 499])
@on_reactor
async def test_a_refusal_is_one(code: int) -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:
        receiver.answer = status(code)
        failed = await failure(webhook)
    assert (failed.is_refusal, failed.is_whole, failed.is_gone) == (True, False, False)
    assert failed.why.startswith(f"it answered {code}")


@on_reactor
async def test_gone_is_for_good() -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:
        receiver.answer = status(410)
        assert await failure(webhook) == DeliveryFailed(
            "it answered 410 Gone", is_gone=True, status=410, answer="an answer"
        )


@on_reactor
async def test_while_a_secret_is_changed_both_verify() -> None:
    other = b"f" * 32
    async with receiving() as receiver:
        webhook = Webhook(reactor, receiver.url, [other, KEY])
        assert await post(webhook) == Arrived(204)
        await soon(Deferred.fromCoroutine(webhook.stop()))
    ((headers, body),) = receiver.posts
    for key in (other, KEY):
        assert StandardWebhook(key).verify(body, headers)["type"] == "final"


@on_reactor
async def test_too_many_requests_is_about_all_events() -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:
        receiver.answer = status(429, retry_after="7")
        failed = await failure(webhook)
    assert (failed.why, failed.is_whole, failed.after) == ("it answered 429 Too Many Requests", True, 7.0)


@on_reactor
async def test_a_pause_that_is_asked_for_is_kept_within_bounds() -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:
        receiver.answer = status(503, retry_after="1000000")
        assert (await failure(webhook)).after == LONGEST_SECONDS


@on_reactor
async def test_the_beginning_of_the_answer_is_kept_without_what_is_secret() -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:

        def answer(request: Any) -> bytes:
            request.setResponseCode(422)
            return b"no\x1b[2J such call at %s: %s" % (request.uri, b"x" * 100_000)

        receiver.answer = answer
        failed = await failure(webhook)
    assert failed.status == 422
    assert failed.answer.startswith("no\\x1b[2J such call at …?…: xxx")
    assert len(failed.answer) == 200 + 3 - 2 * 2


def carry(webhook: Webhook, count: int, text: str = "שלום") -> Deferred[list[Outcome]]:
    records = [record("a", sequence, text=text) for sequence in range(1, count + 1)]
    return soon(Deferred.fromCoroutine(webhook.carry(records)))


def sequences(body: bytes) -> list[int]:
    return [each["sequence"] for each in json.loads(body)]


@on_reactor
async def test_events_in_a_batch_are_an_array_whose_signature_holds() -> None:
    async with receiving() as receiver, posting(receiver.url, batch=3) as webhook:
        assert await carry(webhook, 3) == [Arrived(204)] * 3
        assert await carry(webhook, 1) == [Arrived(204)]
    (together, body), (alone, other) = receiver.posts
    assert together["webhook-id"] == "a-000001-000003"
    assert StandardWebhook(KEY).verify(body, together) == json.loads(body)
    assert [each["id"] for each in json.loads(body)] == ["a-000001", "a-000002", "a-000003"]
    assert body == b"[" + b",".join(record("a", sequence).payload for sequence in (1, 2, 3)) + b"]"
    assert (alone["webhook-id"], sequences(other)) == ("a-000001", [1])


@on_reactor
async def test_one_event_that_is_refused_costs_its_neighbours_nothing() -> None:
    async with receiving() as receiver, posting(receiver.url, batch=10) as webhook:

        def answer(request: Any) -> Any:
            is_bad = b'"a-000003"' in receiver.posts[-1][1]
            return status(422 if is_bad else 204)(request)

        receiver.answer = answer
        outcomes = await carry(webhook, 5)
    assert [sequences(body) for _, body in receiver.posts] == [[1, 2, 3, 4, 5], [1], [2], [3]]
    assert outcomes[:2] == [Arrived(204)] * 2
    for outcome in outcomes[2:]:
        assert isinstance(outcome, DeliveryFailed)
        assert (outcome.is_refusal, outcome.status) == (True, 422)


@pytest.mark.parametrize("code", [500, 408, 429, 410])
@on_reactor
async def test_another_failure_is_one_of_the_whole_batch(code: int) -> None:
    async with receiving() as receiver, posting(receiver.url, batch=10) as webhook:
        receiver.answer = status(code)
        outcomes = await carry(webhook, 5)
    assert len(receiver.posts) == 1
    assert [isinstance(outcome, DeliveryFailed) and outcome.status for outcome in outcomes] == [code] * 5


@on_reactor
async def test_a_batch_has_a_bearable_length() -> None:
    async with receiving() as receiver, posting(receiver.url, batch=100) as webhook:
        assert await carry(webhook, 7, text="x" * 100_000) == [Arrived(204)] * 7
        assert await carry(webhook, 2, text="x" * 1_000_000) == [Arrived(204)] * 2
    assert [sequences(body) for _, body in receiver.posts] == [[1, 2], [3, 4], [5, 6], [7], [1], [2]]


@on_reactor
async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as elsewhere, receiving() as receiver, posting(receiver.url) as webhook:
        receiver.answer = status(307, location=elsewhere.url)
        failed = await failure(webhook)
        assert elsewhere.posts == []
    assert "it answered 307, which is a redirect, and none is followed" in failed.why


@on_reactor
async def test_a_receiver_that_is_not_there_is_down_as_a_whole() -> None:
    async with receiving() as receiver:
        pass
    async with posting(receiver.url) as webhook:
        failed = await failure(webhook)
    assert failed.is_whole
    assert failed.why.startswith("no connection: ConnectionRefusedError")


@on_reactor
async def test_a_host_that_nobody_knows_is_down_as_a_whole() -> None:
    async with posting("https://no-such-host.invalid/hook?token=secret") as webhook:
        failed = await failure(webhook)
    assert failed.is_whole
    assert failed.why.startswith("no connection: DNSLookupError")
    assert "no-such-host" not in failed.why


@on_reactor
async def test_a_host_that_takes_no_connection_is_down_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicestt.delivery.webhook.CONNECT_SECONDS", 0.2)
    with full_backlog() as port:
        async with posting(f"http://127.0.0.1:{port}/") as webhook:
            failed = await failure(webhook)
    assert failed.is_whole
    assert failed.why.startswith("no connection: TimeoutError")


@on_reactor
async def test_a_certificate_is_needed_that_the_machine_trusts_and_that_is_for_this_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = OwnCertificate(tmp_path)
    async with receiving(tls=own) as receiver:
        async with posting(receiver.url) as webhook:
            unknown = await failure(webhook)
        monkeypatch.setenv("SSL_CERT_FILE", str(own.file))
        async with posting(receiver.url) as webhook:
            assert await post(webhook) == Arrived(204)
        async with posting(receiver.url.replace("localhost", "127.0.0.1")) as webhook:
            wrong = await failure(webhook)
    assert len(receiver.posts) == 1
    assert unknown.is_whole
    assert unknown.why.startswith("no connection: Error")
    assert "certificate verify failed" in unknown.why
    assert wrong.is_whole
    assert wrong.why.startswith("no connection: VerificationError")


@on_reactor
async def test_a_receiver_that_does_not_answer_is_given_up_and_its_connection_closed() -> None:
    async with receiving() as receiver, posting(receiver.url, answer_seconds=0.2) as webhook:
        gone: list[object] = []

        def answer(request: Any) -> int:
            request.notifyFinish().addErrback(gone.append)
            return never(request)

        receiver.answer = answer
        assert await failure(webhook) == DeliveryFailed("it did not answer within 0.2 s")
        while not gone:
            await a_moment()


@on_reactor
async def test_stopping_ends_what_is_under_way() -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:
        receiver.answer = never
        going = post(webhook)
        while not receiver.posts:
            await a_moment()
        going.cancel()
        assert isinstance(await going, DeliveryFailed)


@pytest.mark.parametrize(
    ("answer", "closes", "words"),
    [
        (None, False, "it did not answer within 0.3 s"),
        (b"HTTP/1.1 200", False, "it did not answer within 0.3 s"),
        (b"HTTP/1.1 200 OK\r\nContent-", False, "it did not answer within 0.3 s"),
        (None, True, "it broke off: ConnectionDone"),
        (b"HTTP/1.1 200 OK\r\nContent-", True, "it broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, "it broke off: ParseError"),
        (b"HTTP/1.1 two hundred\r\n\r\n", True, "it broke off: ParseError"),
        (b"\x00" * 100_000 + b"\r\n", False, "it broke off"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False, "it did not answer within 0.3 s"),
    ],
)
@on_reactor
async def test_what_is_no_answer_is_a_failure_in_words(answer: bytes | None, closes: bool, words: str) -> None:
    outcome = await outcome_of(answer, closes=closes)
    assert isinstance(outcome, DeliveryFailed)
    assert words in outcome.why
    assert not outcome.is_whole
    assert len(outcome.why) < 300


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.0 200 OK\r\n\r\nwithout a length",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 1_000_000,
    ],
)
@pytest.mark.parametrize("closes", [True, False])
@on_reactor
async def test_the_first_line_of_an_answer_counts_whatever_its_body_does(answer: bytes, closes: bool) -> None:
    outcome = await outcome_of(answer, closes=closes)
    assert isinstance(outcome, Arrived)
    assert outcome.status == 200


def with_head(status: bytes, size: int, lines: int = 1, body: bytes = b"ok") -> bytes:
    padding = b"".join(b"X-Padding-%d: %s\r\n" % (line, b"x" * (size // lines)) for line in range(lines))
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, padding, len(body), body)


@pytest.mark.parametrize(("size", "lines"), [(15_000, 1), (20_000, 1), (60_000, 100), (1_000_000, 1), (70_000, 2)])
@pytest.mark.parametrize("closes", [True, False])
@on_reactor
async def test_an_answer_with_a_long_head_counts_as_what_its_status_says(
    size: int, lines: int, closes: bool
) -> None:
    arrived = await outcome_of(with_head(b"200 OK", size, lines), closes=closes)
    assert arrived == Arrived(200, "ok" if size < 16_000 else "")
    refused = await outcome_of(with_head(b"422 Unprocessable Content", size, lines), closes=closes)
    assert isinstance(refused, DeliveryFailed)
    assert (refused.is_refusal, refused.status) == (True, 422)


@on_reactor
async def test_a_head_without_an_end_counts_as_what_its_status_says() -> None:
    answer = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nX: " + b"x" * 100_000
    async with bytes_only(answer) as receiver, posting(receiver.url) as webhook:
        failed = await failure(webhook)
        assert (failed.status, failed.after) == (503, 7.0)
        while receiver.open:
            await a_moment()


@on_reactor
async def test_a_connection_serves_again_after_a_head_of_many_pieces() -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:

        def answer(request: Any) -> bytes:
            request.setHeader("x-padding", "x" * 12_000)
            return b"HTTP/1.1 500 no answer\r\n\r\n" * 1_000

        receiver.answer = answer
        for sequence in range(3):
            outcome = await post(webhook, sequence=sequence + 1)
            assert isinstance(outcome, Arrived)
    assert len(receiver.connections) == 1


@on_reactor
async def test_before_an_answer_others_may_come_that_are_none() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    assert await outcome_of(early + OK) == Arrived(200, "ok")
    outcome = await outcome_of(early + with_head(b"404 Not Found", 100_000))
    assert isinstance(outcome, DeliveryFailed)
    assert outcome.status == 404


@on_reactor
async def test_a_body_without_an_end_costs_its_connection_and_no_more() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nx"
    async with bytes_only(answer) as receiver, posting(receiver.url) as webhook:
        assert await post(webhook) == Arrived(200, "x")
        while receiver.open:
            await a_moment()


@on_reactor
async def test_eight_at_once_have_a_connection_each() -> None:
    async with receiving() as receiver, posting(receiver.url) as webhook:
        receiver.answer = hold = Held()
        going = [post(webhook, session) for session in "abcdefgh"]
        while len(hold.requests) < 8:
            await a_moment()
        hold.let_go()
        assert await gatherResults(going) == [Arrived(204)] * 8
    assert len(receiver.connections) == 8


class Held:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def __call__(self, request: Any) -> int:
        self.requests.append(request)
        return never(request)

    def let_go(self) -> None:
        for request in self.requests:
            request.setResponseCode(204)
            request.finish()


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port that leaves every further connection without an answer."""
    with ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(2):
            other = sockets.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def a_moment() -> Deferred[None]:
    turn: Deferred[None] = Deferred()
    reactor.callLater(0, turn.callback, None)
    return turn


def test_of_the_address_only_the_host_is_shown() -> None:
    webhook = Webhook(reactor, "https://hook.example.com:8443/in/secret?token=secret", [KEY])
    assert webhook.place == "The webhook at https://hook.example.com:8443"
    other = Webhook(reactor, "https://hook.example.com/in?token=secret#crm", [KEY], name="webhook:crm")
    assert other.place == "The webhook at https://hook.example.com (webhook:crm)"
    assert "secret" not in repr(webhook)


STANDARD_KEY = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
KEYS = st.binary(min_size=24, max_size=64)
IDS = st.from_regex(r"[0-9a-f]{32}-[0-9]{6,9}", fullmatch=True)


def test_the_vector_of_the_specification() -> None:
    body = b'{"test": 2432232314}'
    headers = signed([STANDARD_KEY], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_signature_step_by_step() -> None:
    body = "שלום".encode()
    content = b"abc-000001" + b"." + b"1700000000" + b"." + body
    by_hand = b64encode(hmac.new(STANDARD_KEY, content, hashlib.sha256).digest()).decode()
    assert signed([STANDARD_KEY], "abc-000001", 1_700_000_000, body)["webhook-signature"] == f"v1,{by_hand}"


@given(key=KEYS, name=IDS, texts=st.dictionaries(st.text(), st.text()))
def test_the_specifications_library_takes_it(key: bytes, name: str, texts: dict[str, str]) -> None:
    body = json.dumps(texts, ensure_ascii=False).encode("utf-8", "replace")
    now = int(datetime.now(UTC).timestamp())
    assert StandardWebhook(key).verify(body, dict(signed([key], name, now, body))) == json.loads(body)


@given(key=KEYS, other=KEYS)
def test_nobody_else_can_have_signed_it(key: bytes, other: bytes) -> None:
    now = int(datetime.now(UTC).timestamp())
    headers = dict(signed([key], "abc-000001", now, b"{}"))
    changes: list[tuple[bytes, dict[str, str]]] = [
        (b"{ }", headers),
        (b"{}", headers | {"webhook-id": "abc-000002"}),
        (b"{}", headers | {"webhook-timestamp": str(now + 1)}),
    ]
    for body, changed in changes:
        with pytest.raises(WebhookVerificationError):
            StandardWebhook(key).verify(body, changed)
    if key != other:
        with pytest.raises(WebhookVerificationError):
            StandardWebhook(other).verify(b"{}", headers)


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        (" 30 ", 30),
        ("0", 0),
        ("86400", LONGEST_SECONDS),
        ("9" * 5_000, LONGEST_SECONDS),
        ("-5", 0),
        ("1.5", 0),
        ("٣٠", 0),
        ("soon", 0),
        ("", 0),
        (None, 0),
        (formatdate(NOW + 40, usegmt=True), 40),
        (formatdate(NOW - 40, usegmt=True), 0),
        (formatdate(NOW + 90_000, usegmt=True), LONGEST_SECONDS),
        ("Tue, 14 Nov 2023 22:14:00", 40),
        ("Tue, 99 Nov 2023 99:14:00 GMT", 0),
        ("Tue, 14 Nov 99999 22:14:00 GMT", 0),
        ("Tue, 14 Nov 9999 23:59:59 -2359", LONGEST_SECONDS),
    ],
)
def test_seconds_or_a_date_and_whatever_else_is_nothing(header: str | None, seconds: float) -> None:
    assert seconds_after(header, NOW) == seconds


@given(header=st.text() | st.text(st.sampled_from("0123456789 :,-+GMTueNov")), now=st.floats(0, 4e9))
def test_whatever_it_says_it_is_a_bounded_pause(header: str, now: float) -> None:
    assert 0 <= seconds_after(header, now) <= LONGEST_SECONDS
