"""The CPU that the fleet's registry of calls and its live events cost Redis, and a process that sends them.

    python -m tests.bench.fleet_calls

Redis' own account of its CPU (INFO cpu) is read before and after, so other load on the machine matters little.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from tests.bench.fleet_redis import IN_A_PIPELINE, ROUNDS, cpu
from tests.fleet.simulated import SimulatedLink, SimulatedRedis
from tests.redis_server import RedisServer
from tests.server.listening import record
from voicestt.delivery.live.exchange import LiveExchange
from voicestt.fleet import call_scripts as scripts
from voicestt.fleet.port import Argument, LuaScript
from voicestt.journal.port import EVERYTHING, Filter

ACCOUNT = "AC" + "0" * 32
MADE = scripts.Announcement("h:1:abcdef01/1", ACCOUNT, "+972501234567", "+972771234567", comes_back=False)
STREAM = ["h:1:abcdef01/1", "h:1:abcdef01", ""]
COMES: Sequence[Argument] = [*STREAM, 0, 15_000, scripts.KEPT_MS, 1, 1, ACCOUNT]
RENEWED: Sequence[Argument] = [*STREAM, 5_000, 15_000, scripts.KEPT_MS, 0, 0, ""]
OPERATIONS: dict[str, tuple[LuaScript, Sequence[Argument]]] = {
    "a webhook announces": (scripts.ANNOUNCE, scripts.announce_arguments(MADE, 0)),
    "a stream comes": (scripts.CLAIM, COMES),
    "a stream is renewed": (scripts.CLAIM, RENEWED),
    "a status comes": (scripts.STATUS, ["stream-started", scripts.KEPT_MS, 2_000]),
    "a stream ends": (scripts.RELEASE, [STREAM[0], scripts.KEPT_MS]),
}


class Sending(SimulatedLink):
    """A link that counts the bytes of the events that are handed to it, and sends none."""

    handed = 0

    def publish(self, channel: str, message: bytes) -> None:
        if channel == "live:two":
            self.handed += len(message)
        else:
            super().publish(channel, message)


def of_registry(client: Any) -> None:
    for name, (script, arguments) in OPERATIONS.items():
        sha = client.script_load(script.text)
        before, own = cpu(client), time.process_time()
        for start in range(0, ROUNDS, IN_A_PIPELINE):
            pipeline = client.pipeline(transaction=False)
            for number in range(start, start + IN_A_PIPELINE):
                pipeline.evalsha(sha, 1, scripts.key_of(f"CA{number:032x}"), *arguments)
            pipeline.execute()
        redis, here = (cpu(client) - before) / ROUNDS, (time.process_time() - own) / ROUNDS
        print(f"{name:20s} {redis * 1e6:6.1f} µs in Redis, {here * 1e6:6.1f} µs here")


def of_events(client: Any) -> None:
    """Measure what an event costs that nobody wants, that a listener has no use for, and that a process wants."""
    clock = Clock()
    redis = SimulatedRedis(client, clock)
    link = Sending(clock, redis, "one", lambda: 0.0)
    one = LiveExchange(clock, link, "j", lambda *_: None, lambda: None)
    two = LiveExchange(clock, SimulatedLink(clock, redis, "two", lambda: 0.0), "j", lambda *_: None, lambda: None)
    one.start()
    two.start()
    event = [record(1, "partial", payload=b"x" * 300)]
    for name, filters in (
        ("nobody", []),
        ("one of another call", [Filter(frozenset({"CA9"}))]),
        ("all", [EVERYTHING]),
    ):
        two.want(filters)
        clock.pump([0.0] * 20)
        before, began = link.handed, time.process_time()
        for _ in range(ROUNDS):
            one.offer(event)
        took, size = (time.process_time() - began) / ROUNDS, (link.handed - before) / ROUNDS
        print(f"an event, wanted by {name:19s} {took * 1e6:6.1f} µs here, {size:.0f} bytes to Redis")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder), keeps=False) as server:
        client = server.client()
        of_registry(client)
        print(f"{client.info('memory')['used_memory'] / ROUNDS:.0f} bytes of Redis' memory for each call")
        of_events(client)
        client.close()


if __name__ == "__main__":
    main()
