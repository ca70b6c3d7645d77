"""The operations that calls cost the fleet's Redis, and the writes that they cost PostgreSQL, counted by both.

    python -m tests.bench.fleet_load [--calls 30] [--seconds 20] [--listen] [--deliver]

Two servers are a fleet with one journal; the calls come to the first. `--listen`: somebody listens to all live
events at the second. `--deliver`: events are added to Redis Streams too. What the servers do without a call is
counted first, and taken off. Counts do not depend on what else the machine has to do.
"""

import argparse
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from tests.end_to_end.rig import Server, running_server, scripted_google
from tests.postgres import Cluster
from tests.redis_server import RedisServer
from voicestt.ops.load.said import script
from voicestt.ops.services import PUBLIC_HOST, beside_python

IDLE_SECONDS = 15.0
FLUSH_SECONDS = 12.0
"""A connection of PostgreSQL's tells what it has done up to ten seconds later."""

TOKEN = "a-token-of-the-benchmark"


class Counters:
    """All that Redis and PostgreSQL have done by now."""

    def __init__(self, redis: RedisServer, cluster: Cluster, journal_url: str) -> None:
        self._redis = redis.client()
        self._cluster = cluster
        self._engine = create_engine(journal_url, isolation_level="AUTOCOMMIT")

    def read(self) -> dict[str, float]:
        stats, used = self._redis.info("stats"), self._redis.info("cpu")
        commands = self._redis.info("commandstats")
        with self._engine.connect() as connection:
            connection.execute(text("SELECT pg_stat_force_next_flush()"))
            row = connection.execute(
                text(
                    "SELECT xact_commit, tup_inserted, tup_updated + tup_deleted, "
                    "pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') FROM pg_stat_database "
                    "WHERE datname = current_database()"
                )
            ).one()
        scripts = sum(commands.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))
        return {
            "scripts run by Redis": scripts,
            "messages published": commands.get("cmdstat_publish", {"calls": 0})["calls"],
            "events added to streams": commands.get("cmdstat_xadd", {"calls": 0})["calls"],
            "bytes sent to Redis": stats["total_net_input_bytes"],
            "bytes from Redis": stats["total_net_output_bytes"],
            "ms of Redis' CPU": 1000 * (used["used_cpu_user"] + used["used_cpu_sys"]),
            "ms of PostgreSQL's CPU": 1000 * cpu_of_postgres(self._cluster),
            "commits in PostgreSQL": float(row[0]),
            "rows inserted": float(row[1]),
            "rows changed or deleted": float(row[2]),
            "bytes of WAL": float(row[3]),
        }


def cpu_of_postgres(cluster: Cluster) -> float:
    """The seconds of CPU of a cluster's processes, and of those of them that have ended."""
    postmaster = (cluster.socket_folder / "data" / "postmaster.pid").read_text().split()[0]
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            rest = stat.read_text().rpartition(")")[2].split()
            if postmaster in {stat.parent.name, rest[1]}:
                ticks += sum(int(each) for each in rest[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def listening(server: Server) -> Iterator[None]:
    """Somebody who listens to all live events."""
    connection = socket.create_connection(("127.0.0.1", server.port))
    asks = f"GET /events HTTP/1.1\r\nHost: {PUBLIC_HOST}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    connection.sendall(asks.encode())

    def read() -> None:
        with suppress(OSError):
            while connection.recv(65_536):
                pass

    threading.Thread(target=read, daemon=True).start()
    yield
    connection.close()


def fleet(stack: ExitStack, folder: Path, redis: RedisServer, journal: str, options: Any) -> list[Server]:
    settings = {"FLEET_REDIS_URL": redis.url, "JOURNAL_URL": journal, "EVENTS_TOKEN": TOKEN}
    settings |= {"GCP_STT_STREAMS": str(2 * options.calls), "EVENTS_FILE": ""}
    if options.deliver:
        settings["REDIS_URL"] = redis.url
    google = stack.enter_context(scripted_google(script()))
    servers = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        servers.append(stack.enter_context(running_server(folder / name, google.port, **settings)))
    return servers


def per_second(counters: Counters, seconds: float) -> dict[str, float]:
    """The counts of a second, over so many."""
    before, began = counters.read(), time.monotonic()
    time.sleep(seconds)
    after, took = counters.read(), time.monotonic() - began
    return {name: (after[name] - before[name]) / took for name in before}


def with_calls(counters: Counters, server: Server, options: Any, idle: dict[str, float]) -> dict[str, float]:
    """The counts of a call-second, without what the servers do anyway."""
    before, began = counters.read(), time.monotonic()
    command = [beside_python("voicestt"), "load", "--calls", str(options.calls), "--seconds", str(options.seconds)]
    environment = dict(server.environment)
    subprocess.run([*command, "--to", server.services.url], env=environment, check=True)
    time.sleep(FLUSH_SECONDS)
    after, took = counters.read(), time.monotonic() - began
    call_seconds = options.calls * options.seconds
    return {name: (after[name] - before[name] - idle[name] * took) / call_seconds for name in before}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--listen", action="store_true")
    parser.add_argument("--deliver", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "redis").mkdir()
        redis = stack.enter_context(RedisServer(folder / "redis", keeps=False))
        cluster = Cluster()
        stack.callback(cluster.remove)
        journal = cluster.new_database()
        servers = fleet(stack, folder, redis, journal, options)
        if options.listen:
            stack.enter_context(listening(servers[1]))
        counters = Counters(redis, cluster, journal)
        time.sleep(FLUSH_SECONDS)
        idle = per_second(counters, IDLE_SECONDS)
        busy = with_calls(counters, servers[0], options, idle)
        for name, count in busy.items():
            print(f"{name:26} {count:10.3f} a call-second, {idle[name] / 2:10.2f} a second for each process")
        print(json.dumps({"a_call_second": busy, "a_process_second": {n: c / 2 for n, c in idle.items()}}))


if __name__ == "__main__":
    main()
