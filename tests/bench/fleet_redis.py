"""The CPU that the fleet's scripts cost Redis, and what they cost a process that sends them.

    python -m tests.bench.fleet_redis [--processes 1 10 100]

Redis' own account of its CPU (INFO cpu) is read before and after, so other load on the machine matters little.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.redis_server import RedisServer
from voicestt.fleet.allotment import GRANT, LEASE_SECONDS
from voicestt.fleet.flag import FLAG_KEY, GIVE_ORDER
from voicestt.fleet.membership import ALIVE_KEY, BEAT, LIST, MEMBERS_KEY
from voicestt.fleet.port import LuaScript, fleet_key

ROUNDS = 6_000
IN_A_PIPELINE = 20
ABOUT = json.dumps(
    {"version": "0.1.0", "since": 1796000000.0, "flag": True, "order": 1796000000000, "streaming": 100}
    | {"single_shot": 2, "calls": 102, "lag_ms": 0.3, "draining": False, "journal": "ok"}
    | {"streams": {"quota": 300, "in_use": 100, "limit": 104, "waiting": 0, "is_alone": False}}
)


def cpu(client: Any) -> float:
    """The seconds of CPU that Redis has used."""
    used = client.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


def measured(client: Any, script: LuaScript, keys: list[str], arguments: Callable[[int], list[Any]]) -> str:
    """The microseconds of CPU of one run of a script, in Redis and here."""
    sha = client.script_load(script.text)
    before, own, began = cpu(client), time.process_time(), time.monotonic()
    for start in range(0, ROUNDS, IN_A_PIPELINE):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, start + IN_A_PIPELINE):
            pipeline.evalsha(sha, len(keys), *keys, *arguments(number))
        pipeline.execute()
    took = time.monotonic() - began
    redis, here = (cpu(client) - before) / ROUNDS, (time.process_time() - own) / ROUNDS
    return f"{redis * 1e6:6.1f} µs in Redis, {here * 1e6:6.1f} µs here, {ROUNDS / took:8.0f} a second"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 10, 100])
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder), keeps=False) as server:
        client = server.client()
        client.eval(GIVE_ORDER.text, 1, FLAG_KEY, "off", "bench")
        for processes in parser.parse_args().processes:
            client.delete(MEMBERS_KEY, ALIVE_KEY, fleet_key("streams"))
            print(f"{processes} processes")

            def beat(number: int, processes: int = processes) -> list[Any]:
                return [f"host:{number % processes}:abcdef01", ABOUT, 30_000, 0, "", "", 0]

            def ask(number: int, processes: int = processes) -> list[Any]:
                name, lease = f"host:{number % processes}:abcdef01", int(LEASE_SECONDS * 1000)
                return [name, number, 300, 2, 3, 3, 0, lease]

            print("  a beat    ", measured(client, BEAT, [MEMBERS_KEY, ALIVE_KEY, FLAG_KEY], beat))
            print("  a lease   ", measured(client, GRANT, [fleet_key("streams")], ask))
            print("  a listing ", measured(client, LIST, [MEMBERS_KEY, ALIVE_KEY], lambda _: []))
        client.close()


if __name__ == "__main__":
    main()
