"""Calls against a Google that fails: many at once, each with a fault of its own, and what became of every word.

The callers speak watermarked audio (`voicestt.emulators.google.watermarked_audio`): a word cut at a change of
streams is heard by nobody and one that was sent twice is heard twice. The words are `7x0xab`: the call, the round,
and letters.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred, gatherResults

from tests.end_to_end.rig import (
    Server,
    running,
    running_server,
    until,
)
from tests.recognisers.on_reactor import reactor
from voicestt.audio import mulaw
from voicestt.emulators.google import script, watermarked_audio
from voicestt.emulators.google.timeline import Timeline, clip_of
from voicestt.emulators.twilio.call_values import CallOptions, CallReport
from voicestt.emulators.twilio.caller import place_call
from voicestt.ops.load.accounts import json_lines
from voicestt.ops.services import Services

FOR_ALL = 150.0
FOR_NOTHING_LEFT = 40.0
LETTERS = "abcdefghijklmnopqrstuvwxyz"
BETWEEN_CALLS = 0.05


def talk(words: int, start: float, end: float, repeat: float | None = None) -> script.Script:
    """So many words, each of which is said once in all calls; said again every `repeat` seconds."""
    text = " ".join(f"{{key}}x{{round}}x{LETTERS[word // 26]}{LETTERS[word % 26]}" for word in range(words))
    return script.Script((script.Utterance(text, start, end),), repeat=repeat, final_delay=0.4)


@dataclass(frozen=True)
class Plan:
    """A call that is to be made: for how many seconds, and how many seconds after the call before it."""

    number: int
    seconds: float
    after: float = BETWEEN_CALLS
    faults: tuple[str, ...] = ()  # put in force when its turn has come


@dataclass(frozen=True, slots=True)
class Holding:
    """The resources that a process holds."""

    threads: int
    sockets: int
    files: int

    @classmethod
    def of(cls, pid: int) -> "Holding":
        """Read from /proc."""
        links = []
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                links.append(str(entry.readlink()))
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        sockets = sum(link.startswith("socket:") for link in links)
        return cls(threads, sockets, len(links))

    def is_within(self, other: "Holding") -> bool:
        """Whether it is no more than `other`."""
        return self.threads <= other.threads and self.sockets <= other.sockets and self.files <= other.files


@dataclass(frozen=True)
class Stream:
    """One call of the Google service: its record, and the stretches of the call that it received (in bytes)."""

    record: Mapping[str, Any]
    number: int | None
    stretches: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls, record: Mapping[str, Any], audio: Path) -> "Stream":
        """From the service's files."""
        tracker = watermarked_audio.Tracker()
        spans = {span.offset: (span.start, span.end) for span in tracker.feed(audio.read_bytes())}
        spans |= {span.offset: (span.start, span.end) for span in tracker.finish()}
        return cls(record, tracker.number, tuple(spans.values()))


@dataclass(frozen=True)
class Told:
    """The outcome of one call."""

    plan: Plan
    report: CallReport
    said: script.Script
    events: Sequence[Mapping[str, Any]]
    lines: Sequence[str]
    streams: Sequence[Stream]

    @property
    def spoken(self) -> list[str]:
        """The words that the caller said to their end."""
        key, sent = str(self.plan.number), self.report.bytes_sent
        words = []
        for spoken in Timeline(self.said).between(0, sent):
            whole = [word for index, word in enumerate(spoken.words) if spoken.word_end(index) <= sent]
            words += [word.replace("{key}", key).replace("{round}", str(spoken.round)) for word in whole]
        return words

    @property
    def finals(self) -> list[str]:
        """The words that came as finals, in order."""
        return [word for event in self.events if event["kind"] == "final" for word in event["text"].split()]

    @property
    def summary(self) -> str:
        """The line of the log that the call ended with."""
        (line,) = [line for line in self.lines if "Call ended:" in line]
        return line

    @property
    def not_received(self) -> list[tuple[int, int]]:
        """Stretches of words (in bytes of the call) that no recogniser was ever sent."""
        received = np.zeros(self.report.bytes_sent, bool)
        for stream in self.streams:
            for start, end in stream.stretches:
                received[max(0, start) : end] = True
        spoken = Timeline(self.said).between(0, self.report.bytes_sent)
        stretches = [(each.start, min(each.end, self.report.bytes_sent)) for each in spoken]
        return [(start, end) for start, end in stretches if not received[start:end].all()]

    def count(self, kind: str) -> int:
        """The number of incidents of this kind in the call's summary."""
        parts = [part.split() for part in self.summary.split("; ")]
        return next((int(part[0]) for part in parts if part[1:] == [kind]), 0)

    def check(self) -> None:
        """Check that nothing is lost, twice or in another order: one final for each utterance."""
        assert self.report.ok, self.report.problems
        assert self.finals == self.spoken, self.story
        assert not self.not_received, self.story
        assert "NOT RECOGNISED" not in self.summary, self.story
        over: set[int] = set()
        for event in self.events:
            assert event["utterance"] not in over, self.story
            if event["kind"] == "final":
                over.add(event["utterance"])
        assert over == set(range(1, len(over) + 1)), self.story

    @property
    def story(self) -> str:
        """All of it, for whoever has to find out."""
        heads = [f"call {self.plan.number}", f"spoken {self.spoken}", f"finals {self.finals}"]
        streams = [
            f"stream {stream.record['number']} {stream.record['method']}: {stream.record['how']!r} "
            f"fault {stream.record['fault']!r} got {stream.stretches}"
            for stream in self.streams
        ]
        return "\n".join([*heads, *self.lines, *streams])


@dataclass
class Stage:
    """A server and a Google service that fails, as processes of their own."""

    server: Server
    google: Services
    said: script.Script
    faults_file: Path
    before: Holding | None = None
    reports: dict[int, CallReport] = field(default_factory=dict)
    plans: list[Plan] = field(default_factory=list)

    def fail(self, lines: Sequence[str]) -> None:
        """These faults from now on."""
        ready = self.faults_file.with_suffix(".new")
        ready.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        ready.replace(self.faults_file)

    def call(self, plans: Sequence[Plan]) -> Deferred[Any]:
        """Makes calls, each so long after the one before it has been taken; fires when all are over."""
        self.plans += plans
        return gatherResults([Deferred.fromCoroutine(self._call(*one)) for one in _in_turn(plans)])

    async def _call(self, plan: Plan, turn: "Deferred[None]", next_turn: "Deferred[None]") -> None:
        def go_on(words: str) -> None:
            if "speaking" in words and not next_turn.called:
                next_turn.callback(None)

        await turn
        await _pause(plan.after)
        if plan.faults:
            self.fail(plan.faults)
        clip = mulaw.encode(np.frombuffer(clip_of(self.said, plan.number, plan.seconds), "<i2"))
        options = CallOptions(silence=0)
        self.reports[plan.number] = await place_call(reactor, self.server.target, clip, options, go_on)
        if not next_turn.called:
            next_turn.callback(None)

    def warm_up(self) -> None:
        """One call that nothing happens to; what the server holds after it is what it may hold after all."""
        pytest_twisted.blockon(self.call([Plan(0, 1.0)]).addTimeout(FOR_ALL, reactor))
        self.wait_until_idle()
        self.before = Holding.of(self.server.process.pid)

    @property
    def next_stream(self) -> int:
        """The number that the Google service gives to the next stream, while nothing is under way."""
        numbers: list[int] = [record["number"] for record in json_lines(self.google.streams_file)]
        return 1 + max(numbers)

    def wait_until_idle(self) -> None:
        """Until every call has told its end."""
        self.server.wait_for("Call ended:", len(self.plans))

    def wait_until_nothing_is_left(self) -> tuple[Holding, Holding]:
        """Wait until the server holds no more than before the calls."""
        before = self.before
        assert before is not None
        pid = self.server.process.pid
        with contextlib.suppress(AssertionError):
            until(lambda: Holding.of(pid).is_within(before), "nothing is left", FOR_NOTHING_LEFT)
        return before, Holding.of(pid)

    @cached_property
    def streams(self) -> list[Stream]:
        """The streams that the Google service received, when nothing is under way any more."""
        folder = self.google.streams_file.parent
        records = json_lines(self.google.streams_file)
        return [Stream.read(record, folder / f"stream-{record['number']}.raw") for record in records]

    def told(self, number: int) -> Told:
        """The outcome of the call of this number."""
        plan = next(plan for plan in self.plans if plan.number == number)
        report = self.reports[number]
        lines = [line for line in self.server.output.splitlines() if f"[{report.call_sid}]" in line]
        streams = [stream for stream in self.streams if stream.number == number]
        words = [event for event in self.server.events(report.call_sid) if event["kind"] in {"partial", "final"}]
        return Told(plan, report, self.said, words, lines, streams)


def _in_turn(plans: Sequence[Plan]) -> Iterator[tuple[Plan, "Deferred[None]", "Deferred[None]"]]:
    turn: Deferred[None] = Deferred()
    turn.callback(None)
    for plan in plans:
        next_turn: Deferred[None] = Deferred()
        yield plan, turn, next_turn
        turn = next_turn


def _pause(seconds: float) -> "Deferred[None]":
    over: Deferred[None] = Deferred()
    reactor.callLater(seconds, over.callback, None)
    return over


@contextlib.contextmanager
def google_that_fails(folder: Path, said: script.Script, *options: str) -> Iterator[tuple[Services, Path]]:
    """The Google service as a process, and the file of its faults."""
    folder.mkdir(parents=True, exist_ok=True)
    script_file, faults_file, log = folder / "script.json", folder / "faults.txt", folder / "google.log"
    script_file.write_text(json.dumps(_as_json(said)), "utf-8")
    faults_file.write_text("", "utf-8")
    google = Services(folder, script=script_file)
    command = [*google.google_command(), "--record-audio", "--faults", str(faults_file), *options]
    with running(command, os.environ | {"PYTHONUNBUFFERED": "1"}, folder, log) as process:
        until(lambda: process.poll() is not None or b"listening on" in log.read_bytes(), "google-local listens")
        assert process.poll() is None, log.read_text("utf-8")
        yield google, faults_file


@contextlib.contextmanager
def stage(folder: Path, said: script.Script, *google_options: str, **settings: str) -> Iterator[Stage]:
    """Both processes, listening."""
    with (
        google_that_fails(folder, said, *google_options) as (google, faults_file),
        running_server(folder, google.google_port, **settings) as server,
    ):
        yield Stage(server, google, said, faults_file)


def _as_json(said: script.Script) -> dict[str, Any]:
    utterances = [{"text": each.text, "start": each.start, "end": each.end} for each in said.utterances]
    return {"utterances": utterances, "repeat": said.repeat, "final_delay": said.final_delay}
