"""The deliverer, and a primary that dies, hangs or is replaced under it: Sentinel names another."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from tests.conftest import Logged
from tests.delivery.fakes import MemoryOutbox, record
from tests.delivery.receiver import OwnCertificate
from tests.delivery.test_redis_delivery import (
    CALLS,
    expected,
    first_arrivals,
    write,
)
from tests.delivery.test_redis_streams import carry, failure, streams
from tests.delivery.test_redis_worker import (
    ALL,
    Workers,
    by_call,
    delivering,
    until,
)
from tests.recognisers.on_reactor import on_reactor
from tests.redis_server import PATIENCE, RedisServer
from tests.redis_topologies import (
    SERVICE,
    Guarded,
    guarded,
    sentinel,
)
from voicestt.delivery.redis_streams import RedisStreams
from voicestt.ops.services import free_port

Ends = Callable[[Guarded], object]


def kill(servers: Guarded) -> None:
    servers.primary.kill()


def hang(servers: Guarded) -> None:
    servers.primary.pause()


def replace(servers: Guarded) -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            servers.ask("SENTINEL", "FAILOVER", SERVICE)
        except ResponseError:  # on a busy machine no replica has answered the Sentinel lately
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)
        else:
            return


# On its command Sentinel tells the old primary last: for a second that and a replica of it take events in vain.
# Then all replicas must have confirmed an event.
@pytest.mark.parametrize(("end", "replicas"), [(kill, 1), (hang, 1), (replace, 2)])
@on_reactor
async def test_under_load_the_next_primary_has_every_event_in_order(
    tmp_path: Path, end: Ends, replicas: int, logged: Logged
) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    with guarded(tmp_path, replicas=2) as servers:
        async with delivering(servers.url(), outbox, replicas=replicas, answer_seconds=1.0) as deliverer:
            write(outbox, deliverer, 20)
            await until(lambda: deliverer.figures.delivered > 100)
            end(servers)
            write(outbox, deliverer, 20)
            await until(lambda: servers.chosen is not servers.primary)
            write(outbox, deliverer, 10)
            await until(lambda: not outbox.left(ALL.name))
            assert deliverer.figures.delivered == 2 * CALLS * 50
        assert first_arrivals(servers.chosen) == expected(50)
    assert not logged.matching("שלום")


@on_reactor
async def test_with_one_replica_the_calls_go_on_at_the_new_primary(tmp_path: Path, logged: Logged) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    with guarded(tmp_path) as servers:
        async with delivering(servers.url(), outbox, replicas=0, answer_seconds=1.0) as deliverer:
            write(outbox, deliverer)
            await until(lambda: not outbox.left(ALL.name))
            await until(lambda: first_arrivals(servers.replicas[0]) == expected(10))
            servers.primary.kill()
            write(outbox, deliverer)
            await until(lambda: logged.matching("is down"))
            await until(lambda: not outbox.left(ALL.name))
        assert servers.chosen is servers.replicas[0]
        assert first_arrivals(servers.replicas[0]) == expected(20)


@on_reactor
async def test_the_example_worker_goes_on_at_the_new_primary(tmp_path: Path) -> None:
    outbox = MemoryOutbox(time.time, [ALL])
    with guarded(tmp_path, replicas=2) as servers, ExitStack() as stack:
        workers = Workers(servers.url(), tmp_path)
        stack.callback(workers.stop)
        async with delivering(servers.url(), outbox, replicas=1, answer_seconds=1.0) as deliverer:
            workers.start("one")
            write(outbox, deliverer, 20)
            await until(lambda: len(workers.done("one")) > 100)
            servers.primary.kill()
            write(outbox, deliverer, 10)
            await until(lambda: len(set(workers.done("one"))) == 2 * CALLS * 30)
    # What a replica did not know to be done is done again.
    firsts = by_call(list(dict.fromkeys(workers.done("one"))))
    assert firsts == {call.removeprefix("CA"): ids for call, ids in expected(30).items()}


@on_reactor
async def test_an_event_that_no_replica_has_has_not_arrived(tmp_path: Path) -> None:
    with guarded(tmp_path) as servers:
        async with streams(servers.url(), replicas=1, answer_seconds=1.0) as sender:
            await until_replicated(sender)
            servers.replicas[0].pause()
            failed = await failure(sender, 2)
            assert failed.is_whole
            assert failed.why == "NotReplicated: 0 of 1 replicas (REDIS_REPLICAS) have confirmed the events"
            servers.replicas[0].resume()
            await until_replicated(sender)


@on_reactor
async def test_over_tls_the_sentinel_and_the_primary_must_be_trusted(tmp_path: Path) -> None:
    own, port, to_ask = OwnCertificate(tmp_path).file, free_port(), free_port()
    tls = [f"tls-cert-file {own}", f"tls-key-file {own}", f"tls-ca-cert-file {own}", "tls-auth-clients no"]
    options = [word for line in tls for word in f"--{line}".split()]
    lines = (*tls, f"tls-port {to_ask}", "tls-replication yes")
    with RedisServer(tmp_path, options=["--tls-port", str(port), *options]), sentinel(tmp_path, port, *lines):
        url = f"rediss+sentinel://localhost:{to_ask}/{SERVICE}"
        async with streams(url) as sender:
            assert "No master found" in (await failure(sender)).why
        # Sentinel names the primary by its address, which is not in the certificate.
        async with streams(f"{url}?ssl_ca_certs={own}") as sender:
            assert "certificate verify failed" in (await failure(sender)).why
        async with streams(f"{url}?ssl_ca_certs={own}&ssl_check_hostname=false") as sender:
            assert await carry(sender, record("a", 1)) == [None]


async def until_replicated(sender: RedisStreams) -> None:
    start = time.monotonic()
    while await carry(sender, record("a", 2)) != [None]:
        assert time.monotonic() - start < 60


@on_reactor
async def test_a_service_that_no_sentinel_knows_is_said_in_words(tmp_path: Path) -> None:
    with guarded(tmp_path) as servers:
        async with streams(servers.url().replace(SERVICE, "nothing")) as sender:
            failed = await failure(sender)
            assert failed.is_whole
            assert failed.why == "MasterNotFoundError: No master found for 'nothing': network:ConnectionError"
    async with streams(f"redis+sentinel://127.0.0.1:{free_port()}/{SERVICE}") as sender:
        assert "No master found for 'calls': network:ConnectionError" in (await failure(sender)).why


@on_reactor
async def test_redis_and_the_sentinels_have_passwords_of_their_own(tmp_path: Path) -> None:
    with guarded(tmp_path, replicas=0) as servers:
        servers.ask("SENTINEL", "SET", SERVICE, "auth-pass", "secret/redis")
        with servers.primary.client() as client:
            client.config_set("requirepass", "secret/redis")
        servers.ask("ACL", "SETUSER", "default", "resetpass", ">secret/sentinel")
        url = servers.url(options="?sentinel_password=secret%2Fsentinel").replace("//", "//:secret%2Fredis@", 1)
        async with streams(url) as sender:
            assert await carry(sender, record("a", 1)) == [None]
            assert "secret" not in sender.place
        async with streams(url.replace("%2Fsentinel", "-wrong")) as sender:
            assert "AuthenticationError" in (await failure(sender)).why
        async with streams(url.replace("%2Fredis", "-wrong")) as sender:
            assert "AuthenticationError" in (await failure(sender)).why
