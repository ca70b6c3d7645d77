"""Each row of the troubleshooting table is put in and seen to fail one check, its own, with cause and cure."""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred, gatherResults

from tests.certificates import certificate
from tests.end_to_end.rig import (
    PATIENCE,
    Server,
    running,
    running_server,
    scripted_google,
    until,
)
from tests.ops.gonogo.faulty_proxy import (
    PAGE,
    Fault,
    answer,
    faulty_proxy,
)
from tests.recognisers.on_reactor import reactor
from tests.redis_server import RedisServer
from voicestt.ops.gonogo.report import CheckOutcome, Finding
from voicestt.ops.gonogo.run import run
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.services import Services, beside_python, free_port

HOST = "voice.shop.co.il"
SAID = {"utterances": [{"text": "one two three four five six", "start": 0.5, "end": 2.5}], "final_delay": 0.3}
FOR_ALL = 90.0
EVENTS_TOKEN = "an-events-token"
BEFORE_XML = b"\r\n\r\n<?xml"


def a_line_too_much(response: bytes) -> bytes:
    """The TwiML after an empty line, as a template that begins with one gives it."""
    head, mark, rest = response.partition(BEFORE_XML)
    if not mark:
        return response
    length = len(rest) + len(b"<?xml")
    return head.replace(f"{length}".encode(), f"{length + 1}".encode()) + b"\r\n\r\n\n<?xml" + rest


def kept_back(data: bytes) -> bytes:
    """The part that a proxy that collects answers passes on of one that does not end: its beginning."""
    return b"" if b"data: " in data else data


PROXIES = {
    "disconnect at once": Fault("/ws/", cut_after=1.5),
    "HTML instead of a socket": Fault("/ws/", instead=answer("200 OK", "text/html", PAGE)),
    "12100": Fault("/webhook/incoming_call", change=a_line_too_much),
    "live events kept back": Fault("/events", change=kept_back),
    "502 on the status callback": Fault(
        "/webhook/stream_status", instead=answer("502 Bad Gateway", "text/html", b"<html>Bad gateway</html>")
    ),
}
ROWS = [
    ("disconnect at once", "call.stays", "a proxy between ends WebSockets", 31903),
    ("HTML instead of a socket", "socket.no_page", "Let the proxy pass /ws/", 31920),
    ("no partials", "call.partials", "Set ENABLE_STREAMING_STT=true", None),
    ("no partials: streaming fails", "call.partials", "the log's line `Degraded` says why", None),
    ("12100", "twiml.document", "Nothing may stand before <?xml", 12100),
    ("high latency", "call.latency", "The recogniser answers slowly", None),
    ("live events kept back", "events.live", "switch its buffering off", None),
    ("502 on the status callback", "status.answered", "let it pass /webhook/stream_status", 15003),
]

Found = tuple[Finding, ...]


@contextlib.contextmanager
def server_with(folder: Path, faults: str = "", **settings: str) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with a Google of its own, and its variables."""
    folder.mkdir()
    with scripted_google(SAID, faults=faults) as google:
        ours = {"PUBLIC_HOST": HOST, **settings}
        with running_server(folder, google.port, **ours) as server:
            yield server, server.services.server_environment() | ours


def examine(folder: Path, port: int, environ: Mapping[str, str]) -> "Deferred[Found]":
    folder.mkdir()
    context = RunContext(reactor, Where.AGAINST, environ, folder, f"127.0.0.1:{port}")
    return Deferred.fromCoroutine(run(context, lambda _finding: None))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """The finding of each fault; all at once, because each takes a call's time."""
    folder = tmp_path_factory.mktemp("rows")
    # The first stream is the one that gonogo asks itself; the call's own fails.
    fails = "streams 2-99 streaming: error UNAVAILABLE"
    (folder / "redis").mkdir()
    with (
        RedisServer(folder / "redis") as redis,
        server_with(folder / "well", EVENTS_TOKEN=EVENTS_TOKEN, REDIS_URL=redis.url) as (well, environ),
        server_with(folder / "off", ENABLE_STREAMING_STT="false") as (off, off_environ),
        server_with(folder / "slow", "all: slow 3.5 s") as (slow, slow_environ),
        server_with(folder / "fails", fails) as (failing, failing_environ),
    ):
        ports = {name: faulty_proxy(reactor, well.port, fault) for name, fault in PROXIES.items()}
        examined = {
            "nothing": examine(folder / "nothing", well.port, environ),
            "no partials": examine(folder / "no partials", off.port, off_environ),
            "no partials: streaming fails": examine(folder / "failing", failing.port, failing_environ),
            "high latency": examine(folder / "high latency", slow.port, slow_environ),
        }
        for name, port in ports.items():
            examined[name] = examine(folder / name, port.getHost().port, environ)
        everything = gatherResults(list(examined.values()), consumeErrors=True).addTimeout(FOR_ALL, reactor)
        found = pytest_twisted.blockon(everything)
        for port in ports.values():
            pytest_twisted.blockon(port.stopListening())
    return dict(zip(examined, found, strict=True))


def test_without_a_fault_nothing_speaks_against_it(rows: dict[str, Found]) -> None:
    wrong = [
        finding for finding in rows["nothing"] if finding.outcome in {CheckOutcome.FAILED, CheckOutcome.SKIPPED}
    ]
    assert wrong == []


def test_what_an_application_gets_of_the_call_is_seen(rows: dict[str, Found]) -> None:
    found = {finding.key: finding for finding in rows["nothing"]}
    journalled, live, greeting = (found[key] for key in ("events.journal", "events.live", "call.greeting"))
    assert {finding.outcome for finding in (journalled, live, greeting)} == {CheckOutcome.OK}
    assert journalled.figure == f"{live.figure}, as in EVENTS_FILE"
    assert live.figure.endswith(" events, 1 final")
    assert greeting.figure.startswith("640 ms of it, first after ")
    assert found["redis.answers"].figure.endswith(", noeviction")
    arrived = re.fullmatch(r"redis: (\d+) since its start", found["delivery.arrives"].figure)
    assert arrived is not None
    assert int(arrived[1]) > 0


@pytest.mark.parametrize(("row", "key", "cure", "twilio"), ROWS, ids=[row[0] for row in ROWS])
def test_each_fault_fails_its_own_check_and_no_other(
    rows: dict[str, Found], row: str, key: str, cure: str, twilio: int | None
) -> None:
    (bad,) = [finding for finding in rows[row] if finding.outcome is CheckOutcome.FAILED]
    assert (bad.key, bad.twilio) == (key, twilio)
    assert cure in bad.what_to_do
    skipped = {finding.figure for finding in rows[row] if finding.outcome is CheckOutcome.SKIPPED}
    assert skipped <= {f"waits for: {bad.check}"}


def gonogo(environ: Mapping[str, str], folder: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [beside_python("voicestt"), "gonogo", *options],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


@contextlib.contextmanager
def deployment(folder: Path, google_port: int, days: int, **settings: str) -> Iterator[dict[str, str]]:
    """A server behind TLS at localhost, and the variables of somebody who has the same and trusts it."""
    certificate_file, key_file = certificate(folder, days)
    services = Services(folder, google_port=google_port)
    port = services.server_port
    environ = services.server_environment() | {"PUBLIC_HOST": f"localhost:{port}"} | settings
    listen = f"ssl:{port}:interface=127.0.0.1:privateKey={key_file}:certKey={certificate_file}"
    command = [beside_python("twistd"), "--nodaemon", "--pidfile=", "voicestt", "--listen", listen]
    log = folder / "server.log"
    with running(command, environ, folder, log):
        until(lambda: "Listening on" in log.read_text("utf-8"), "the deployment listens")
        yield environ | {"SSL_CERT_FILE": str(certificate_file)}


@contextlib.contextmanager
def recorder() -> Iterator[tuple[int, list[bytes]]]:
    """A port of 127.0.0.1, and what it is sent by whoever connects."""
    sent: list[bytes] = []

    def listen() -> None:
        while True:
            try:
                connection = listening.accept()[0]
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE)
                sent.append(connection.recv(65_536))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield listening.getsockname()[1], sent
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


HANDLER = """
class Agent:
    async def on_final(self, call, event):
        await call.transfer("+972501234567")

    async def on_utterance_end(self, call, event):
        await call.hang_up()
"""


def test_a_machine_with_good_settings_is_go_and_nobody_else_hears_of_it(tmp_path: Path) -> None:
    """No secret is printed, and the trial's events reach neither the journal, nor the receivers, nor Twilio."""
    secrets = ["0123456789abcdef0123456789abcdef", "correct-horse", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="]
    (tmp_path / "agent.py").write_text(HANDLER)
    with scripted_google(SAID, faults="") as google, RedisServer(tmp_path) as redis, recorder() as (port, sent):
        redis.client().config_set("requirepass", secrets[1])
        variables = {
            "HANDLER": "agent:Agent",
            "TWILIO_API_URL": f"http://127.0.0.1:{port}",
            "EVENTS_WEBHOOK_URL": f"http://127.0.0.1:{port}/calls",
            "EVENTS_WEBHOOK_SECRET": f"whsec_{secrets[2]}",
            "REDIS_URL": f"redis://:{secrets[1]}@127.0.0.1:{redis.port}/0",
            "JOURNAL_URL": f"sqlite:///{tmp_path}/users.db",
            "EVENTS_FILE": f"{tmp_path}/users.jsonl",
            "EVENTS_TOKEN": EVENTS_TOKEN,
            "TTS_ENGINE": "espeak-ng",
            "GREETING": "good day",
            "GREETING_MAX_MS": "3000",
        }
        (tmp_path / "users.env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        environ = Services(tmp_path, google_port=google.port).server_environment(os.environ)
        environ = {name: value for name, value in environ.items() if name not in variables}
        environ |= {"PUBLIC_HOST": HOST, "TWILIO_AUTH_TOKEN": secrets[0], "VOICESTT_ENV_FILE": "users.env"}
        environ["PYTHONPATH"] = str(tmp_path)
        process = gonogo(environ, tmp_path)
        output, errors = process.communicate(timeout=PATIENCE * 2)
        with redis.client(password=secrets[1]) as client:
            assert client.dbsize() == 0
    assert (process.returncode, output.splitlines()[-1]) == (0, "GO"), output + errors
    assert errors == ""
    assert "\x1b" not in output
    for row in ("turning the flag in a call loses no word", "a call survives a failing recogniser", "flag off:"):
        assert row in output
    for row in (
        "its events are in the journal, in order",
        "its events come live",
        "the handler was told of the call",
    ):
        assert f"      ok  {row}" in output
    assert "a call that is only simulated goes nowhere" in " ".join(output.split())
    for secret in (*secrets, EVENTS_TOKEN):
        assert secret not in output
    assert b"".join(sent) == b""
    assert sent, "the receiver was not looked for"
    assert not list(tmp_path.glob("users.db*")) + list(tmp_path.glob("users.jsonl"))


def test_the_deployment_is_examined_from_outside_by_name_and_by_tls(tmp_path: Path) -> None:
    with (
        scripted_google(SAID) as google,
        deployment(tmp_path, google.port, 40, EVENTS_TOKEN=EVENTS_TOKEN) as environ,
    ):
        process = gonogo(environ | {"STT_BATCH_MS": "100"}, tmp_path, "--public", "--json")
        output, errors = process.communicate(timeout=PATIENCE * 2)
    said = json.loads(output)
    checks = {check["key"]: check for check in said["checks"]}
    failed = {key for key, check in checks.items() if check["result"] == "failed"}
    assert failed == {"settings.host", "settings.same"}, output
    assert checks["server.tls"]["figure"] == "40 days left"
    assert checks["settings.same"]["figure"] == "differ: STT_BATCH_MS"
    assert checks["call.stays"]["result"] == "ok"
    assert checks["call.words"]["result"] == checks["events.journal"]["result"] == "unseen"
    assert checks["feed.opens"]["figure"] == "401 without it, 200 with it"
    assert checks["events.live"]["figure"].endswith(" events, 1 final")
    assert checks["call.greeting"]["figure"].startswith("640 ms of it")
    assert (said["verdict"], process.returncode) == ("NO-GO", 1)
    assert "PUBLIC_HOST has an address" in errors


def test_a_certificate_that_is_about_to_expire_and_one_that_nobody_trusts_are_no_go(tmp_path: Path) -> None:
    with scripted_google(SAID) as google, deployment(tmp_path, google.port, 3) as environ:
        strangers = {name: value for name, value in environ.items() if name != "SSL_CERT_FILE"}
        found = []
        for variables in (environ, strangers):
            process = gonogo(variables, tmp_path, "--public", "--json")
            output, _ = process.communicate(timeout=PATIENCE * 2)
            found.append({check["key"]: check for check in json.loads(output)["checks"]}["server.tls"])
    assert [check["result"] for check in found] == ["failed", "failed"]
    assert found[0]["figure"] == "3 days left"
    assert "the certificate is not valid" in found[1]["figure"]


def test_a_server_that_is_not_there_is_one_failure(tmp_path: Path) -> None:
    with scripted_google(SAID) as google:
        environ = Services(tmp_path, google_port=google.port).server_environment() | {"PUBLIC_HOST": HOST}
        process = gonogo(environ, tmp_path, "--against", f"127.0.0.1:{free_port()}", "--json")
        output, _ = process.communicate(timeout=PATIENCE)
    failed = [check for check in json.loads(output)["checks"] if check["result"] == "failed"]
    assert [(check["key"], check["twilio_error"]) for check in failed] == [("server.answers", 11200)]
