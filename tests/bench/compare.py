"""The whole server beside the baseline, on the same work and in one run: A B A B, and the ratio.

    pip install '.[bench]'
    python tests/bench/compare.py --calls 100 --seconds 15

Each load starts a scripted Google service and one of the two servers as processes. Taking turns keeps a machine
that is busy with other things from favouring one of them: what is compared is the mean of each one's turns.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from voicestt.ops.load.figures import LoadResult
from voicestt.ops.load.processes import (
    Server,
    google,
    is_healthy,
    own_server,
    running,
    scripted_services,
    served_by,
)
from voicestt.ops.load.run import load
from voicestt.ops.load.table import (
    HEADINGS,
    LEGEND,
    aligned,
    cells,
    verdict,
)

Starter = Callable[[Path], AbstractContextManager[Server]]


@contextlib.contextmanager
def baseline_server(folder: Path) -> Iterator[Server]:
    """The baseline before a scripted Google service."""
    services = scripted_services(folder)
    command = [sys.executable, str(Path(__file__).with_name("baseline.py")), str(services.server_port)]
    with (
        google(services),
        running("The baseline", command, services.server_environment(), folder / "server.log") as up,
    ):
        up.wait_until(lambda: is_healthy(services.server_port))
        yield served_by(services, up.pid)


SERVERS: dict[str, Starter] = {"voicestt": own_server, "baseline": baseline_server}


def one(start: Starter, calls: int, seconds: float, together: bool) -> LoadResult:
    """One turn of one server."""
    with tempfile.TemporaryDirectory(prefix="voicestt-compare-") as folder, start(Path(folder)) as server:
        return load(server, calls, seconds, together=together)


def cpu(turns: list[LoadResult]) -> float:
    """CPU milliseconds for a second of a call: the mean of the turns."""
    return mean(turn.cost.cpu_ms for turn in turns if turn.cost is not None)


def compare(calls: int, seconds: float, rounds: int, together: bool) -> bool:
    """All turns at this number of calls, as a table; whether nothing of ours went wrong."""
    turns: dict[str, list[LoadResult]] = {name: [] for name in SERVERS}
    rows: list[tuple[str, ...]] = [("server", *HEADINGS)]
    for _ in range(rounds):
        for name, start in SERVERS.items():
            turns[name].append(one(start, calls, seconds, together))
            rows.append((name, *cells(turns[name][-1])))
    print("\n".join(aligned(rows)))
    ours, theirs = cpu(turns["voicestt"]), cpu(turns["baseline"])
    ratio = ours / theirs
    print(f"CPU per call-second at {calls} calls: {ours:.2f} ms beside {theirs:.2f} ms, a ratio of {ratio:.2f}")
    print("\n".join(f"voicestt: {line}" for line in verdict(turns["voicestt"])))
    # What the baseline loses is told as a fact about it, not as a failure of this run.
    told = [replace(turn, faults=turn.faults[:1]) for turn in turns["baseline"] if turn.faults]
    print("\n".join(f"baseline: {line}" for line in verdict(told)) if told else "baseline: nothing lost.")
    return not any(turn.faults for turn in turns["voicestt"])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="CPU per call-second beside a baseline, A B A B.")
    parser.add_argument("--calls", type=int, nargs="+", default=[100])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=2, help="turns of each server")
    parser.add_argument("--together", action="store_true", help="all calls in step, within 20 ms")
    options = parser.parse_args()
    good = [compare(calls, options.seconds, options.rounds, options.together) for calls in options.calls]
    print("\n".join(("", *LEGEND)))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
