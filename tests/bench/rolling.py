"""Live calls, and both servers behind one balancer replaced under them: what do the callers' words come to?

    python tests/bench/rolling.py --calls 50 --shutdown-seconds 25

Two servers share a SQLite journal, behind a balancer that asks /readyz, with a scripted Google service each call's
audio names its words to, and Twilio's REST API beside it, all on 127.0.0.1. The story: calls begin; the first
server is stopped with SHUTDOWN_CALLS=move and started again; so is the second; then the first is killed (SIGKILL),
and TWIML_RECONNECT brings its calls back. Every word of a call has a name of its own: none may be missing that was
said while Twilio had a stream and its server lived, none may come twice or out of order.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sqlalchemy import create_engine, text

from tests.bench.balancer import Balancer
from voicestt.audio import mulaw
from voicestt.emulators.google.watermarked_audio import clip
from voicestt.emulators.twilio.call_values import CallOptions, CallReport, ServerTarget
from voicestt.emulators.twilio.caller import CallControl, place_call
from voicestt.emulators.twilio.rest_api import TwilioRestApi
from voicestt.ops.load.own_server import google
from voicestt.ops.services import PUBLIC_HOST, Services

ROOT = Path(__file__).resolve().parents[2]
HANDLER = "tests.bench.rolling_handler:Counts"
ROUND, BEGIN, END, WORDS = 1.0, 0.1, 0.7, 3
FINAL_DELAY = 0.15
SAID = {
    "utterances": [{"text": " ".join(f"{{key}}.{{round}}.{n}" for n in range(WORDS)), "start": BEGIN, "end": END}],
    "repeat": ROUND,
    "final_delay": FINAL_DELAY,
    "quirks": False,
}
EDGE = 0.13
"""Seconds: audio cut by a gap is understood from the first whole period of its code on, 80 ms and one of 40 ms."""

LAST = 0.2
"""Seconds of audio before a call's end whose words need not be understood: a batch, and a period of the code."""

_PATIENCE = 60.0


async def until(reactor: Any, found: Callable[[], object], what: str) -> None:
    """Wait until it is so."""
    give_up = time.monotonic() + _PATIENCE
    while not found():
        if time.monotonic() > give_up:
            raise AssertionError(f"not so within {_PATIENCE:g} s: {what}")
        await deferLater(reactor, 0.05)


@dataclass
class Member:
    """One of the servers behind the balancer; started again, it has the same port and another log."""

    services: Services
    environment: dict[str, str]
    starts: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.services.server_port

    @property
    def log(self) -> Path:
        """The log since its last start."""
        return self.services.folder / f"server-{self.port}-{self.starts}.log"

    def start(self) -> None:
        """Start the process."""
        self.starts += 1
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                self.services.server_command(),
                cwd=self.services.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def end(self, number: int = signal.SIGTERM) -> float:
        """Send a signal; the seconds until it is gone. Blocks."""
        began = time.monotonic()
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(_PATIENCE)
        return time.monotonic() - began

    def is_gone(self) -> bool:
        """True if it is not running."""
        return self.process is None or self.process.poll() is not None


@dataclass
class Outcome:
    """The outcome of one call's words. Gaps in milliseconds; `in_hand` are the seconds of audio since the last
    word that the killed server has told; `forgotten` counts the streams that do not know what they continue."""

    report: CallReport
    said: list[str]
    reasons: list[str]
    gaps: list[float] = field(default_factory=list)
    gaps_of_kills: list[float] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    is_in_order: bool = True
    in_hand: float = 0.0
    forgotten: int = 0
    is_counted_on: bool = True
    memory: object = None


def audio_of(number: int, seconds: float) -> bytes:
    """The mu-law of a call that says a sentence a second."""
    place = mulaw.BYTES_PER_SECOND
    loud = [(round((n + BEGIN) * place), round((n + END) * place)) for n in range(round(seconds))]
    return mulaw.encode(np.frombuffer(clip(number, round(seconds * place), loud), "<i2"))


def judged(number: int, report: CallReport, events: list[dict[str, Any]], killed: bool) -> Outcome:
    """Compare what was said with what came."""
    finals = [event["text"] for event in events if event["type"] == "final"]
    ends = [event for event in events if event["type"] == "call_ended"]
    reasons = [event["reason"] for event in ends]
    heard = [word for final in finals for word in final.split()]
    spoken = report.bytes_sent + sum(end - begin for begin, end in report.unsent)
    lost, in_hand = _excused(number, report, heard, killed)
    lost += _cuts(report, [event["audio"]["received"] for event in ends])
    missing: list[str] = []
    unexplained: list[str] = []
    order: dict[str, int] = {}
    seconds = spoken / mulaw.BYTES_PER_SECOND
    for place, (word, begin, end) in enumerate(_words(number, seconds)):
        order[word] = place
        if word not in heard and end < seconds - LAST:
            missing.append(word)
            if not any(begin < after and end > before for before, after in lost):
                unexplained.append(word)
    places = [order.get(word, -1) for word in heard]
    is_in_order = -1 not in places and places == sorted(set(places))
    legs = list(zip(report.streams, report.gaps, strict=False))
    gaps = [1000 * gap for leg, gap in legs if not leg.by_server]
    of_kills = [1000 * gap for leg, gap in legs if leg.by_server]
    return Outcome(report, heard, reasons, gaps, of_kills, missing, unexplained, is_in_order, in_hand)


def _words(number: int, seconds: float) -> list[tuple[str, float, float]]:
    """Every word that was begun, and when it was said."""
    long = (END - BEGIN) / WORDS
    return [
        (f"{number}.{turn}.{n}", turn + BEGIN + n * long, turn + BEGIN + (n + 1) * long)
        for turn in range(int(seconds) + 1)
        for n in range(WORDS)
        if turn + BEGIN + n * long < seconds
    ]


def _excused(
    number: int, report: CallReport, heard: Sequence[str], killed: bool
) -> tuple[list[tuple[float, float]], float]:
    """The stretches whose words may be missing, in seconds of the call's audio; and what a kill took along."""
    rate, in_hand = mulaw.BYTES_PER_SECOND, 0.0
    stretches = [(begin / rate - EDGE, end / rate + EDGE) for begin, end in report.unsent]
    known = set(heard)
    ends = [end for word, _, end in _words(number, 300.0) if word in known]
    for leg in report.streams if killed else ():
        if leg.by_server:
            at = leg.left_at - (report.first_frame_at or 0.0)
            told = max((end for end in ends if end <= at), default=0.0)
            in_hand = max(in_hand, at - told)
            stretches.append((told, at + EDGE))
    return stretches, in_hand


def _cuts(report: CallReport, received: Sequence[int]) -> list[tuple[float, float]]:
    """Where one stream follows another, also without a frame between them: a word that is cut is heard by neither.

    `received` are the bytes of each stream in order; after a killed one, whose are not known, nothing fits.
    """
    cuts, position = [], 0
    for count_of_stream in received:
        position += count_of_stream
        cuts.append((position / mulaw.BYTES_PER_SECOND - EDGE, position / mulaw.BYTES_PER_SECOND + EDGE))
        position += sum(end - begin for begin, end in report.unsent if begin == position)
    return cuts


@dataclass
class Story:
    """All of it: the servers, the balancer, Twilio's API, and the calls."""

    reactor: Any
    folder: Path
    calls: int
    shutdown_seconds: float
    log: Callable[[str], object] = print
    longest: float = 150.0
    stops: list[float] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    async def run(self, *, kills: bool = True) -> list[Outcome]:
        """Play it; what became of each call."""
        (self.folder / "script.json").write_text(json.dumps(SAID))
        services = Services(self.folder, script=self.folder / "script.json")
        with google(services):
            self._api = TwilioRestApi()
            self._api.listen(self.reactor)
            self._members = [self._member(replace(services, server_port=port)) for port in _ports(2)]
            self._balancer = Balancer(self.reactor, [member.port for member in self._members])
            try:
                return await self._played(services, kills)
            finally:
                for member in self._members:
                    if member.process is not None:
                        member.process.kill()
                        member.process.wait()
                await self._balancer.close()
                await self._api.close()

    async def _played(self, services: Services, kills: bool) -> list[Outcome]:
        for member in self._members:
            member.start()
        audio = [
            audio_of(number, self.longest) for number in range(1, self.calls + 1)
        ]  # slow: before anybody calls
        for member in self._members:
            await self._ready(member)
        target = ServerTarget(f"http://127.0.0.1:{self._balancer.port}", PUBLIC_HOST, services.auth_token)
        controls = [self._api.new_call() for _ in range(self.calls)]
        reports = gatherResults(
            [
                Deferred.fromCoroutine(self._call(target, *each))
                for each in zip(count(), audio, controls, strict=False)
            ]
        )
        await until(
            self.reactor, lambda: all(control.status == "in-progress" for control in controls), "they call"
        )
        await deferLater(self.reactor, 2.0)
        for member in self._members:
            self.stops.append(await self._rolled(member))
        if kills:
            await deferLater(self.reactor, 1.0)
            await deferToThread(self._members[0].end, signal.SIGKILL)
            self.log("the first server was killed")
            await deferLater(self.reactor, 3.0)
        for control in controls:
            control.hang_up()
        ended = await reports
        await until(self.reactor, lambda: self._are_over(ended), "the last words are in the journal")
        self.outcomes = self._judge(ended, kills)
        return self.outcomes

    def _are_over(self, reports: Sequence[CallReport]) -> bool:
        """True if the last stream of each call has ended in the journal."""
        last = "SELECT ended_at FROM voicestt_sessions WHERE stream_sid = :stream"
        streams = [report.streams[-1].stream_sid for report in reports if report.streams]
        engine = create_engine(self._journal)
        with engine.connect() as connection:
            ended = [connection.execute(text(last), {"stream": stream}).scalar() for stream in streams]
        engine.dispose()
        return None not in ended

    async def _call(self, target: ServerTarget, number: int, audio: bytes, control: CallControl) -> CallReport:
        await deferLater(self.reactor, number / self.calls)  # not all in step
        return await place_call(self.reactor, target, audio, CallOptions(silence=0), control=control)

    async def _rolled(self, member: Member) -> float:
        took = float(await deferToThread(member.end))
        self.log(f"a server stopped in {took:.1f} s")
        member.start()
        await self._ready(member)
        return took

    async def _ready(self, member: Member) -> None:
        await until(self.reactor, lambda: self._balancer.is_ready[member.port] or member.is_gone(), "it is ready")
        assert not member.is_gone(), member.log.read_text("utf-8")

    def _member(self, services: Services) -> Member:
        environment = services.server_environment() | {
            "EVENTS_FILE": str(self.folder / f"events-{services.server_port}.jsonl"),
            "GREETING": "off",
            "HANDLER": HANDLER,
            "PYTHONPATH": str(ROOT),
            "SHUTDOWN_CALLS": "move",
            "SHUTDOWN_SECONDS": f"{self.shutdown_seconds:g}",
            "TWILIO_API_URL": self._api.url,
            "TWIML_RECONNECT": "true",
            "VOICESTT_SOCKET": str(self.folder / f"control-{services.server_port}"),
        }
        self._journal = environment["JOURNAL_URL"]
        return Member(services, environment)

    def _judge(self, reports: Sequence[CallReport], kills: bool) -> list[Outcome]:
        engine = create_engine(self._journal)
        with engine.connect() as connection:
            outcomes = [
                self._judged(connection, number, report, kills) for number, report in enumerate(reports, 1)
            ]
        engine.dispose()
        return outcomes

    @staticmethod
    def _judged(connection: Any, number: int, report: CallReport, kills: bool) -> Outcome:
        mine = {"call": report.call_sid}
        payloads = connection.execute(
            text("SELECT payload FROM voicestt_events WHERE call_sid = :call ORDER BY session, sequence"), mine
        )
        events = [json.loads(payload) for (payload,) in payloads]
        outcome = judged(number, report, events, kills)
        starts = [event for event in events if event["type"] == "call_started"]
        former = [None, *(event["session"] for event in starts[:-1])]
        outcome.forgotten = sum(event["continues"] != before for event, before in zip(starts, former, strict=True))
        numbers = [event["utterance"] for event in events if event["type"] == "final"]
        outcome.is_counted_on = numbers == sorted(set(numbers))
        memories = connection.execute(
            text("SELECT memory FROM voicestt_sessions WHERE call_sid = :call ORDER BY session"), mine
        )
        outcome.memory = [json.loads(memory or "null") for (memory,) in memories]
        return outcome


def _ports(number: int) -> list[int]:
    return [Services(Path()).server_port for _ in range(number)]


def told(story: Story) -> str:
    """The figures, for people."""
    outcomes = story.outcomes
    words = sum(len(outcome.said) for outcome in outcomes)
    missing = sum(len(outcome.missing) for outcome in outcomes)
    unexplained = sum(len(outcome.unexplained) for outcome in outcomes)
    disordered = sum(not outcome.is_in_order for outcome in outcomes)
    moved = sum(outcome.reasons.count("moved") for outcome in outcomes)
    ended = sum(outcome.report.ended_by != "api" for outcome in outcomes)
    killed = sum("the server was killed" in outcome.reasons for outcome in outcomes)
    lines = [
        f"calls {len(outcomes)}, ended by a server {ended}, moves {moved}, calls of the killed server {killed}",
        f"words told {words}, missing {missing}, unexplained {unexplained}, calls out of order {disordered}",
        f"stops took {', '.join(f'{took:.1f}' for took in story.stops)} s of {story.shutdown_seconds:g}",
    ]
    in_hand = [outcome.in_hand for outcome in outcomes if outcome.in_hand]
    if in_hand:
        lines.append(
            f"s of audio in the killed server's hands: median {median(in_hand):.1f}, most {max(in_hand):.1f}"
        )
    pauses = sum(
        outcome.report.verbs.count("Listen") + outcome.report.verbs.count("Pause") for outcome in outcomes
    )
    late = max(outcome.report.latest_frame_ms for outcome in outcomes)
    forgotten = sum(outcome.forgotten for outcome in outcomes)
    counted = sum(outcome.is_counted_on for outcome in outcomes)
    lines.append(f"streams that did not know what they continue {forgotten}; calls counted on {counted}")
    lines.append(f"asked to wait {pauses}; the callers' own frames were late by {late:.0f} ms at most")
    lines += [f"unexplained: {outcome.unexplained[:5]}" for outcome in outcomes if outcome.unexplained]
    moves = [gap for outcome in outcomes for gap in outcome.gaps]
    kills = [gap for outcome in outcomes for gap in outcome.gaps_of_kills]
    lines.append(f"ms without a stream: by a move {_spread(moves)}; by the kill {_spread(kills)}")
    return "\n".join(lines)


def _spread(gaps: list[float]) -> str:
    if not gaps:
        return "none"
    gaps = sorted(gaps)
    return f"median {median(gaps):.0f}, p95 {gaps[int(0.95 * (len(gaps) - 1))]:.0f}, most {gaps[-1]:.0f}"


def main() -> None:
    """Play the story once and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--shutdown-seconds", type=float, default=25.0)
    parser.add_argument("--folder", type=Path, help="where logs and the journal are kept; a new one by default")
    asked = parser.parse_args()

    from twisted.internet import reactor as installed

    reactor: Any = installed
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="rolling-"))
    folder.mkdir(parents=True, exist_ok=True)
    story = Story(reactor, folder, asked.calls, asked.shutdown_seconds)
    codes: list[int] = []

    def over(result: object) -> None:
        codes.append(0 if story.outcomes else 1)
        print(told(story) if story.outcomes else result)
        reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(story.run()).addBoth(over))
    reactor.run()
    sys.exit(codes[0] if codes else 1)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
