"""Measures the cost of an application to the audio: nothing, however slow it is.

    python tests/bench/application.py --calls 50 --seconds 15

Each turn starts a scripted Google service and the server, and places the same calls: with nothing besides, with a
handler that sleeps 2 s at every event in every call, with a webhook that never answers or is gone, with a Redis
that is gone. Taking turns keeps a machine that is busy with other things from favouring one of them. CPU per
call-second and the delay of partials are compared; noise is what two turns of the same kind differ by.
"""

import argparse
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from voicestt.ops import tables
from voicestt.ops.load.figures import LoadResult
from voicestt.ops.load.own_server import own_server
from voicestt.ops.load.run import load
from voicestt.ops.load.table import HEADINGS, LEGEND, cells, verdict

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
SLOW_HANDLER = "tests.bench.slow_handler:Slow"


@contextmanager
def mute_port() -> Iterator[int]:
    """A port that takes connections, and never says a word on any."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        port: int = server.getsockname()[1]
        yield port


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        yield port


def webhook(port: int) -> dict[str, str]:
    """The variables of a webhook at this port."""
    return {"EVENTS_WEBHOOK_URL": f"http://127.0.0.1:{port}/events", "EVENTS_WEBHOOK_SECRET": SECRET}


@contextmanager
def settings_of(kind: str) -> Iterator[Mapping[str, str]]:
    """The variables of one kind of turn."""
    with mute_port() as mute, closed_port() as closed:
        yield {
            "nothing besides": {},
            "a handler that sleeps 2 s": {"HANDLER": SLOW_HANDLER, "PYTHONPATH": str(Path.cwd())},
            "a mute webhook": webhook(mute),
            "a mute webhook, partials": webhook(mute) | {"EVENTS_WEBHOOK_PARTIALS": "true"},
            "a dead webhook": webhook(closed),
            "a dead Redis": {"REDIS_URL": f"redis://127.0.0.1:{closed}/0"},
            "without a journal": {"JOURNAL_URL": "off"},
        }[kind]


KINDS: tuple[str, ...] = (
    "nothing besides",
    "a handler that sleeps 2 s",
    "a mute webhook",
    "a mute webhook, partials",
    "a dead webhook",
    "a dead Redis",
    "without a journal",
)


def one(kind: str, calls: int, seconds: float) -> LoadResult:
    """One turn."""
    with (
        tempfile.TemporaryDirectory(prefix="voicestt-application-") as folder,
        settings_of(kind) as settings,
        own_server(Path(folder), settings) as server,
    ):
        return load(server, calls, seconds)


def cpu(turns: list[LoadResult]) -> list[float]:
    """CPU milliseconds for a second of a call, of each turn."""
    return [turn.cost.cpu_ms for turn in turns if turn.cost is not None]


def compare(calls: int, seconds: float, rounds: int) -> bool:
    """All turns as a table; whether nothing was lost in any."""
    turns: dict[str, list[LoadResult]] = {kind: [] for kind in KINDS}
    rows: list[tuple[str, ...]] = [("beside", *HEADINGS)]
    for _ in range(rounds):
        for kind in KINDS:
            turns[kind].append(one(kind, calls, seconds))
            rows.append((kind, *cells(turns[kind][-1])))
    print("\n".join(tables.table(rows[0], rows[1:], right=True)))
    alone = cpu(turns[KINDS[0]])
    print(f"CPU per call-second, {KINDS[0]}: {mean(alone):.2f} ms, turns differ by {max(alone) - min(alone):.2f}")
    for kind in KINDS[1:]:
        ratio = mean(cpu(turns[kind])) / mean(alone)
        print(f"{kind}: {mean(cpu(turns[kind])):.2f} ms, a ratio of {ratio:.2f}")
    everything = [turn for kind in KINDS for turn in turns[kind]]
    print("\n".join(verdict(everything)))
    return not any(turn.faults for turn in everything)


def chosen(kinds: list[str]) -> None:
    """Only these kinds, by the beginnings of their names."""
    global KINDS  # noqa: PLW0603 - the command line's choice
    KINDS = tuple(kind for kind in KINDS if kind == KINDS[0] or any(kind.startswith(name) for name in kinds))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="CPU and delay of partials beside slow and dead applications.")
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=2, help="turns of each kind")
    parser.add_argument("--only", nargs="+", help="kinds besides the first, by the beginnings of their names")
    options = parser.parse_args()
    if options.only:
        chosen(options.only)
    is_good = compare(options.calls, options.seconds, options.rounds)
    print("\n".join(("", *LEGEND)))
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
