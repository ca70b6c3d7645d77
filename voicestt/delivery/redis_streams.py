"""Events to Redis Streams, for workers elsewhere that read them in consumer groups.

Each event is added to a stream `voicestt:events:N`, where N is the CRC-32 of the CallSid modulo the number of
shards: all events of a call are in one stream, in order. In a Redis Cluster its name is `voicestt:events:{N}`. An
entry has the fields `id`, `type`, `call_sid` and `event`, the JSON. An event may be there twice, with the same
`id`: when Redis failed at a moment at which nobody knows whether it had taken it.

Source: Redis, "XADD" (the trimming with `MAXLEN ~`), "Transactions": what a transaction queues is done as a whole,
or, where a command of it could not be queued (OOM, READONLY, …), not at all. "WAIT": a primary that answers has
the event, its replicas perhaps not yet, and one that dies then takes it along.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import Any, Final, TypeVar
from zlib import crc32

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.config.redis_address import RedisAddress, redis_address
from voicestt.delivery.redis_watch import RedisLook, RedisWatch
from voicestt.delivery.sender import CannotDeliver, DeliveryFailed, Outcome
from voicestt.events import event_id
from voicestt.journal.port import Record
from voicestt.runtime.redis_servers import Servers, open_servers, redis_failures, words_of

STREAM: Final = "voicestt:events:"
MOST: Final = 200
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
WATCH_SECONDS: Final = 60.0


def stream_name(shard: int, *, in_cluster: bool = False) -> str:
    """Return the name of a shard's stream.

    In a cluster the number is its hash tag: keys with the same tag are on the same server.
    """
    return f"{STREAM}{{{shard}}}" if in_cluster else f"{STREAM}{shard}"


def stream_of(call_sid: str, shards: int, *, in_cluster: bool = False) -> str:
    """Return the name of the stream that holds all events of a call."""
    return stream_name(crc32(call_sid.encode()) % shards, in_cluster=in_cluster)


class NotReplicated(Exception):
    """The primary has the events, but too few of its replicas have confirmed that they have them too."""


class RedisStreams:
    """An EventSender to the Redis at `url`; each of the `shards` streams keeps about `maxlen` events.

    An event has arrived when as many as `replicas` of the primary's replicas have it too. At the start, and every
    `watch_seconds` while events arrive, Redis is asked what threatens them there.
    """

    _log = Logger()

    advice: Final = "look at Redis' own log, and whether REDIS_URL is still right; delivery goes on by itself."
    at_once: Final = 1
    most: Final = MOST
    of_one: Final = False

    def __init__(
        self,
        reactor: IReactorFromThreads,
        url: str,
        *,
        shards: int,
        maxlen: int,
        replicas: int = 0,
        answer_seconds: float = ANSWER_SECONDS,
        watch_seconds: float = WATCH_SECONDS,
    ) -> None:
        self._address = redis_address(url)
        self.place = self._address.place
        self._in_cluster = self._address.kind == "cluster"
        self._shards = shards
        self._maxlen = maxlen
        self._replicas = replicas
        self._answer_seconds = answer_seconds
        self._worker = WorkerThread(reactor, "redis")
        self._servers: Servers | None = None
        self._answering: set[Any] = set()
        streams = [stream_name(shard, in_cluster=self._in_cluster) for shard in range(shards)]
        self._asks = RedisLook(streams, maxlen)
        self._watch = RedisWatch(self.place, maxlen)
        self._watch_seconds = watch_seconds
        self._look_due = 0.0

    def start(self) -> None:
        """Start the thread, and connect without waiting for it.

        Raises:
            CannotDeliver: where the library is missing, or REDIS_URL has what it does not know.
        """
        self._servers = _servers(self._address, self._answer_seconds)
        self._worker.start()
        self._look(self._servers)

    async def stop(self) -> None:
        """Close the connections and end the thread."""
        if self._servers is not None:
            # Not waited for by itself: who gives up waiting has said what is to be done all the same.
            self._worker.do(self._servers.close)
        await self._worker.stop()

    async def carry(self, records: Sequence[Record]) -> Sequence[Outcome]:
        """Add the events in one transaction, or in a cluster one for each stream.

        See `voicestt.delivery.sender.EventSender`.
        """
        servers = self._servers
        assert servers is not None  # noqa: S101 - it was started
        outcomes = await self._worker.do(lambda: self._add(servers, records))
        if None in outcomes and time.monotonic() >= self._look_due:
            self._look(servers)
        return outcomes

    def _look(self, servers: Servers) -> None:
        """Ask Redis about lags and memory, without waiting for the answer.

        The next work of the thread waits for it.
        """
        self._look_due = time.monotonic() + self._watch_seconds
        looking = self._worker.do(lambda: self._asks(servers))
        looking.addCallback(self._watch.saw)
        looking.addErrback(
            lambda failure: self._log.failure("A mistake in looking after {place}", failure, place=self.place)
        )

    def _add(self, servers: Servers, records: Sequence[Record]) -> list[Outcome]:
        outcomes: list[Outcome] = [None] * len(records)
        failed: dict[Any, DeliveryFailed] = {}
        for numbers in self._transactions(records):
            whole = next((failure for failure in failed.values() if failure.is_whole), None)
            some = [records[number] for number in numbers]
            found = [whole] * len(some) if whole else self._add_some(servers, some, failed)
            for number, outcome in zip(numbers, found, strict=True):
                outcomes[number] = outcome
        return outcomes

    def _transactions(self, records: Sequence[Record]) -> Iterable[Sequence[int]]:
        """Group the records' places into transactions: one in all, or in a cluster one for each stream."""
        if not self._in_cluster:
            return [range(len(records))]
        streams: dict[str, list[int]] = {}
        for number, record in enumerate(records):
            streams.setdefault(self._stream(record), []).append(number)
        return streams.values()

    def _add_some(
        self, servers: Servers, records: Sequence[Record], failed: dict[Any, DeliveryFailed]
    ) -> list[Outcome]:
        server = None
        failures: tuple[type[Exception], ...] = (*redis_failures(), NotReplicated)
        try:
            server = servers.of(self._stream(records[0]))
            if server in failed:
                # It is not waited for once more for each of its streams.
                return [failed[server]] * len(records)
            results = self._execute(server, records)
        except failures as problem:
            failure = failed[server] = self._dropped(servers, problem)
            return [failure] * len(records)
        return [DeliveryFailed(self._words(each)) if isinstance(each, Exception) else None for each in results]

    def _execute(self, server: Any, records: Sequence[Record]) -> list[Any]:
        if server not in self._answering:
            # A Redis that hangs does what it was sent when it wakes up: that shall not be the same many times.
            server.ping()
            self._answering.add(server)
        transaction = server.pipeline(transaction=True)
        for record in records:
            transaction.xadd(self._stream(record), _fields(record), maxlen=self._maxlen, approximate=True)
        results: list[Any] = transaction.execute(raise_on_error=False)
        if self._replicas:
            self._await_replicas(server)
        return results

    def _await_replicas(self, server: Any) -> None:
        # On the connection that the events went by, which is the only one there is.
        confirmed = server.wait(self._replicas, int(self._answer_seconds * 500))
        if confirmed < self._replicas:
            raise NotReplicated(
                f"{confirmed} of {self._replicas} replicas (REDIS_REPLICAS) have confirmed the events"
            )

    def _dropped(self, servers: Servers, problem: Exception) -> DeliveryFailed:
        """Drop the connections after a failure, and return the outcome of its events."""
        from redis.exceptions import ClusterDownError  # noqa: PLC0415 - an extra

        self._answering.clear()
        others_go_on = servers.drop_connections() and not isinstance(problem, ClusterDownError)
        return DeliveryFailed(self._words(problem), is_whole=not others_go_on)

    def _stream(self, record: Record) -> str:
        return stream_of(record.call_sid, self._shards, in_cluster=self._in_cluster)

    def _words(self, problem: Exception) -> str:
        return words_of(problem, self._address)


def check_redis(url: str) -> None:
    """Check that the library for the Redis at `url` is there and knows what the URL says; connect to nothing.

    Raises:
        CannotDeliver: where it could never work.
    """
    _servers(redis_address(url), ANSWER_SECONDS).close()


def _fields(record: Record) -> dict[str, str | bytes]:
    return {
        "id": event_id(record.session, record.sequence),
        "type": record.type,
        "call_sid": record.call_sid,
        "event": record.payload,
    }


def _servers(address: RedisAddress, answer_seconds: float) -> Servers:
    try:
        from redis import RedisError  # noqa: PLC0415 - an extra
    except ImportError:
        raise CannotDeliver(
            "REDIS_URL needs a library that is not installed: pip install '.[redis]' in voicestt's folder"
        ) from None
    try:
        return open_servers(address, CONNECT_SECONDS, answer_seconds)
    except (RedisError, ValueError, TypeError):
        # Its words may hold parts of the URL.
        raise CannotDeliver(
            "REDIS_URL has something that the library `redis` does not know: it is redis://HOST:PORT/NUMBER, "
            "redis+sentinel://HOST:PORT/SERVICE/NUMBER, redis+cluster://HOST:PORT, or rediss… with TLS, with "
            "options that the library documents for Redis.from_url"
        ) from None


T = TypeVar("T")

_Job = tuple[Callable[[], Any], "Deferred[Any]"]


class WorkerThread:
    """A worker thread that runs from `start` to `stop`.

    It is a daemon: work that does not end keeps no process alive.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str) -> None:
        self._reactor = reactor
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ended: Deferred[None] = Deferred()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def do(self, work: Callable[[], T]) -> "Deferred[T]":
        """Run `work` in the thread; the Deferred fires with its result.

        Cancelling stops the waiting, not the work.
        """
        done: Deferred[T] = Deferred()
        self._jobs.put((work, done))
        return done

    def stop(self) -> "Deferred[None]":
        """End the thread when its queued work is done; the Deferred fires then."""
        if self._thread.ident is None:
            return succeed(None)
        self._jobs.put(None)
        return self._ended

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, done = job
            self._reactor.callFromThread(done.callback, _result(work))
        self._reactor.callFromThread(self._ended.callback, None)


def _result(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception:  # noqa: BLE001 - it is raised where it is waited for
        return Failure()
