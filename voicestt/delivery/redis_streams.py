"""Events to Redis Streams, for workers elsewhere that read them in consumer groups.

Each event is added to a stream `voicestt:events:N`, where N is the CRC-32 of the CallSid modulo the number of
shards: all events of a call are in one stream, in order. An entry has the fields `id`, `type`, `call_sid` and
`event`, the JSON. An event may be there twice, with the same `id`: when Redis failed at a moment at which nobody
knows whether it had taken it.

Source: Redis, "XADD" (the trimming with `MAXLEN ~`), "Transactions": what a transaction queues is done as a whole,
or, where a command of it could not be queued (OOM, READONLY, …), not at all.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from zlib import crc32

from voicestt.delivery.answers import without_host
from voicestt.delivery.carrier import CannotDeliver, Failed, Outcome
from voicestt.delivery.worker import Worker
from voicestt.events import event_id
from voicestt.journal.port import Record

STREAM: Final = "voicestt:events:"
MOST: Final = 200
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
_PORT: Final = 6379
_LONGEST_PROBLEM: Final = 200


def stream_of(call_sid: str, shards: int) -> str:
    """The stream that all events of a call are in."""
    return f"{STREAM}{crc32(call_sid.encode()) % shards}"


class RedisStreams:
    """A Carrier to the Redis at `url`; each of the `shards` streams keeps about `maxlen` events."""

    advice: Final = "look at Redis' own log, and whether REDIS_URL is still right; delivery goes on by itself."
    at_once: Final = 1
    most: Final = MOST
    of_one: Final = False

    def __init__(
        self, reactor: Any, url: str, *, shards: int, maxlen: int, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        parts = urlsplit(url)
        self.place = f"Redis at {parts.hostname}:{parts.port or _PORT}"
        self._url = url
        self._password = unquote(parts.password or "")
        self._host = parts.hostname
        self._shards = shards
        self._maxlen = maxlen
        self._answer_seconds = answer_seconds
        self._worker = Worker(reactor, "redis")
        self._client: Any = None
        self._answers = False

    def start(self) -> None:
        """Connects with the first event.

        Raises:
            CannotDeliver: where the library is missing, or REDIS_URL has what it does not know.
        """
        self._client = _client(self._url, self._answer_seconds)
        self._worker.start()

    async def stop(self) -> None:
        """Ends the connection and the thread."""
        if self._client is not None:
            # Not waited for by itself: who gives up waiting has said what is to be done all the same.
            self._worker.do(self._client.close)
        await self._worker.stop()

    async def carry(self, records: Sequence[Record]) -> Sequence[Outcome]:
        """Adds the events in one transaction, see `voicestt.delivery.carrier.Carrier`."""
        return await self._worker.do(lambda: self._add(records))

    def _add(self, records: Sequence[Record]) -> list[Outcome]:
        from redis import RedisError  # noqa: PLC0415 - an extra

        try:
            results = self._execute(records)
        except (RedisError, OSError) as problem:
            self._drop_connections()
            return [Failed(self._words(problem), is_whole=True)] * len(records)
        return [Failed(self._words(each)) if isinstance(each, Exception) else None for each in results]

    def _execute(self, records: Sequence[Record]) -> list[Any]:
        if not self._answers:
            # A Redis that hangs does what it was sent when it wakes up: that shall not be the same many times.
            self._client.ping()
            self._answers = True
        transaction = self._client.pipeline(transaction=True)
        for record in records:
            transaction.xadd(
                stream_of(record.call_sid, self._shards), _fields(record), maxlen=self._maxlen, approximate=True
            )
        results: list[Any] = transaction.execute(raise_on_error=False)
        return results

    def _drop_connections(self) -> None:
        """Connects anew for the next events: this may be a primary no more, and another has its name."""
        self._answers = False
        self._client.connection_pool.disconnect()

    def _words(self, problem: Exception) -> str:
        # The library puts the command before the error, and a command holds what a caller said.
        said = str(problem).rpartition(" caused error: ")[2]
        if self._password:
            said = said.replace(self._password, "…")
        said = without_host(said, self._host)
        return f"{type(problem).__name__}: {said}"[:_LONGEST_PROBLEM].rstrip(". ")


def _fields(record: Record) -> dict[str, str | bytes]:
    return {
        "id": event_id(record.session, record.sequence),
        "type": record.type,
        "call_sid": record.call_sid,
        "event": record.payload,
    }


def open_client(url: str, connect_seconds: float, answer_seconds: float) -> Any:
    """A client of the library `redis` that tries once; it connects when it is asked for something.

    Raises:
        ImportError: where the library is not installed.
        RedisError, ValueError, TypeError: for a `url` that it cannot use; the words may hold parts of it.
    """
    from redis import Redis  # noqa: PLC0415 - an extra
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    return Redis.from_url(
        url,
        # RESP 2: any Redis that has streams speaks it.
        protocol=2,
        socket_connect_timeout=connect_seconds,
        socket_timeout=answer_seconds,
        # The deliverer tries again, and knows what for.
        retry=Retry(NoBackoff(), 0),
    )


def _client(url: str, answer_seconds: float) -> Any:
    try:
        from redis import RedisError  # noqa: PLC0415 - an extra
    except ImportError:
        raise CannotDeliver(
            "REDIS_URL needs a library that is not installed: pip install 'voicestt[redis]'"
        ) from None
    try:
        client = open_client(url, CONNECT_SECONDS, answer_seconds)
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)
    except (RedisError, ValueError, TypeError):
        # Its words may hold parts of the URL.
        raise CannotDeliver(
            "REDIS_URL has something that the library `redis` does not know: it is redis://HOST:PORT/NUMBER, or "
            "rediss://… with TLS, with options that the library documents for Redis.from_url"
        ) from None
    return client
