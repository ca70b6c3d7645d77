"""The receivers of the settings: a real redis-server, and sockets with and without TLS."""

import contextlib
import re
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from twisted.internet.protocol import Factory, Protocol

from tests.certificates import certificate
from tests.ops.gonogo.faulty_proxy import Fault, answer, faulty_proxy
from tests.ops.gonogo.run_contexts import findings_of, run_context
from tests.recognisers.on_reactor import on_reactor, reactor
from tests.redis_server import RedisServer
from tests.redis_topologies import SERVICE, cluster, guarded
from voicestt.ops.gonogo.receiver_checks import delivery_check, judged_redis, receiver_checks, unencrypted
from voicestt.ops.gonogo.report import CheckOutcome, Finding, as_json
from voicestt.ops.gonogo.run_context import Where
from voicestt.ops.services import free_port

OK, FAILED, UNSEEN = CheckOutcome.OK, CheckOutcome.FAILED, CheckOutcome.UNSEEN
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
PASSWORD = "correct horse"


async def webhook(folder: Path, url: str, where: Where = Where.STARTED) -> Finding:
    checks = receiver_checks(run_context(folder, where, EVENTS_WEBHOOK_URL=url, EVENTS_WEBHOOK_SECRET=SECRET))
    return (await findings_of(checks[:1]))["webhook.reached"]


async def redis(folder: Path, url: str, where: Where = Where.STARTED, **variables: str) -> Finding:
    here = run_context(folder, where, REDIS_URL=url, **variables)
    return (await findings_of(receiver_checks(here)[1:]))["redis.answers"]


class Seen(Protocol):
    """The requests that receivers were sent."""

    data: ClassVar[list[bytes]] = []

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's
        self.data.append(data)


@on_reactor
async def test_a_server_without_receivers_is_ok(tmp_path: Path) -> None:
    findings = await findings_of(receiver_checks(run_context(tmp_path)))
    assert {finding.outcome for finding in findings.values()} == {OK}
    assert (await findings_of([delivery_check(run_context(tmp_path))]))["delivery.arrives"].outcome is OK


@on_reactor
async def test_a_receiver_that_no_number_of_the_trial_names_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "numbers.toml"
    for text, outcome in (('["*"]\nwebhook = false\n', OK), ('["+9725"]\nwebhook = false\n', FAILED)):
        file.write_text(text, "utf-8")
        here = run_context(
            tmp_path,
            address=f"127.0.0.1:{free_port()}",
            EVENTS_WEBHOOK_URL="https://x.example/",
            EVENTS_WEBHOOK_SECRET=SECRET,
            NUMBERS_FILE=str(file),
        )
        assert (await findings_of([delivery_check(here)]))["delivery.arrives"].outcome is outcome


@on_reactor
async def test_a_receiver_is_reached_and_sent_nothing(tmp_path: Path) -> None:
    Seen.data = []
    port = reactor.listenTCP(0, Factory.forProtocol(Seen), interface="127.0.0.1")
    place = f"127.0.0.1:{port.getHost().port}"
    finding = await webhook(tmp_path, f"http://{place}/token/s3cret")
    await port.stopListening()
    assert (finding.outcome, finding.figure, finding.advice) == (OK, place, "")
    assert Seen.data == []
    assert "s3cret" not in as_json([finding])


@on_reactor
async def test_of_several_receivers_each_must_be_reached(tmp_path: Path) -> None:
    port = reactor.listenTCP(0, Factory.forProtocol(Seen), interface="127.0.0.1")
    place = f"127.0.0.1:{port.getHost().port}"
    both = await webhook(tmp_path, f"http://{place}/one http://{place}/two")
    other = await webhook(tmp_path, f"http://{place}/one,http://127.0.0.1:{free_port()}/s3cret")
    await port.stopListening()
    assert (both.outcome, both.figure) == (OK, f"{place}; {place}")
    assert (other.outcome, other.figure) == (FAILED, "Connection refused")


def test_http_beyond_this_machine_is_warned_of() -> None:
    assert unencrypted("localhost:80") == ""
    assert "use https" in unencrypted("receiver.example:80")


@on_reactor
async def test_a_receiver_that_is_not_there_is_no_go(tmp_path: Path) -> None:
    finding = await webhook(tmp_path, f"http://127.0.0.1:{free_port()}/s3cret")
    assert (finding.outcome, finding.figure) == (FAILED, "Connection refused")
    unknown = await webhook(tmp_path, "https://nobody.invalid/s3cret")
    assert unknown.outcome is FAILED
    assert "s3cret" not in as_json([finding, unknown])
    assert (await webhook(tmp_path, "https://nobody.invalid/", Where.PUBLIC)).outcome is UNSEEN


@contextlib.contextmanager
def tls_receiver(certificate_file: Path, key_file: Path) -> Iterator[int]:
    """A port of localhost that shakes hands with whoever comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            while True:
                try:
                    connection = listening.accept()[0]
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=greet)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("days", [3, 40])
@on_reactor
async def test_a_receivers_certificate_must_be_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    certificate_file, key_file = certificate(tmp_path, days)
    with tls_receiver(certificate_file, key_file) as port:
        strange = await webhook(tmp_path, f"https://localhost:{port}/")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate_file))
        known = await webhook(tmp_path, f"https://localhost:{port}/")
    assert strange.outcome is FAILED
    assert "the certificate is not valid" in strange.figure
    assert known.outcome is OK
    assert known.figure.endswith(f"certificate for {days} days")
    assert ("to be renewed" in known.advice) == (days < 7)


@on_reactor
async def test_a_redis_is_asked_what_it_is_and_keeps_nothing_of_it(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        finding = await redis(tmp_path, server.url)
        assert (finding.outcome, finding.advice) == (OK, "")
        assert finding.figure.startswith("Redis ")
        assert finding.figure.endswith(", noeviction")
        with server.client() as client:
            assert client.dbsize() == 0
            client.xadd("voicestt:events:0", {"id": "x"})
            assert (await redis(tmp_path, server.url)).outcome is OK
            client.delete("voicestt:events:0")
            client.set("voicestt:events:0", "mine")
        taken = await redis(tmp_path, server.url)
        assert (taken.outcome, taken.figure) == (FAILED, "voicestt:events:0 is a string")
        assert (await redis(tmp_path, server.url, Where.PUBLIC)).outcome is UNSEEN


@on_reactor
async def test_a_redis_that_throws_streams_away_is_warned_of(tmp_path: Path) -> None:
    options = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with RedisServer(tmp_path, options=options) as server:
        finding = await redis(tmp_path, server.url)
    assert (finding.outcome, "maxmemory-policy noeviction" in finding.advice) == (OK, True)


@on_reactor
async def test_a_wrong_password_and_a_redis_that_is_not_there_are_no_go_without_the_password(
    tmp_path: Path,
) -> None:
    with RedisServer(tmp_path) as server:
        with server.client() as client:
            client.config_set("requirepass", "another")
        url = f"redis://:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{server.port}/0"
        wrong = await redis(tmp_path, url)
        server.kill()
        gone = await redis(tmp_path, url)
    assert (wrong.outcome, gone.outcome) == (FAILED, FAILED)
    assert wrong.figure.startswith("AuthenticationError")
    assert "refused" in gone.figure
    assert PASSWORD not in as_json([wrong, gone])


@on_reactor
async def test_a_user_who_may_not_ask_for_info_is_enough(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        with server.client() as client:
            client.execute_command(
                "ACL", "SETUSER", "voice", "on", ">pw", "~voicestt:*", "+xadd", "+ping", "+type"
            )
        finding = await redis(tmp_path, f"redis://voice:pw@127.0.0.1:{server.port}/0")
    assert (finding.outcome, finding.figure) == (OK, "it answers")


@on_reactor
async def test_the_primary_that_sentinel_names_is_asked_and_its_replicas_are_counted(tmp_path: Path) -> None:
    with guarded(tmp_path) as servers:
        url = servers.url()
        well = await redis(tmp_path, url)
        enough = await redis(tmp_path, url, REDIS_REPLICAS="1")
        too_few = await redis(tmp_path, url, REDIS_REPLICAS="2")
        unknown = await redis(tmp_path, url.replace(SERVICE, "nobody"))
    assert (well.outcome, enough.outcome) == (OK, OK)
    assert well.figure.endswith(", noeviction")
    assert (too_few.outcome, too_few.figure.endswith("with 1 replicas")) == (FAILED, True)
    assert (unknown.outcome, "No master found for 'nobody'" in unknown.figure) == (FAILED, True)


@on_reactor
async def test_each_server_of_a_cluster_that_keeps_streams_is_asked(tmp_path: Path) -> None:
    with cluster(tmp_path) as servers:
        well = await redis(tmp_path, servers.url)
        with servers.primary_of("{3}").client() as client:
            client.config_set("maxmemory", "100mb")
            client.config_set("maxmemory-policy", "allkeys-lru")
        evicting = await redis(tmp_path, servers.url)
        servers.primary_of("{1}").kill()
        gone = await redis(tmp_path, servers.url)
    assert well.outcome is OK
    assert re.fullmatch(r"[23] servers with streams: Redis [\d.]+, noeviction", well.figure)
    assert (evicting.outcome, "maxmemory-policy noeviction" in evicting.advice) == (OK, True)
    assert gone.outcome is FAILED


@on_reactor
async def test_a_url_that_the_library_does_not_know_is_reported(tmp_path: Path) -> None:
    finding = await redis(tmp_path, "redis://:s3cret@127.0.0.1:1/0?socket_timeout=often")
    assert (finding.outcome, finding.figure) == (FAILED, "REDIS_URL cannot be used")
    assert "s3cret" not in as_json([finding])


@on_reactor
async def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    finding = await redis(tmp_path, "redis://127.0.0.1:1/0")
    assert (finding.outcome, finding.advice) == (FAILED, "pip install '.[redis]' in voicestt's folder")


@pytest.mark.parametrize(
    ("about", "outcome", "figure"),
    [
        ({"redis_version": "4.0.9"}, FAILED, "Redis 4.0.9"),
        ({"redis_version": "7.0.15", "role": "slave"}, FAILED, "Redis 7.0.15, a replica"),
        ({"redis_version": "7.0.15", "maxmemory_policy": "allkeys-lfu", "maxmemory": 0}, OK, "allkeys-lfu"),
        ({"redis_version": "7.0.15", "role": "master"}, OK, "policy not to be seen"),
        ({}, OK, "it answers"),
    ],
)
def test_the_info_of_a_redis_is_judged(about: dict[str, Any], outcome: CheckOutcome, figure: str) -> None:
    finding = judged_redis(about)
    assert (finding.outcome, figure in finding.figure) == (outcome, True)


def health(**parts: str) -> bytes:
    """An answer to /healthz."""
    inner = ", ".join(f'"{name}": {value}' for name, value in parts.items())
    return answer("200 OK", "application/json", f'{{"status": "ok", {inner}}}'.encode())


def figures(delivered: int, failed: int = 0, down: str = "false") -> str:
    return f'{{"delivered": {delivered}, "failed_attempts": {failed}, "waiting": 0, "is_down": {down}}}'


@pytest.mark.parametrize(
    ("said", "outcome", "figure"),
    [
        (health(webhook=figures(7), redis=figures(9)), OK, "webhook: 7, redis: 9 since its start"),
        (health(webhook=figures(7), redis=figures(0, 3, "true")), FAILED, "redis: 0 arrived, 3 attempts failed"),
        (health(webhook=figures(7)), FAILED, "redis: the server does not tell"),
        (health(webhook='"well"'), FAILED, "webhook: the server does not tell"),
        (b"nonsense", FAILED, "webhook: the server does not tell"),
    ],
)
@on_reactor
async def test_a_running_server_says_whether_its_deliveries_arrive(
    tmp_path: Path, said: bytes, outcome: CheckOutcome, figure: str
) -> None:
    port = faulty_proxy(reactor, 0, Fault("/", instead=said))
    here = run_context(
        tmp_path,
        address=f"127.0.0.1:{port.getHost().port}",
        EVENTS_WEBHOOK_URL="https://x.example/",
        EVENTS_WEBHOOK_SECRET=SECRET,
        REDIS_URL="redis://x.example:6379/0",
    )
    finding = (await findings_of([delivery_check(here)]))["delivery.arrives"]
    await port.stopListening()
    assert (finding.outcome, finding.figure) == (outcome, figure)
