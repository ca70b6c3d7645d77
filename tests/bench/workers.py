"""One worker beside several, at the same numbers of calls, in one run.

    python tests/bench/workers.py --calls 100 200 400 600 --workers 1 2 --seconds 20

For each row a scripted Google service and the server are started anew, on 127.0.0.1 only; the callers are this
process. CPU is that of all processes of the server, the supervisor among them. `by worker` is how many calls each
worker took: how even the accepting is.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.health import health
from voicestt.ops import tables
from voicestt.ops.load.figures import LoadResult
from voicestt.ops.load.own_server import Server, own_server
from voicestt.ops.load.run import load
from voicestt.ops.load.table import milliseconds

HEADING = (
    "workers",
    "calls",
    "CPU ms per call-s",
    "partial delay ms p50/p99",
    "reactor lag ms p99",
    "by worker",
    "faults",
    "caller late ms",
)
SETTLED_SECONDS = 3.0


def answered(server: Server) -> dict[str, Any]:
    """The answer of /healthz, once every worker is ready."""
    while not (found := health(server)) or found["status"] == "degraded":
        time.sleep(0.2)
    return found


def row(workers: int, result: LoadResult, found: dict[str, Any]) -> tuple[str, ...]:
    """One row of the table."""
    shares = [each["calls_taken"] for each in found.get("workers", {"": found}).values()]
    return (
        str(workers),
        str(result.calls),
        f"{result.cost.cpu_ms:.2f}" if result.cost else "-",
        milliseconds(result.delays.partials, 0.5, 0.99) if result.delays else "-",
        f"{found['figures']['reactor_lag_ms']['p99']:.0f}",
        "/".join(map(str, shares)),
        str(len(result.faults)),
        f"{1000 * result.caller_late:.0f}",
    )


def measured(workers: int, calls: int, seconds: float) -> tuple[str, ...]:
    """Place the calls at a server of so many workers."""
    settings = {"WEB_CONCURRENCY": str(workers), "MAX_LAG_MS": "0"}
    with (
        tempfile.TemporaryDirectory(prefix="voicestt-workers-") as folder,
        own_server(Path(folder), settings) as server,
    ):
        answered(server)
        result = load(server, calls, seconds)
        time.sleep(SETTLED_SECONDS)
        return row(workers, result, health(server))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Workers beside one process, on this machine only.")
    parser.add_argument("--calls", type=int, nargs="+", default=[100, 200, 400, 600])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    rows = []
    for calls in options.calls:
        for workers in options.workers:
            print(f"{calls} calls, {workers} workers ...", file=sys.stderr)
            rows.append(measured(workers, calls, options.seconds))
    print("\n".join(tables.table(HEADING, rows, right=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
