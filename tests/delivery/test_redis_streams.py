import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.delivery.fakes import record
from tests.delivery.receiver import OwnCertificate
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from tests.redis_server import Moving, RedisServer
from voicestt.delivery.redis_streams import RedisStreams, WorkerThread, stream_of
from voicestt.delivery.sender import CannotDeliver, DeliveryFailed, Outcome
from voicestt.journal.port import Record
from voicestt.ops.services import free_port

SHARDS = 4
SECRET = "a%2Fsecret"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@asynccontextmanager
async def streams(url: str, **options: Any) -> AsyncIterator[RedisStreams]:
    sender = RedisStreams(reactor, url, **{"shards": SHARDS, "maxlen": 1_000, **options})
    sender.start()
    try:
        yield sender
    finally:
        await soon(Deferred.fromCoroutine(sender.stop()))


async def carry(sender: RedisStreams, *records: Record) -> list[Outcome]:
    return list(await soon(Deferred.fromCoroutine(sender.carry(records))))


async def failure(sender: RedisStreams, sequence: int = 1) -> DeliveryFailed:
    (outcome,) = await carry(sender, record("a", sequence, text="what the caller said"))
    assert isinstance(outcome, DeliveryFailed)
    assert "caller said" not in outcome.why
    assert "secret" not in outcome.why
    assert "127.0.0.1" not in outcome.why
    return outcome


def entries(server: RedisServer) -> dict[str, list[dict[str, str]]]:
    """The entries of each stream."""
    with server.client(decode_responses=True) as client:
        return {name: [fields for _, fields in client.xrange(name)] for name in client.keys("voicestt:events:*")}


@on_reactor
async def test_an_event_is_an_entry_with_its_id_type_call_and_json(redis: RedisServer) -> None:
    added = record("a", 7, text="שלום")
    async with streams(redis.url) as sender:
        assert await carry(sender, added) == [None]
    ((entry,),) = entries(redis).values()
    assert entry == {
        "id": "a-000007",
        "type": "final",
        "call_sid": "CAa",
        "event": added.payload.decode(),
    }
    assert json.loads(entry["event"])["text"] == "שלום"


@on_reactor
async def test_all_of_a_call_is_in_one_stream_in_order(redis: RedisServer) -> None:
    calls = [f"call{number}" for number in range(20)]
    records = [record(call, sequence) for sequence in range(1, 11) for call in calls]
    async with streams(redis.url) as sender:
        assert await carry(sender, *records) == [None] * 200
    found = entries(redis)
    assert len(found) == SHARDS
    for call in calls:
        mine = [each["id"] for each in found[stream_of(f"CA{call}", SHARDS)] if each["call_sid"] == f"CA{call}"]
        assert mine == [f"{call}-{sequence:06d}" for sequence in range(1, 11)]
    assert sum(len(each) for each in found.values()) == 200


def test_the_shard_is_the_checksum_of_the_call_as_any_reader_can_count_it() -> None:
    assert crc32(b"123456789") == 0xCBF43926
    assert stream_of("123456789", 256) == f"voicestt:events:{0x26}"


@on_reactor
async def test_a_stream_forgets_its_oldest(redis: RedisServer) -> None:
    async with streams(redis.url, shards=1, maxlen=100) as sender:
        for start in range(1, 1_001, 200):
            await carry(sender, *[record("a", sequence) for sequence in range(start, start + 200)])
    (kept,) = entries(redis).values()
    assert 100 <= len(kept) < 300
    assert kept[-1]["id"] == "a-001000"


@on_reactor
async def test_a_redis_that_is_not_there_is_down_in_words_and_found_again(redis: RedisServer) -> None:
    async with streams(redis.url) as sender:
        assert await carry(sender, record("a", 1)) == [None]
        redis.kill()
        failed = await failure(sender)
        assert failed.is_whole
        assert "ConnectionError" in failed.why
        redis.start()
        assert await carry(sender, record("a", 2)) == [None]
    assert [each["id"] for each in entries(redis)[stream_of("CAa", SHARDS)]] == ["a-000001", "a-000002"]


@on_reactor
async def test_a_redis_that_hangs_is_given_up_and_takes_an_event_twice_at_most(redis: RedisServer) -> None:
    async with streams(redis.url, answer_seconds=0.2) as sender:
        assert await carry(sender, record("a", 1)) == [None]
        redis.pause()
        for _ in range(5):
            failed = await failure(sender, 2)
            assert failed.is_whole
            assert failed.why.startswith("TimeoutError")
        redis.resume()
        assert await carry(sender, record("a", 2), record("a", 3)) == [None, None]
    ids = [each["id"] for each in entries(redis)[stream_of("CAa", SHARDS)]]
    assert ids == ["a-000001", "a-000002", "a-000002", "a-000003"]


@on_reactor
async def test_a_full_redis_takes_nothing_of_a_parcel_and_says_so(redis: RedisServer) -> None:
    records = [record("a", sequence) for sequence in range(1, 101)]
    async with streams(redis.url) as sender:
        with redis.client() as client:
            client.config_set("maxmemory", "1kb")
        failures = await carry(sender, *records)
        assert [isinstance(failed, DeliveryFailed) and failed.is_whole for failed in failures] == [True] * 100
        assert (await failure(sender)).why.startswith("OutOfMemoryError: command not allowed when used memory")
        assert entries(redis) == {}
        with redis.client() as client:
            client.config_set("maxmemory", "0")
        assert await carry(sender, *records) == [None] * 100


@on_reactor
async def test_a_replica_takes_nothing_and_says_so(redis: RedisServer) -> None:
    async with streams(redis.url) as sender:
        with redis.client() as client:
            client.replicaof("127.0.0.1", 1)
        failed = await failure(sender)
        assert failed.is_whole
        assert failed.why.startswith("ReadOnlyError")


@on_reactor
async def test_after_a_failover_behind_the_same_address_the_new_primary_gets_the_events(tmp_path: Path) -> None:
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder in folders:
        folder.mkdir()
    with RedisServer(folders[0]) as old, RedisServer(folders[1]) as new, Moving(old.port) as address:
        async with streams(f"redis://127.0.0.1:{address.port}/0") as sender:
            assert await carry(sender, record("a", 1)) == [None]
            with old.client() as client:
                client.replicaof("127.0.0.1", new.port)
            address.target = new.port
            assert (await failure(sender, 2)).why.startswith("ReadOnlyError")
            assert await carry(sender, record("a", 2)) == [None]
        assert [each["id"] for each in entries(new)[stream_of("CAa", SHARDS)]] == ["a-000002"]


@on_reactor
async def test_something_else_in_a_streams_place_holds_back_only_its_own_calls(redis: RedisServer) -> None:
    with redis.client() as client:
        client.set(stream_of("CAa", SHARDS), "something else")
    other = next(name for name in "bcdefgh" if stream_of(f"CA{name}", SHARDS) != stream_of("CAa", SHARDS))
    async with streams(redis.url) as sender:
        first, second, third = await carry(sender, record("a", 1), record(other, 1), record("a", 2))
    assert second is None
    assert isinstance(first, DeliveryFailed)
    assert isinstance(third, DeliveryFailed)
    assert not first.is_whole
    assert "WRONGTYPE" in first.why


@on_reactor
async def test_a_password_is_used_and_never_shown(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        with server.client() as client:
            client.config_set("requirepass", "a/secret")
        right = server.url.replace("//", f"//:{SECRET}@")
        wrong = server.url.replace("//", "//:another-secret@")
        async with streams(right) as sender:
            assert await carry(sender, record("a", 1)) == [None]
            assert "secret" not in sender.place
            assert "secret" not in repr(sender)
        async with streams(wrong) as sender:
            assert (await failure(sender)).why.startswith("AuthenticationError")
        with server.client(password="a/secret") as client:
            client.shutdown(nosave=True)


@on_reactor
async def test_over_tls_the_certificate_must_be_trusted_and_for_this_host(tmp_path: Path) -> None:
    own, port = OwnCertificate(tmp_path).file, free_port()
    files = ["--tls-cert-file", str(own), "--tls-key-file", str(own), "--tls-ca-cert-file", str(own)]
    tls = ["--tls-port", str(port), "--tls-auth-clients", "no", *files]
    with RedisServer(tmp_path, options=tls):
        async with streams(f"rediss://localhost:{port}/0?ssl_ca_certs={own}") as sender:
            assert await carry(sender, record("a", 1)) == [None]
        for url in (f"rediss://localhost:{port}/0", f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={own}"):
            async with streams(url) as sender:
                assert "certificate verify failed" in (await failure(sender)).why


@on_reactor
async def test_stopping_does_not_wait_for_a_redis_that_hangs(redis: RedisServer) -> None:
    sender = RedisStreams(reactor, redis.url, shards=1, maxlen=100, answer_seconds=1.0)
    sender.start()
    assert await carry(sender, record("a", 1)) == [None]
    redis.pause()
    start = time.monotonic()
    going = Deferred.fromCoroutine(sender.carry([record("a", 2)]))
    stopping = Deferred.fromCoroutine(sender.stop())
    stopping.cancel()
    with pytest.raises(CancelledError):
        await stopping
    assert time.monotonic() - start < 0.5
    (outcome,) = await soon(going)
    assert outcome is not None


@on_reactor
async def test_one_that_was_not_started_is_stopped_at_once() -> None:
    sender = RedisStreams(reactor, "redis://127.0.0.1", shards=1, maxlen=100)
    await soon(Deferred.fromCoroutine(sender.stop()))


def test_a_host_without_a_port_has_redis_own() -> None:
    sender = RedisStreams(reactor, "rediss://user:secret@cache.example.com", shards=1, maxlen=100)
    assert sender.place == "Redis at cache.example.com:6379"


@pytest.mark.parametrize(
    "url",
    [
        "redis://:secret@127.0.0.1:6379/0?no_such_option=1",
        "redis://:secret@127.0.0.1:6379/0?socket_timeout=secret",
        "rediss://:secret@127.0.0.1:6379/0?ssl_cert_reqs=secret",
    ],
)
def test_what_the_library_does_not_know_is_said_at_the_start(url: str) -> None:
    with pytest.raises(CannotDeliver) as caught:
        RedisStreams(reactor, url, shards=1, maxlen=100).start()
    assert "REDIS_URL has something" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_without_the_library_the_command_that_installs_it_is_said(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["redis"] = None
from voicestt.delivery.sender import CannotDeliver
from voicestt.delivery.redis_streams import RedisStreams
try:
    RedisStreams(None, "redis://localhost", shards=1, maxlen=100).start()
except CannotDeliver as problem:
    print(problem)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    words = "REDIS_URL needs a library that is not installed: pip install '.[redis]' in voicestt's folder\n"
    assert done.stdout == words


@on_reactor
async def test_what_it_is_given_is_done_in_order_in_one_thread_of_its_own() -> None:
    worker = WorkerThread(reactor, "test")
    worker.start()
    threads = [await soon(worker.do(threading.current_thread)) for _ in range(3)]
    assert {thread.name for thread in threads} == {"test"}
    await soon(worker.stop())
    threads[0].join(5)
    assert not threads[0].is_alive()


@on_reactor
async def test_what_is_raised_is_raised_where_it_is_waited_for_and_the_next_is_done() -> None:
    worker = WorkerThread(reactor, "test")
    worker.start()

    def fail() -> None:
        raise KeyError("a")

    failing, next_one = worker.do(fail), worker.do(lambda: 7)
    with pytest.raises(KeyError):
        await soon(failing)
    assert await soon(next_one) == 7
    await soon(worker.stop())


@on_reactor
async def test_work_that_nobody_waits_for_any_more_is_done_all_the_same() -> None:
    worker = WorkerThread(reactor, "test")
    worker.start()
    going = threading.Event()
    waiting = worker.do(lambda: going.wait(10))
    waiting.cancel()
    with pytest.raises(CancelledError):
        await waiting
    going.set()
    assert await soon(worker.do(lambda: 7)) == 7
    await soon(worker.stop())


@on_reactor
async def test_a_thread_that_was_not_started_is_stopped_at_once() -> None:
    await soon(WorkerThread(reactor, "test").stop())
