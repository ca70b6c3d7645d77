"""Several real redis-servers that belong together: a primary with replicas and a Sentinel, and a Redis Cluster."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis, RedisError

from tests.redis_server import PATIENCE, RedisServer, program
from voicestt.ops.services import free_port

SERVICE = "calls"
_SLOTS = 16_384
_FIRST_PRIMARYS_KEY = "replicated1"
_REPLICATES_AT_ONCE = ("--repl-diskless-sync-delay", "0")


def eventually(condition: Callable[[], object]) -> None:
    """Returns when it is so."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(RedisError):
            if condition():
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


@dataclass
class Guarded:
    """A primary, its replicas and the port of the Sentinel that watches them."""

    primary: RedisServer
    replicas: Sequence[RedisServer]
    sentinel: int

    def url(self, *, options: str = "") -> str:
        """The address, in which a Sentinel that is not there comes first."""
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel}/{SERVICE}/0{options}"

    def ask(self, *command: str) -> Any:
        """Asks the Sentinel."""
        with Redis(port=self.sentinel, protocol=2, decode_responses=True) as client:
            return client.execute_command(*command)

    @property
    def chosen(self) -> RedisServer:
        """The one that the Sentinel names."""
        port = int(self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
        return next(server for server in (self.primary, *self.replicas) if server.port == port)


@contextmanager
def guarded(folder: Path, *, replicas: int = 1) -> Iterator[Guarded]:
    """They run, the replicas have caught up, and the Sentinel knows them."""
    with ExitStack() as stack:
        primary = stack.enter_context(RedisServer(_made(folder / "primary"), options=_REPLICATES_AT_ONCE))
        options = ("--replicaof", "127.0.0.1", str(primary.port), *_REPLICATES_AT_ONCE)
        others = [
            stack.enter_context(RedisServer(_made(folder / f"replica{number}"), options=options))
            for number in range(replicas)
        ]
        port = stack.enter_context(sentinel(_made(folder / "sentinel"), primary.port))
        all_of_them = Guarded(primary, others, port)
        _await_replication(primary, others)
        with Redis(port=port, protocol=2, decode_responses=True) as client:
            eventually(lambda: len(client.sentinel_slaves(SERVICE)) == replicas)
        yield all_of_them


def _await_replication(primary: RedisServer, replicas: Sequence[RedisServer], key: str = "replicated") -> None:
    """Until each has what the primary was told: one that is `online` may be sent nothing for a second more."""
    with primary.client() as client:
        client.set(key, 1)
    for replica in replicas:
        with replica.client(single_connection_client=True) as client:
            with suppress(RedisError):
                # One of a cluster would name its primary.
                client.readonly()
            eventually(partial(client.exists, key))


@contextmanager
def sentinel(folder: Path, primary: int, *more: str) -> Iterator[int]:
    """The port of a Sentinel that watches the primary at a port; `more` are lines of its own."""
    port, file = free_port(), folder / "sentinel.conf"
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f"dir {folder}",
        f"logfile {folder}/sentinel.log",
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary} 1",
        # On a busy machine a healthy server may be silent for a second, and would be replaced.
        f"sentinel down-after-milliseconds {SERVICE} 3000",
        f"sentinel failover-timeout {SERVICE} 10000",
        *more,
    ]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    process = subprocess.Popen([program(), str(file), "--sentinel"])
    try:
        with Redis(port=port, protocol=2) as client:
            eventually(client.ping)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


@dataclass
class Cluster:
    """Three primaries, and one replica of the first, if there is one."""

    primaries: Sequence[RedisServer]
    replica: RedisServer | None

    @property
    def url(self) -> str:
        """The address, in which a node that is not there comes first."""
        return f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{self.primaries[1].port}"

    def primary_of(self, key: str) -> RedisServer:
        """Which of them had a key when the cluster was made."""
        with self.primaries[0].client() as client:
            slot: int = client.cluster("KEYSLOT", key)
        return self.primaries[slot * len(self.primaries) // _SLOTS]


@contextmanager
def cluster(folder: Path, *, with_replica: bool = False) -> Iterator[Cluster]:
    """It runs, and every node says that it is well."""
    with ExitStack() as stack:
        buses = [free_port() for _ in range(3 + with_replica)]
        nodes = [
            stack.enter_context(RedisServer(_made(folder / f"node{number}"), options=_of_a_cluster(bus)))
            for number, bus in enumerate(buses)
        ]
        primaries = nodes[:3]
        for number, node in enumerate(primaries):
            with node.client() as client:
                client.cluster("ADDSLOTSRANGE", _first_slot(number), _first_slot(number + 1) - 1)
        with nodes[0].client() as client:
            for node, bus in zip(nodes[1:], buses[1:], strict=True):
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        _await_health(nodes)
        if with_replica:
            _replicate(nodes[3], nodes[0])
        yield Cluster(primaries, nodes[3] if with_replica else None)


def _first_slot(number: int) -> int:
    """The first slot of one of three primaries."""
    return -(-number * _SLOTS // 3)


def _of_a_cluster(bus: int) -> Sequence[str]:
    # What is left of it goes on, as all slots of a part that is gone are missing.
    states = (
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "2000",
        "--cluster-require-full-coverage",
        "no",
    )
    return (*states, "--cluster-port", str(bus), *_REPLICATES_AT_ONCE)


def _await_health(nodes: Sequence[RedisServer]) -> None:
    for node in nodes:
        with node.client(decode_responses=True) as client:
            eventually(partial(_is_well, client, len(nodes)))


def _is_well(client: Any, nodes: int) -> bool:
    about = client.cluster("INFO")
    well = {"cluster_state": "ok", "cluster_slots_ok": str(_SLOTS), "cluster_known_nodes": str(nodes)}
    return all(about[name] == value for name, value in well.items())


def _replicate(replica: RedisServer, primary: RedisServer) -> None:
    with primary.client(decode_responses=True) as client:
        name = client.execute_command("CLUSTER", "MYID")
    with replica.client() as client:
        client.execute_command("CLUSTER", "REPLICATE", name)
        eventually(lambda: client.info("replication")["master_link_status"] == "up")
    _await_replication(primary, [replica], _FIRST_PRIMARYS_KEY)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
