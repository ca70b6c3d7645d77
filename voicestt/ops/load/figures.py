"""Computes the figures of one load from the calls, the delivered events and the process's usage.

The usage (CPU time, memory, threads) is read from /proc (Linux).
"""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from voicestt.audio.mulaw import BYTES_PER_FRAME
from voicestt.ops.load import said
from voicestt.ops.load.accounts import BytesAccount, in_words
from voicestt.ops.load.raw_call import RawCall, TrackVoice, voices_of
from voicestt.ops.load.talking import Talked

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of a process and its children, their resident kilobytes and threads; `at` is CLOCK_MONOTONIC.

    A server of several workers is a supervisor's process and its children.
    """

    at: float
    cpu: float
    rss_kb: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Read the usage of process `pid` now; raise FileNotFoundError when there is no such process."""
        usage = cls._of_one(pid)
        for child in _children(pid):
            with suppress(FileNotFoundError, ProcessLookupError):
                one = cls.of(child)
                usage = cls(usage.at, usage.cpu + one.cpu, usage.rss_kb + one.rss_kb, usage.threads + one.threads)
        return usage

    @classmethod
    def _of_one(cls, pid: int) -> "Usage":
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        cpu = (int(fields[11]) + int(fields[12])) / _TICKS  # utime and stime: proc(5)
        rss = status.get("VmRSS", "0 kB")  # a process that has ended, and is not waited for yet, has none
        return cls(time.monotonic(), cpu, int(rss.split()[0]), int(status["Threads"]))


def _children(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")  # proc(5), where the kernel has it
    return [int(child) for file in files for child in file.read_text().split()]


CLOSED_PROPERLY = 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of the server's process: CPU ms for a second of a call, kilobytes for a call, threads.

    The kilobytes are those beyond the idle server.
    """

    cpu_ms: float
    rss_kb: float
    threads: int

    @classmethod
    def between(cls, calls: int, idle: Usage, before: Usage, after: Usage) -> "Cost":
        """Compute the cost between two usages while `calls` calls talked."""
        cpu = 1000 * (after.cpu - before.cpu) / (after.at - before.at) / calls
        return cls(cpu, (after.rss_kb - idle.rss_kb) / calls, after.threads)


@dataclass(slots=True)
class Delays:
    """The delays of delivered events, in seconds after the audio that they need was sent (see `said`).

    `partials` are the first of each utterance: the others wait for the debounce. `strays` are words that came in
    another's call, `counted` how many partials and finals there were.
    """

    partials: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    strays: int = 0
    counted: int = 0

    def add(self, voice: TrackVoice, sent: Callable[[int], float], events: Sequence[Mapping[str, Any]]) -> None:
        """Add one voice's events, in the order of their delivery; their `t` is CLOCK_MONOTONIC.

        `sent` says when a frame was.
        """
        number, is_new = 0, True
        for event in events:
            if event["kind"] not in {"partial", "final"}:
                continue  # other events have no words
            self.counted += 1
            self.strays += event["text"].split()[0] != voice.key
            if event["kind"] == "final":
                self._note(self.finals, voice, sent, said.final_frame(number), event["t"])
                number, is_new = number + 1, True
            elif is_new:
                self._note(self.partials, voice, sent, said.first_partial_frame(number), event["t"])
                is_new = False

    @staticmethod
    def _note(kept: list[float], voice: TrackVoice, sent: Callable[[int], float], frame: int, at: float) -> None:
        if frame < len(voice.audio) // BYTES_PER_FRAME:  # otherwise the end of the call brings it, not a frame
            kept.append(at - sent(frame))


def delays(calls: Sequence[RawCall], talked: Talked, events: Sequence[Mapping[str, Any]]) -> Delays:
    """Compute the delays of all calls together."""
    by_voice = _by_voice(events)
    result = Delays()
    for index, call in enumerate(calls):
        for voice in call.voices:
            result.add(voice, partial(talked.sent_at, index), by_voice.get((call.sids.call, voice.track), []))
    return result


def _by_voice(events: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """Sort events by their call and track, each voice's in their order."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for event in events:
        found.setdefault((event["call"], event.get("track", "caller")), []).append(event)
    return found


def missing_words(calls: Sequence[RawCall], events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Describe each voice whose finals are not its words, each once and in order."""
    by_voice = _by_voice(events)
    faults = []
    for call in calls:
        for voice in call.voices:
            own = by_voice.get((call.sids.call, voice.track), [])
            told = [word for event in own if event["kind"] == "final" for word in event["text"].split()]
            words = said.words_within(voice.number, 0, len(voice.audio))
            if told != words:
                faults.append(
                    f"call {call.number}: of the {voice.track}'s {len(words)} words the finals have {len(told)}"
                )
    return faults


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The result of one load; None for what was not measured: a server elsewhere shows no cost or records.

    `tracks` is the number of voices in each call.
    """

    calls: int
    closed: int
    caller_late: float
    cost: Cost | None = None
    delays: Delays | None = None
    bytes: BytesAccount | None = None
    faults: tuple[str, ...] = ()
    tracks: int = 1


def judge(
    calls: Sequence[RawCall],
    talked: Talked,
    cost: Cost | None,
    heard: Delays | None,
    accounts: Sequence[BytesAccount] | None,
) -> LoadResult:
    """Compute the figures of a load, with its faults in words."""
    faults = [f"call {call.number}: closed with {call.close_code}" for call in calls if not _closed(call)]
    if accounts is not None:
        faults += in_words(voices_of(calls), accounts)
    if heard is not None and heard.strays:
        faults.append(f"{heard.strays} results came in the wrong call")
    return LoadResult(
        calls=len(calls),
        closed=sum(map(_closed, calls)),
        caller_late=talked.latest,
        cost=cost,
        delays=heard,
        bytes=None if accounts is None else total(accounts),
        faults=tuple(faults),
        tracks=len(calls[0].voices) if calls else 1,
    )


def total(accounts: Sequence[BytesAccount]) -> BytesAccount:
    """Sum the accounts of all calls."""
    return BytesAccount(
        sum(each.lost for each in accounts),
        sum(each.doubled for each in accounts),
        sum(each.again for each in accounts),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed; NaN without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def _closed(call: RawCall) -> bool:
    return call.close_code == CLOSED_PROPERLY
