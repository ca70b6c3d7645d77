"""Answers at the server's paths when it is not the server, or is one that was set up wrongly."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]

from tests.ops.gonogo.faulty_proxy import (
    PAGE,
    Fault,
    answer,
    faulty_proxy,
)
from tests.ops.gonogo.run_contexts import HOST, findings_of, run_context
from tests.ops.gonogo.test_digests import Answering as AnsweringServer
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt.ops.gonogo.network_checks import network_checks
from voicestt.ops.gonogo.recogniser_checks import recogniser_checks
from voicestt.ops.gonogo.report import CheckOutcome, Finding
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.settings_checks import same_settings_check
from voicestt.ops.gonogo.socket_checks import socket_checks
from voicestt.ops.gonogo.web import Reply, days_left
from voicestt.ops.gonogo.webhook_checks import webhook_checks
from voicestt.ops.services import free_port
from voicestt.twilio import twiml

XML = "text/xml"
TWIML = twiml.connect_stream(HOST)


class Answering:
    """Servers that answer everything the same way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: list[Any] = []

    def run_context(self, instead: bytes) -> RunContext:
        """A run context before one that answers with these bytes."""
        port = faulty_proxy(reactor, 0, Fault("/", instead=instead))
        self._ports.append(port)
        return run_context(self._folder, address=f"127.0.0.1:{port.getHost().port}")

    def stop(self) -> None:
        for port in self._ports:
            pytest_twisted.blockon(port.stopListening())


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Answering]:
    servers = Answering(tmp_path)
    yield servers
    servers.stop()


async def of(checks: list[Any], key: str) -> Finding:
    return (await findings_of([check for check in checks if check.key == key]))[key]


def failed(finding: Finding, figure: str) -> bool:
    return finding.outcome is CheckOutcome.FAILED and figure in finding.figure and bool(finding.advice)


@pytest.mark.parametrize(
    ("instead", "figure", "twilio"),
    [
        (answer("403 Forbidden", "text/plain", b"no"), "403", 11200),
        (answer("500 Oh", "text/html", PAGE), "answered with 500", 11200),
        (answer("200 OK", "text/html", PAGE), "Content-Type text/html", 12300),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/xml\r\n\r\n<x/>", "Content-Length", 11200),
        (b"what?\r\n\r\n", "what?", 11200),
        (b"", "", 11200),
    ],
)
@on_reactor
async def test_wrong_answers_of_the_webhook_are_found(
    answering: Answering, instead: bytes, figure: str, twilio: int
) -> None:
    found = await of(webhook_checks(answering.run_context(instead)), "twiml.answered")
    assert failed(found, figure)
    assert found.twilio == twilio


@on_reactor
async def test_a_server_that_takes_anybody_s_calls_is_found_out(answering: Answering) -> None:
    open_to_all = answering.run_context(answer("200 OK", XML, TWIML))
    findings = await findings_of(webhook_checks(open_to_all))
    assert findings["twiml.answered"].outcome is CheckOutcome.OK
    assert failed(findings["twiml.unsigned"], "answered with 200")
    assert failed(findings["twiml.forged"], "answered with 200")


@pytest.mark.parametrize(
    ("instead", "figure"),
    [
        (answer("200 OK", "application/json", b"{}"), "200 with 2 bytes"),
        (answer("403 Forbidden", "text/plain", b"no"), "403"),
        (answer("504 Gateway Timeout", "text/html", PAGE), "answered with 504"),
        (b"", ""),
    ],
)
@on_reactor
async def test_wrong_answers_of_the_status_callback_are_found(
    answering: Answering, instead: bytes, figure: str
) -> None:
    found = await of(webhook_checks(answering.run_context(instead)), "status.answered")
    assert failed(found, figure)


@pytest.mark.parametrize(
    ("instead", "figure", "advice"),
    [
        (answer("403 Forbidden", "text/plain", b"no"), "403 Forbidden", "TWILIO_AUTH_TOKEN"),
        (answer("426 Upgrade Required", "text/plain", b"no"), "426", "does not pass WebSockets"),
        (b"", "handshake was not answered", "the server is down"),
    ],
)
@on_reactor
async def test_a_handshake_that_fails_says_why(
    answering: Answering, instead: bytes, figure: str, advice: str
) -> None:
    checks = socket_checks(answering.run_context(instead))
    for key in ("socket.opens", "socket.subprotocol", "socket.slash"):
        found = await of(checks, key)
        assert failed(found, figure)
    assert advice in (await of(checks, "socket.opens")).advice


@on_reactor
async def test_a_wrong_signature_must_be_refused_by_the_server_itself(answering: Answering) -> None:
    def forged(instead: bytes) -> list[Any]:
        return socket_checks(answering.run_context(instead))

    assert (await of(forged(answer("403 No", "text/plain", b"")), "socket.forged")).outcome is CheckOutcome.OK
    assert failed(await of(forged(answer("502 Bad", "text/plain", b"")), "socket.forged"), "502 Bad")


@pytest.mark.parametrize(
    "instead", [answer("200 OK", "text/plain", b"hello"), answer("404 Not Found", "text/html", PAGE), b"x\r\n\r\n"]
)
@on_reactor
async def test_a_page_at_the_sockets_path_is_found_out(answering: Answering, instead: bytes) -> None:
    assert (
        await of(socket_checks(answering.run_context(instead)), "socket.no_page")
    ).outcome is CheckOutcome.FAILED


@pytest.mark.parametrize(
    ("instead", "outcome", "figure"),
    [
        (answer("403 Forbidden", "text/plain", b"no"), CheckOutcome.FAILED, "another token"),
        (answer("404 Not Found", "text/plain", b"no"), CheckOutcome.SKIPPED, "it cannot say"),
        (answer("500 Oh", "text/plain", b"no"), CheckOutcome.FAILED, "500"),
        (answer("200 OK", "text/html", PAGE), CheckOutcome.FAILED, "no digests"),
        (answer("200 OK", "application/json", b"[]"), CheckOutcome.FAILED, "no digests"),
        (b"", CheckOutcome.FAILED, ""),
    ],
)
@on_reactor
async def test_digests_that_do_not_come(
    answering: Answering, instead: bytes, outcome: CheckOutcome, figure: str
) -> None:
    found = await of([same_settings_check(answering.run_context(instead))], "settings.same")
    assert found.outcome is outcome
    assert figure in found.figure


@on_reactor
async def test_of_several_tokens_the_first_signs_whatever_is_tried(tmp_path: Path) -> None:
    variables: dict[str, Any] = {
        "PUBLIC_HOST": "voice.example.com",
        "TWILIO_AUTH_TOKEN": "new-token,old-token",
        "ENABLE_STREAMING_STT": "false",
        "JOURNAL_URL": "off",
        "SHUTDOWN_SECONDS": "0",
    }
    server = AnsweringServer(reactor, **variables)
    port = reactor.listenTCP(0, server.site, interface="127.0.0.1")
    try:
        here = run_context(tmp_path, address=f"127.0.0.1:{port.getHost().port}", **variables)
        checks = [same_settings_check(here), *webhook_checks(here), *socket_checks(here)]
        findings = await findings_of(checks)
    finally:
        await port.stopListening()
    assert {key: found.figure for key, found in findings.items() if found.outcome is not CheckOutcome.OK} == {}
    assert here.target.auth_token == "new-token"


@pytest.mark.parametrize(
    ("instead", "figure"),
    [
        (answer("200 OK", "text/html", PAGE), "it is not voicestt"),
        (answer("200 OK", "application/json", b'{"status": "stopping", "version": "1"}'), "'stopping'"),
    ],
)
@on_reactor
async def test_something_else_at_the_servers_address(answering: Answering, instead: bytes, figure: str) -> None:
    assert failed(await of(network_checks(answering.run_context(instead)), "server.answers"), figure)


@on_reactor
async def test_nobody_at_the_servers_address(tmp_path: Path) -> None:
    nobody = run_context(tmp_path, address=f"127.0.0.1:{free_port()}")
    assert failed(await of(network_checks(nobody), "server.answers"), "refused")
    assert failed(await of(socket_checks(nobody), "socket.opens"), "refused")


@on_reactor
async def test_a_name_without_an_address(tmp_path: Path) -> None:
    nowhere = run_context(tmp_path, Where.PUBLIC, PUBLIC_HOST="no-such-name.invalid")
    findings = await findings_of(network_checks(nowhere))
    assert findings["server.dns"].outcome is CheckOutcome.FAILED
    assert "DNS record" in findings["server.dns"].advice
    assert findings["server.tls"].outcome is CheckOutcome.SKIPPED


@on_reactor
async def test_a_server_that_does_not_start_says_its_last_lines(tmp_path: Path) -> None:
    broken = run_context(tmp_path, Where.STARTED)
    broken.environ = {**os.environ, "PUBLIC_HOST": HOST, "STT_BATCH_MS": "fast"}
    found = await of(network_checks(broken), "server.starts")
    await broken.clear_up()
    assert failed(found, "it does not")
    assert "STT_BATCH_MS is not a whole number" in found.advice


def test_the_days_of_a_certificate() -> None:
    assert days_left({"notAfter": "Jan 11 00:00:00 1970 GMT"}, 86_400.0) == 9.0


@pytest.mark.parametrize(
    ("off", "outcome"), [(5, CheckOutcome.OK), (-600, CheckOutcome.FAILED), (600, CheckOutcome.FAILED)]
)
@on_reactor
async def test_a_clock_that_is_wrong_is_found_by_googles_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: int, outcome: CheckOutcome
) -> None:
    async def instead(*_: object) -> Reply:
        return Reply(200, {"date": "Thu, 01 Jan 1970 01:00:00 GMT"})

    monkeypatch.setattr("voicestt.ops.gonogo.recogniser_checks.ask", instead)
    monkeypatch.setattr("voicestt.ops.gonogo.recogniser_checks.time.time", lambda: 3_600.0 + off)
    found = await of(recogniser_checks(run_context(tmp_path)), "recogniser.clock")
    assert found.outcome is outcome
    assert f"{abs(off)} s" in found.figure
