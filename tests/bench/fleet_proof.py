"""A fleet on several hosts, and what breaks: what do the callers' words come to?

    python tests/bench/fleet_proof.py --calls 100                       # every scenario in turn
    python tests/bench/fleet_proof.py --calls 10 --only rolling rollback

Two hosts of two workers each behind HAProxy (or, without it, the tests' own balancer) that asks /readyz, Redis
and PostgreSQL on a third, the scripted Google service on a fourth: network namespaces (`tests.bench.hosts`, which
says what is done where they cannot be made). In each scenario new calls begin, are disturbed, and hang up. Every
word of a call has a name of its own (`tests.bench.rolling`). A word is lost if it was said while Twilio had a
stream and its worker lived, and no final has it. `in a gap` are those that were said while Twilio had no stream,
or that a killed worker had in hand. The finals are the journal's, when each call's last stream has ended.
"""

import argparse
import json
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sqlalchemy import create_engine, text

from tests.bench.fleet_hosts import Fleet, Watch
from tests.bench.hosts import hosts
from tests.bench.rolling import Outcome, audio_of, judged, until
from voicestt.emulators.twilio.call_values import CallOptions, CallReport, ServerTarget
from voicestt.emulators.twilio.caller import CallControl, place_call
from voicestt.ops import tables
from voicestt.ops.services import PUBLIC_HOST

KILLED = "the server was killed"
_BEFORE = re.compile(r"^\d{4}-\S+ (?:worker \d+ )?\[[^\]]*\] ")
_CALLS_OWN = re.compile(r"CA[0-9a-f]{32}|Call (?:started|ended)|Traceback of")
HEADING = (
    "scenario",
    "calls ended",
    "words told",
    "lost",
    "doubled",
    "in a gap",
    "moves",
    "killed's calls",
    "caller late ms",
)


@dataclass
class Result:
    """The outcome of one scenario: the calls', and the lines and reasons that the operator saw."""

    scenario: str
    outcomes: list[Outcome]
    lines: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def ended(self) -> int:
        """The calls that were over before they hung up."""
        return sum(outcome.report.ended_by != "api" for outcome in self.outcomes)

    @property
    def lost(self) -> list[str]:
        """The words that nothing explains."""
        return [word for outcome in self.outcomes for word in outcome.unexplained]

    @property
    def doubled(self) -> int:
        """The words that came twice, or that nobody said; and calls whose order is wrong."""
        twice = sum(len(outcome.said) - len(set(outcome.said)) for outcome in self.outcomes)
        return twice or sum(not outcome.is_in_order for outcome in self.outcomes)

    @property
    def killed(self) -> int:
        """The calls that a killed worker had."""
        return sum(KILLED in outcome.reasons for outcome in self.outcomes)

    @property
    def row(self) -> tuple[str, ...]:
        """The row of the table."""
        missing = sum(len(outcome.missing) for outcome in self.outcomes)
        told = sum(len(outcome.said) for outcome in self.outcomes)
        moves = sum(outcome.reasons.count("moved") for outcome in self.outcomes)
        counts = (self.ended, told, len(self.lost), self.doubled, missing - len(self.lost), moves, self.killed)
        late = max((outcome.report.latest_frame_ms for outcome in self.outcomes), default=0.0)
        return (self.scenario, *map(str, counts), f"{late:.0f}")


@dataclass
class Proof:
    """The scenarios, one after the other, on one fleet; seconds `before`, while and `after` it is disturbed."""

    fleet: Fleet
    calls: int
    longest: float = 120.0
    log: Callable[[str], object] = print
    before: float = 4.0
    disturbed: float = 20.0
    after: float = 4.0

    async def run(self, names: Sequence[str]) -> list[Result]:
        """Play them; what became of the calls of each."""
        self._audio = [audio_of(number, self.longest) for number in range(1, self.calls + 1)]
        results = []
        for name in names:
            results.append(await self._played(name))
            self.log("  ".join(results[-1].row))
        return results

    async def sleep(self, seconds: float) -> None:
        """Let the calls go on."""
        await deferLater(self.fleet.reactor, seconds)

    async def _played(self, name: str) -> Result:
        fleet, marks = self.fleet, self._marks()
        target = ServerTarget(f"http://127.0.0.1:{fleet.balancer_port}", PUBLIC_HOST, "a-token-of-the-proof")
        controls = [fleet.api.new_call() for _ in range(self.calls)]
        reports = gatherResults(
            [Deferred.fromCoroutine(self._call(target, *each)) for each in enumerate(controls)]
        )
        watch = Watch(fleet.members)
        await self.sleep(self.before)
        try:
            await SCENARIOS[name](self)
            await self.sleep(self.after)
        finally:
            for control in controls:
                control.hang_up()
            ended = await reports
            reasons = await deferToThread(watch.end)
        await until(fleet.reactor, lambda: self._are_over(ended), "the last words are in the journal")
        outcomes = self._judge(ended, name == "worker")
        return Result(name, outcomes, self._lines(marks), reasons)

    async def _call(self, target: ServerTarget, number: int, control: CallControl) -> CallReport:
        await self.sleep(number / self.calls)  # not all in step
        options = CallOptions(silence=0)
        return await place_call(self.fleet.reactor, target, self._audio[number], options, control=control)

    def _are_over(self, reports: Sequence[CallReport]) -> bool:
        streams = [report.streams[-1].stream_sid for report in reports if report.streams]
        found = self._rows("SELECT ended_at FROM voicestt_sessions WHERE stream_sid = ANY(:each)", streams)
        return len(found) == len(streams) and None not in found

    def _judge(self, reports: Sequence[CallReport], kills: bool) -> list[Outcome]:
        query = "SELECT payload FROM voicestt_events WHERE call_sid = ANY(:each) ORDER BY session, sequence"
        events: dict[str, list[dict[str, Any]]] = {report.call_sid: [] for report in reports}
        for payload in self._rows(query, list(events)):
            event = json.loads(payload)
            events[event["call_sid"]].append(event)
        return [judged(n, report, events[report.call_sid], kills) for n, report in enumerate(reports, 1)]

    def _rows(self, query: str, each: list[str]) -> list[Any]:
        engine = create_engine(self.fleet.journal)
        with engine.connect() as connection:
            found = [value for (value,) in connection.execute(text(query), {"each": each})]
        engine.dispose()
        return found

    def _marks(self) -> dict[Path, int]:
        return {path: path.stat().st_size for path in self._logs()}

    def _logs(self) -> list[Path]:
        return [path for member in self.fleet.members for path in member.services.folder.glob("server-*.log")]

    def _lines(self, marks: dict[Path, int]) -> list[str]:
        """The lines of no call, those of all processes that differ in numbers only as one, with their count."""
        seen: Counter[str] = Counter()
        for path in self._logs():
            for line in path.read_bytes()[marks.get(path, 0) :].decode("utf-8", "replace").splitlines():
                if not _CALLS_OWN.search(line):
                    seen[re.sub(r"\d+", "N", _BEFORE.sub("", line))] += 1
        return [f"{count} x {line}" for line, count in seen.items()]


async def _undisturbed(proof: Proof) -> None:
    await proof.sleep(proof.disturbed)


async def _kill_a_worker(proof: Proof) -> None:
    member = proof.fleet.members[0]
    os.kill(member.workers()["1"], signal.SIGKILL)
    again = "Worker 1 is ready."
    await until(proof.fleet.reactor, lambda: member.log.read_text("utf-8").count(again) > 1, "it is started again")


def _cut_off(name: str) -> Callable[[Proof], Awaitable[None]]:
    async def cut(proof: Proof) -> None:
        proof.fleet.hosts.cut("one", name)
        try:
            await proof.sleep(proof.disturbed)
        finally:
            proof.fleet.hosts.mend("one", name)
        await proof.sleep(proof.after)

    return cut


async def _kill_redis(proof: Proof) -> None:
    await deferToThread(proof.fleet.redis.kill)
    await proof.sleep(proof.disturbed)
    await deferToThread(proof.fleet.redis.start)


async def _roll_back(proof: Proof) -> None:
    member = proof.fleet.members[0]
    for state in ("off", "clear"):
        said = await deferToThread(member.asked, "flag", state, "--fleet")
        proof.log(said.strip())
        assert "4 of 4 processes have followed" in said, said
        await proof.sleep(proof.after)


async def _restart_one_after_the_other(proof: Proof) -> None:
    for member in proof.fleet.members:
        took = await deferToThread(member.end)
        proof.log(f"a server stopped in {took:.1f} s")
        member.start()
        await proof.fleet.ready(member)


SCENARIOS: dict[str, Callable[[Proof], Awaitable[None]]] = {
    "undisturbed": _undisturbed,
    "worker": _kill_a_worker,
    "redis-cut": _cut_off("redis"),
    "postgresql-cut": _cut_off("postgresql"),
    "google-cut": _cut_off("google"),
    "redis-killed": _kill_redis,
    "rollback": _roll_back,
    "rolling": _restart_one_after_the_other,
}


def told(results: Sequence[Result]) -> str:
    """The table, and what the operator saw."""
    lines = list(tables.table(HEADING, [result.row for result in results], right=True))
    for result in results:
        lines += ["", f"{result.scenario}: /healthz", *(f"    {reason}" for reason in result.reasons), "  log"]
        lines += [f"    {line}" for line in result.lines]
        lines += [f"    LOST {result.lost[:10]}"] if result.lost else []
    return "\n".join(lines)


async def proved(reactor: Any, folder: Path, calls: int, names: Sequence[str], **options: Any) -> list[Result]:
    """Make the fleet, play the scenarios, and remove it, however that goes."""
    fleet = Fleet(reactor, folder, hosts())
    try:
        await fleet.start()
        proof = Proof(fleet, calls, **options)
        proof.log(f"on {fleet.hosts.said}; balanced by {fleet.balancer_name}")
        return await proof.run(names)
    finally:
        await fleet.close()


def main() -> None:
    """Play the scenarios once and print what became of the calls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--seconds", type=float, default=20.0, help="how long a part is away")
    parser.add_argument("--folder", type=Path, help="where logs are kept; a new one by default")
    asked = parser.parse_args()

    from twisted.internet import reactor as installed

    reactor: Any = installed
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="fleet-proof-"))
    folder.mkdir(parents=True, exist_ok=True)
    codes: list[int] = []

    def over(results: Any) -> None:
        codes.append(0 if isinstance(results, list) else 1)
        print(told(results) if isinstance(results, list) else results.getTraceback())
        reactor.stop()

    asking = proved(reactor, folder, asked.calls, asked.only, disturbed=asked.seconds)
    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(asking).addBoth(over))
    reactor.run()
    sys.exit(codes[0] if codes else 1)


if __name__ == "__main__":
    main()
