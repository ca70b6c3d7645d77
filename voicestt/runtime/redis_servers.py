"""The servers behind a REDIS_URL: one server, the primary that Sentinel names, or the nodes of a Redis Cluster.

Everything here blocks. A client tries once: its user decides about the next attempt.
"""

import re
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final, Protocol

from voicestt.config.redis_address import RedisAddress

_LONGEST_PROBLEM: Final = 200
_SENTINEL_CLIENTS: Final = re.compile(r"(No master found for '[^']*') : .* - (\S+)")
# A cluster and Sentinels name hosts that are not in the address.
_WHERE: Final = re.compile(r"(?<=connecting to )\S+(?=:\d)|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w)")


class Servers(Protocol):
    """Finds the server that keeps a key."""

    def of(self, key: str) -> Any:
        """Return the client of the server that keeps `key`, the same one until that changes."""
        ...

    def drop_connections(self) -> bool:
        """Drop the connections after a failure, and look again for the servers of the keys.

        True if other keys may be written all the same.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


def open_servers(address: RedisAddress, connect_seconds: float, answer_seconds: float) -> Servers:
    """Create the clients for an address; they connect at their first use.

    Raises:
        ImportError: where the library is not installed.
        RedisError, ValueError, TypeError: for an address that it cannot use; the words may hold parts of it.
    """
    from redis import ConnectionPool  # noqa: PLC0415 - an extra

    pool = ConnectionPool.from_url(address.url)
    with closing(pool):
        pool.connection_class(**pool.connection_kwargs)
    limits = {
        # RESP 2: any Redis that has streams speaks it.
        "protocol": 2,
        "socket_connect_timeout": connect_seconds,
        "socket_timeout": answer_seconds,
    }
    if address.kind == "cluster":
        return _Cluster(address, limits)
    return _sentinels_primary(address, limits) if address.kind == "sentinel" else _one_server(address, limits)


def redis_failures() -> tuple[type[Exception], ...]:
    """Return the exceptions raised when a server fails, cannot be reached, or refuses."""
    from redis import RedisError  # noqa: PLC0415 - an extra
    from redis.exceptions import RedisClusterException  # noqa: PLC0415

    return RedisError, RedisClusterException, OSError


def words_of(problem: Exception, address: RedisAddress) -> str:
    """Describe a failure in words, without a secret, a server's address or what a caller said."""
    # The library puts the command before the error, and a command holds what a caller said.
    said = " ".join(str(problem).rpartition(" caused error: ")[2].split())
    said = _SENTINEL_CLIENTS.sub(r"\1: \2", said)
    said = _WHERE.sub("…", said)
    for host, _ in address.hosts:
        said = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", "…", said)
    for secret in address.secrets:
        said = said.replace(secret, "…")
    return f"{type(problem).__name__}: {said}"[:_LONGEST_PROBLEM].rstrip(". ")


class _One:
    """One client for all keys, and the functions that close it."""

    def __init__(self, client: Any, *closes: Callable[[], None]) -> None:
        self._client = client
        self._closes = (client.close, *closes)

    def of(self, _key: str) -> Any:
        return self._client

    def drop_connections(self) -> bool:
        """Drop the connections: this server may be a primary no more, and another may have its name."""
        self._client.connection_pool.disconnect()
        return False

    def close(self) -> None:
        for close in self._closes:
            close()


def _one_server(address: RedisAddress, limits: dict[str, Any]) -> Servers:
    from redis import Redis  # noqa: PLC0415 - an extra

    return _One(Redis.from_url(address.url, retry=_once(), **limits))


def _sentinels_primary(address: RedisAddress, limits: dict[str, Any]) -> Servers:
    from redis.connection import parse_url  # noqa: PLC0415 - an extra
    from redis.sentinel import Sentinel  # noqa: PLC0415

    options = parse_url(address.url)
    del options["host"], options["port"]
    if options.pop("connection_class", None):
        options["ssl"] = True
    tls = {name: value for name, value in options.items() if name.startswith("ssl")}
    # A Sentinel answers at once, or is to be left for the next one.
    seconds = limits["socket_connect_timeout"]
    of_sentinels = {**limits, "socket_timeout": seconds, "retry": _once(), **tls, **address.sentinel}
    watchers = Sentinel(list(address.hosts), sentinel_kwargs=of_sentinels)
    client = watchers.master_for(address.service, **{**limits, "retry": _once(), **options})
    return _One(client, watchers.close)


class _Cluster:
    """The clients of a cluster's primaries; the map of slots is read again after each failure."""

    def __init__(self, address: RedisAddress, limits: dict[str, Any]) -> None:
        self._address = address
        self._limits = limits
        self._client: Any = None

    def of(self, key: str) -> Any:
        if self._client is None:
            self._client = self._opened()
        return self._client.get_redis_connection(self._client.get_node_from_key(key))

    def drop_connections(self) -> bool:
        if self._client is None:
            return False
        self._client.disconnect_connection_pools()
        try:
            self._client.nodes_manager.initialize()
        except redis_failures():
            # None of the known nodes answers: begin again with those of the address.
            self.close()
            return False
        return True

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _opened(self) -> Any:
        from redis.cluster import ClusterNode, RedisCluster  # noqa: PLC0415 - an extra

        nodes = [ClusterNode(host, port) for host, port in self._address.hosts[1:]]
        # A part of the cluster that is gone does not hold up the others.
        return RedisCluster.from_url(
            self._address.url, startup_nodes=nodes, retry=_once(), require_full_coverage=False, **self._limits
        )


def _once() -> Any:
    from redis.backoff import NoBackoff  # noqa: PLC0415 - an extra
    from redis.retry import Retry  # noqa: PLC0415

    return Retry(NoBackoff(), 0)
