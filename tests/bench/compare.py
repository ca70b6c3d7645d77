"""The whole server beside two others, on the same work and in one run: A B C A B C, and the ratios.

    pip install '.[bench]' && npm ci --prefix tests/bench/node
    python tests/bench/compare.py --calls 100 --seconds 20

B is the server most people write (`baseline.py`), C the same in Node (`node/server.mjs`); C is left out, and
that is said, where Node or its packages are not installed. Each load starts a scripted Google service and one of
the servers as processes. Taking turns keeps a machine that is busy with other things from favouring one of them:
what is compared is the mean of each one's turns. Ours keeps its journal in these runs; the others keep none.
"""

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from voicestt.ops import tables
from voicestt.ops.load.figures import LoadResult
from voicestt.ops.load.own_server import Server, google, own_server, scripted_services, served_by
from voicestt.ops.load.run import load
from voicestt.ops.load.table import HEADINGS, LEGEND, cells, verdict
from voicestt.ops.processes import is_healthy, running
from voicestt.ops.services import PUBLIC_HOST, Services
from voicestt.twilio import twiml

NODE = Path(__file__).with_name("node")

Starter = Callable[[Path], AbstractContextManager[Server]]


@contextlib.contextmanager
def other_server(name: str, services: Services, command: list[str]) -> Iterator[Server]:
    """Runs another server, which listens on the port that ends its command, before a scripted Google service."""
    environment = services.server_environment() | {"TWIML": str(services.folder / "twiml.xml")}
    (services.folder / "twiml.xml").write_bytes(twiml.connect_stream(PUBLIC_HOST))
    command = [*command, str(services.server_port)]
    with google(services), running(name, command, environment, services.folder / "server.log") as up:
        up.wait_until(lambda: is_healthy(services.server_port))
        yield served_by(services, up.pid)


def baseline_server(folder: Path) -> AbstractContextManager[Server]:
    """The baseline: uvicorn and a thread per call."""
    command = [sys.executable, str(Path(__file__).with_name("baseline.py"))]
    return other_server("The baseline", scripted_services(folder), command)


def node_server(folder: Path) -> AbstractContextManager[Server]:
    """The same in Node."""
    return other_server("The Node server", scripted_services(folder), ["node", str(NODE / "server.mjs")])


def has_node() -> bool:
    """True if Node and the packages of its server are installed."""
    return shutil.which("node") is not None and (NODE / "node_modules" / "ws").is_dir()


def servers() -> dict[str, Starter]:
    """The servers that can be compared on this machine; ours is the first."""
    found: dict[str, Starter] = {"voicestt": own_server, "baseline": baseline_server}
    return found | ({"node": node_server} if has_node() else {})


def one(start: Starter, calls: int, seconds: float, together: bool) -> LoadResult:
    """One turn of one server."""
    with tempfile.TemporaryDirectory(prefix="voicestt-compare-") as folder, start(Path(folder)) as server:
        return load(server, calls, seconds, together=together)


def cpu(turns: list[LoadResult]) -> float:
    """CPU milliseconds for a second of a call: the mean of the turns."""
    return mean(turn.cost.cpu_ms for turn in turns if turn.cost is not None)


def compare(calls: int, seconds: float, rounds: int, together: bool) -> bool:
    """All turns at this number of calls, as a table; whether nothing of ours went wrong."""
    starters = servers()
    turns: dict[str, list[LoadResult]] = {name: [] for name in starters}
    rows: list[tuple[str, ...]] = [("server", *HEADINGS)]
    for _ in range(rounds):
        for name, start in starters.items():
            turns[name].append(one(start, calls, seconds, together))
            rows.append((name, *cells(turns[name][-1])))
    print("\n".join(tables.table(rows[0], rows[1:], right=True)))
    ours = turns.pop("voicestt")
    for name, theirs in turns.items():
        ratio = cpu(ours) / cpu(theirs)
        spent = f"{cpu(ours):.2f} ms beside {cpu(theirs):.2f} ms of {name}"
        print(f"CPU per call-second at {calls} calls: {spent}, a ratio of {ratio:.2f}")
    if "node" not in turns:
        print(f"Node is not compared: it needs node, and `npm ci --prefix {NODE.relative_to(NODE.parents[2])}`.")
    print("\n".join(f"voicestt: {line}" for line in verdict(ours)))
    for name, theirs in turns.items():
        # What the others lose is told as a fact about them, not as a failure of this run.
        told = [replace(turn, faults=turn.faults[:1]) for turn in theirs if turn.faults]
        print("\n".join(f"{name}: {line}" for line in verdict(told)) if told else f"{name}: nothing lost.")
    return not any(turn.faults for turn in ours)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="CPU per call-second beside other servers, A B C A B C.")
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
