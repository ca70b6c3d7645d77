"""Does slow work with calls' events, from Redis Streams: an example to copy and change. `pip install redis` first.

    python redis_worker.py --shards 4 --name one
    python redis_worker.py --shards 4 --name two     # on another machine, and as many as you like

voicestt puts all events of a call into one of the streams `voicestt:events:0`, `…:1`, and on (REDIS_SHARDS of
them), in order; in a Redis Cluster they are `voicestt:events:{0}`, and what goes with a stream is where it is. So
that they are also worked on in order, each stream has one worker at a time: whoever holds its lease. The workers
share the streams out among themselves; when one dies its leases run out, and another goes on with what it was
given and had not finished (XAUTOCLAIM) before anything newer.

An event is acknowledged (XACK) when its work is done. It can come twice: voicestt was not sure that Redis had it,
or a worker died between the work and the acknowledgement. The events of a session are numbered and come in order:
one key for each session, with the number of its last event that was done, is enough to drop repeats. For what a
dying worker had half done, the work itself must bear to be done again.

Whatever Redis says or does not say (it is down, full, starting, a replica by now) is waited for. A stream or a
group that somebody deleted is made anew and read from its beginning: what was done is dropped as a repeat.
"""

import argparse
import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from redis.sentinel import Sentinel

STREAM = "voicestt:events:"
REMEMBERED_SECONDS = 86_400
AT_ONCE = 20
IDLE_SECONDS = 0.1
ANSWER_SECONDS = 10.0
FAILURES = (redis.RedisError, RedisClusterException)

# KEYS are a lease and its stream, ARGV[1] is the worker. TAKE is for whoever comes first, or had it already; the
# others do something only for who holds the lease.
TAKE = (
    "local holder = redis.call('get', KEYS[1]) if holder and holder ~= ARGV[1] then return false end "
    "return redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])"
)
_MINE = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return false end "
KEEP = _MINE + "return redis.call('pexpire', KEYS[1], ARGV[2])"
RELEASE = _MINE + "return redis.call('del', KEYS[1])"
READ = _MINE + (
    "local new = redis.call('xreadgroup', 'group', ARGV[2], ARGV[1], 'count', ARGV[3], 'streams', KEYS[2], '>') "
    "return new and new[1][2]"
)
CLAIM = _MINE + "return redis.call('xautoclaim', KEYS[2], ARGV[2], ARGV[1], 0, ARGV[4], 'count', ARGV[3])"

# KEYS are a session's last event and its stream; ARGV is the group, the entry, the event's number and how long it
# is remembered. What is done is done, whoever holds the lease by now; a last event never goes back.
DONE = (
    "local last = tonumber(redis.call('get', KEYS[1]) or -1) "
    "redis.call('set', KEYS[1], math.max(last, tonumber(ARGV[3])), 'ex', ARGV[4]) "
    "return redis.call('xack', KEYS[2], ARGV[1], ARGV[2])"
)


def work(event: dict[str, Any]) -> None:
    """Yours: ask a language model, write into a CRM, … It must take less time than the lease.

    What it raises ends this worker, and the event goes to another.
    """
    print(json.dumps(event, ensure_ascii=False), flush=True)


class Worker:
    """One of the workers of `group`, under a `name` that no other has."""

    def __init__(self, url: str, group: str, name: str, shards: int, lease: float) -> None:
        self._url = url
        self._redis: Any = None
        self._group = group
        self._name = name
        tag = "{{{}}}" if "+cluster:" in url else "{}"
        self._streams = [STREAM + tag.format(shard) for shard in range(shards)]
        self._lease = lease
        self._mine: list[str] = []
        self._shared_out = 0.0  # time.monotonic() of it
        self._unsaved: dict[str, int] = {}  # the last events that were done and that Redis does not know of yet
        self.stopping = False

    def run(self) -> None:
        """Works until `stopping`. Whatever Redis has is waited for."""
        while not self.stopping:
            try:
                if not self._turn():
                    time.sleep(IDLE_SECONDS)
            except FAILURES as problem:
                print(f"# Redis: {type(problem).__name__}: {problem}", flush=True)
                # It shares out again, and so takes up what was under way before anything newer.
                self._mine, self._shared_out = [], 0.0
                if "NOGROUP" not in str(problem):
                    # This may be a primary no more, and another has its name by now.
                    self._disconnect()
                    time.sleep(1)
        if self._redis is not None:
            with suppress(*FAILURES):
                self._leave()
        self._disconnect()

    def _disconnect(self) -> None:
        client, self._redis = self._redis, None
        if client is not None:
            client.close()

    def _turn(self) -> bool:
        """Whether there was anything to do."""
        if self._redis is None:
            self._redis = connect(self._url)
        if time.monotonic() - self._shared_out > self._lease / 5:
            self._share_out()
        found = [self._do_all(stream, self._read(stream)) for stream in list(self._mine)]
        return any(found)

    def _read(self, stream: str) -> list[Any]:
        new: list[Any] = self._script(READ, stream, self._group, AT_ONCE) or []
        return new

    def _do_all(self, stream: str, entries: list[Any]) -> bool:
        for entry_id, fields in entries:
            # What is left of a stream that is not ours any more, its new worker takes over.
            if self.stopping or not self._keep(stream):
                break
            self._do(stream, entry_id, dict(zip(fields[::2], fields[1::2], strict=True)))
        return bool(entries)

    def _do(self, stream: str, entry_id: str, fields: dict[str, str]) -> None:
        session, _, number = fields["id"].rpartition("-")
        sequence, last = int(number), f"voicestt:last:{self._group}:{stream}:{session}"
        if sequence > self._unsaved.get(session, -1) and sequence > int(self._redis.get(last) or -1):
            work(json.loads(fields["event"]))
            # If Redis is full or gone just now, this worker at least does not do it again.
            self._unsaved[session] = sequence
        self._redis.eval(DONE, 2, last, stream, self._group, entry_id, sequence, REMEMBERED_SECONDS)
        self._unsaved.pop(session, None)

    def _take_over(self, stream: str) -> None:
        """First what a worker was given and has not finished: it is not at it, or it would have the lease."""
        try:
            self._redis.xgroup_create(stream, self._group, id="0", mkstream=True)
        except redis.ResponseError as problem:
            if "BUSYGROUP" not in str(problem):
                raise
        for entries in self._unfinished(stream):
            self._do_all(stream, entries)

    def _unfinished(self, stream: str) -> Iterator[list[Any]]:
        start = "0-0"
        while claimed := self._script(CLAIM, stream, self._group, AT_ONCE, start):
            start = claimed[0]
            yield [entry for entry in claimed[1] if entry]
            if start == "0-0" or self.stopping:
                return

    def _share_out(self) -> None:
        """Keep, take or give back streams, so that every worker has about as many."""
        self._shared_out = time.monotonic()
        now, workers = time.time(), f"voicestt:workers:{self._group}"
        self._redis.zadd(workers, {self._name: now})
        alive = self._redis.zcount(workers, now - self._lease, "+inf")
        share = -(-len(self._streams) // max(1, alive))
        self._mine = [stream for stream in self._mine if self._keep(stream)]
        for stream in self._mine[share:]:
            self._release(stream)
        for stream in self._streams:
            if len(self._mine) < share and stream not in self._mine and self._take(stream):
                self._mine.append(stream)
                self._take_over(stream)

    def _take(self, stream: str) -> bool:
        return bool(self._script(TAKE, stream, int(self._lease * 1_000)))

    def _keep(self, stream: str) -> bool:
        return bool(self._script(KEEP, stream, int(self._lease * 1_000)))

    def _release(self, stream: str) -> None:
        self._mine.remove(stream)
        self._script(RELEASE, stream)

    def _script(self, script: str, stream: str, *values: object) -> Any:
        return self._redis.eval(script, 2, self._key(stream), stream, self._name, *values)

    def _key(self, stream: str) -> str:
        return f"voicestt:lease:{self._group}:{stream}"

    def _leave(self) -> None:
        for stream in list(self._mine):
            self._release(stream)
        self._redis.zrem(f"voicestt:workers:{self._group}", self._name)


def connect(url: str) -> Any:
    """Return a client for a REDIS_URL. It tries once: a command sent twice might skip events unseen."""
    options: dict[str, Any] = {"decode_responses": True, "protocol": 2, "socket_timeout": ANSWER_SECONDS}
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    login, at, names = parts.netloc.rpartition("@")
    hosts = [urlsplit(f"//{name}") for name in names.split(",")]
    of_one = f"{scheme}://{login}{at}{hosts[0].netloc}"
    if kind == "cluster":
        nodes = [ClusterNode(host.hostname, host.port or 6379) for host in hosts[1:]]
        return RedisCluster.from_url(f"{of_one}?{parts.query}", startup_nodes=nodes, retry=once(), **options)
    if kind == "sentinel":
        _, service, *number = unquote(parts.path).split("/")
        options |= parse_url(f"{of_one}/{''.join(number)}?{parts.query}")
        return primary([(host.hostname, host.port or 26379) for host in hosts], service, options)
    return redis.Redis.from_url(url, retry=once(), **options)


def primary(sentinels: list[tuple[str | None, int]], service: str, options: dict[str, Any]) -> redis.Redis:
    """Return a client of whoever these Sentinels name, by options of a URL."""
    login = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    for name in ("host", "port"):
        options.pop(name, None)
    options["ssl"] = options.pop("connection_class", None) is not None
    tls = {name: value for name, value in options.items() if name.startswith("ssl")}
    asked = Sentinel(
        sentinels, sentinel_kwargs={**login, **tls, "socket_timeout": ANSWER_SECONDS, "retry": once()}
    )
    client: redis.Redis = asked.master_for(service, retry=once(), **options)
    return client


def once() -> Retry:
    """No other attempt."""
    return Retry(NoBackoff(), 0)


def plain(text: str) -> str:
    """Return a name that can be part of a key."""
    if not re.fullmatch(r"[\w.-]+", text):
        raise ValueError
    return text


def main() -> None:
    """From the command line; SIGTERM and Ctrl-C end it after the event that it is at."""
    options = argparse.ArgumentParser(description="Works on the events of calls, from Redis Streams.")
    options.add_argument("--url", default="redis://127.0.0.1:6379/0", help="as voicestt's REDIS_URL")
    options.add_argument("--shards", type=int, default=4, help="as voicestt's REDIS_SHARDS")
    options.add_argument("--group", type=plain, default="workers", help="each group is given every event")
    options.add_argument("--name", required=True, help="of this worker, unlike all others of its group")
    options.add_argument("--lease", type=float, default=15.0, help="seconds after which a dead worker is replaced")
    chosen = options.parse_args()
    worker = Worker(chosen.url, chosen.group, chosen.name, chosen.shards, chosen.lease)

    def stop(_number: int, _frame: object) -> None:
        worker.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    worker.run()


if __name__ == "__main__":
    main()
