"""More calls than one process bears: those that are live keep their delays, the others are refused.

    python tests/bench/overload.py --live 300 --refused 300 --seconds 20

For each row a scripted Google service and the server are started anew, on 127.0.0.1 only:

alone           the live calls, and nobody else
beside          the same, while so many other calls are refused by MAX_CALLS, spread over the call
without limits  live and others all taken: what overload does to everybody
by its lag      the same calls come a group each second, and only MAX_LAG_MS refuses

Printed: how many calls were taken and refused, the first partials' delay of those taken, the worst lag of the
reactor, and what the live calls lost. The callers share the machine's cores with the server: see 'caller late'.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkContext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.health import health
from voicestt.emulators.twilio import webhook_forms
from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.ops import tables
from voicestt.ops.load.accounts import json_lines
from voicestt.ops.load.figures import delays
from voicestt.ops.load.own_server import Server, own_server
from voicestt.ops.load.raw_call import RawCall, open_call, post
from voicestt.ops.load.said import FRAMES_A_SECOND
from voicestt.ops.load.table import milliseconds
from voicestt.ops.load.talking import Talked, spread, talk

HEADING = (
    "row",
    "taken",
    "refused",
    "partial delay ms p50/p95/p99",
    "worst lag ms",
    "not closed properly",
    "degraded",
    "caller late ms",
)
GROUP = 25
SETTLING_SECONDS = 3.0
_BUSY = 503


@dataclass
class Group:
    """The outcome of calls that came together. `delays` are seconds."""

    taken: int = 0
    refused: int = 0
    late: float = 0.0
    faults: int = 0
    delays: list[float] = field(default_factory=list)

    def add(self, other: "Group") -> None:
        """Another group's besides."""
        self.taken += other.taken
        self.refused += other.refused
        self.late = max(self.late, other.late)
        self.faults += other.faults
        self.delays += other.delays


def opened(server: Server, numbers: Sequence[int], seconds: float) -> tuple[list[RawCall], int]:
    """The calls that were taken, and how many were refused."""
    calls = []
    for number in numbers:
        try:
            calls.append(open_call(server.target, number, round(seconds * FRAMES_A_SECOND)))
        except CallRefused:
            continue
    return calls, len(numbers) - len(calls)


def placed(server: Server, numbers: Sequence[int], seconds: float) -> Group:
    """Calls of so many seconds each, from their webhooks to their last words."""
    calls, refused = opened(server, numbers, seconds)
    if not calls:
        return Group(refused=refused)
    talked = talk(calls, phases=spread(len(calls), min(4.0, seconds / 4)))
    time.sleep(SETTLING_SECONDS)
    return Group(
        len(calls),
        refused,
        talked.latest,
        sum(call.close_code != 1000 for call in calls),
        partial_delays(server, calls, talked),
    )


def partial_delays(server: Server, calls: Sequence[RawCall], talked: Talked) -> list[float]:
    """The delay of each utterance's first partial, after the frame that filled its batch."""
    assert server.events_file is not None
    return delays(calls, talked, json_lines(server.events_file)).partials


def in_a_process(
    context: ForkContext, server: Server, numbers: Sequence[int], seconds: float
) -> "multiprocessing.Queue[Group]":
    """The same, in a process of its own; its result comes out of the queue."""
    told: multiprocessing.Queue[Group] = context.Queue()

    def place() -> None:
        told.put(placed(server, numbers, seconds))

    context.Process(target=place, daemon=True).start()
    return told


def refused_over(server: Server, count: int, seconds: float) -> Group:
    """So many webhooks, spread over the time, all of which should be refused."""
    group = Group()
    begin = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begin + number * seconds / count - time.monotonic()))
        status, _, _ = post(server.target, server.target.public_url, webhook_forms.incoming_call(Sids()))
        group.refused += status == _BUSY
        group.taken += status != _BUSY
    return group


def beside(server: Server, live: int, others: int, seconds: float) -> Group:
    """The live calls in a process of their own, and others' webhooks once all of them talk."""
    context = multiprocessing.get_context("fork")
    told = in_a_process(context, server, range(live), seconds)
    while live_calls(server) < live:
        time.sleep(0.2)
    group = refused_over(server, others, seconds * 0.7) if others else Group()
    group.add(told.get())
    return group


def by_groups(server: Server, count: int, seconds: float) -> Group:
    """Calls that come in groups, one each second, each in a process of its own."""
    context = multiprocessing.get_context("fork")
    told = []
    begin = time.monotonic()
    for number, first in enumerate(range(0, count, GROUP)):
        time.sleep(max(0.0, begin + number - time.monotonic()))
        told.append(in_a_process(context, server, range(first, min(first + GROUP, count)), seconds))
    group = Group()
    for each in told:
        group.add(each.get())
    return group


def live_calls(server: Server) -> int:
    """The number of calls that the server has."""
    return int(health(server)["live_calls"])


def row(name: str, settings: Mapping[str, str], live: int, others: int, seconds: float) -> tuple[str, ...]:
    """One row of the table."""
    with (
        tempfile.TemporaryDirectory(prefix="voicestt-overload-") as folder,
        own_server(Path(folder), settings) as server,
    ):
        if name in {"alone", "beside"}:
            group = beside(server, live, others, seconds)
        else:
            group = by_groups(server, live + others, seconds)
        figures = health(server)["figures"]
    return (
        name,
        str(group.taken),
        str(group.refused),
        milliseconds(group.delays, 0.5, 0.95, 0.99),
        f"{figures['reactor_lag_ms']['max']:.0f}",
        str(group.faults),
        str(figures["fallbacks"]),
        f"{1000 * group.late:.0f}",
    )


def rows(live: int, others: int, seconds: float) -> dict[str, tuple[Mapping[str, str], int, int, float]]:
    """The parameters of each row: settings, live calls, others, and seconds of a call."""
    limited = {"MAX_CALLS": str(live), "MAX_LAG_MS": "0"}
    long = seconds + (live + others) / GROUP
    return {
        "alone": (limited, live, 0, seconds),
        "beside": (limited, live, others, seconds),
        "without limits": ({"MAX_LAG_MS": "0"}, live, others, long),
        "by its lag": ({}, live, others, long),
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Overload, on this machine only.")
    parser.add_argument("--live", type=int, default=300)
    parser.add_argument("--refused", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", nargs="+", default=[])
    options = parser.parse_args()
    table: list[tuple[str, ...]] = [HEADING]
    for name, asked in rows(options.live, options.refused, options.seconds).items():
        if not options.only or name in options.only:
            table.append(row(name, *asked))
            print("  ".join(table[-1]), flush=True)
    print()
    print("\n".join(tables.table(table[0], table[1:], right=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
