"""Judges the demonstration's calls: words, delays and bytes of each, against the limits.

Times are CLOCK_MONOTONIC seconds of this machine, the same clock in the caller and in the server's EVENTS_FILE.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicestt.audio import mulaw
from voicestt.emulators.twilio.call_values import CallReport
from voicestt.ops.demo.voices import Voice
from voicestt.ops.demo.word_errors import WordErrors

DEBOUNCE_SECONDS = 0.180
CLOCK_GRAIN = 0.002
WORST_WORD_ERRORS = 0.25


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """A line of EVENTS_FILE: a partial or final of a call, delivered at `at`."""

    call: str
    is_final: bool
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class RecordedStream:
    """The recogniser's record of one stream: size and hash of its audio."""

    audio_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A call that was made: the voice, the audio sent (mu-law), and the report."""

    voice: Voice
    audio: bytes
    report: CallReport


@dataclass(frozen=True, slots=True)
class Judged:
    """One call's results; delays in seconds, None for an event that did not happen.

    `first_partial` counts from the first voiced frame, `last_final` from the end of the last one. `received`
    is in bytes of mu-law, None when no stream of the recogniser's carries exactly what was sent.
    """

    placed: Placed
    heard: str
    partials: int
    finals: int
    errors: WordErrors | None
    first_partial: float | None
    last_final: float | None
    gaps: tuple[float, ...]
    received: int | None

    @property
    def problems(self) -> list[str]:
        """The problems of the call, in words."""
        name = self.placed.voice.name
        found = [f"{name}: {problem}" for problem in self.placed.report.problems]
        if not self.partials:
            found.append(f"{name}: no partial came")
        if not self.finals:
            found.append(f"{name}: no final came")
        if self.gaps and min(self.gaps) < DEBOUNCE_SECONDS - CLOCK_GRAIN:
            found.append(f"{name}: two partials came within {1000 * min(self.gaps):.0f} ms, under the debounce")
        if self.received is None:
            found.append(f"{name}: the recogniser did not receive exactly the {len(self.placed.audio)} bytes sent")
        return found


def read_events(path: Path) -> list[RecordedEvent]:
    """Read the partials and finals of EVENTS_FILE, in its order; none while it does not exist."""
    return [
        RecordedEvent(line["call"], line["kind"] == "final", line["text"], line["t"])
        for line in _json_lines(path)
        if line.get("kind") in {"partial", "final"}
    ]


def read_streams(path: Path) -> list[RecordedStream]:
    """Read the local Google service's records of its streams."""
    return [RecordedStream(line["audio_bytes"], line["sha256"]) for line in _json_lines(path)]


def _json_lines(path: Path) -> list[dict[str, Any]]:
    """Read the whole lines of a JSON Lines file that another process may still be writing."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def judge(placed: Placed, events: Sequence[RecordedEvent], streams: Iterable[RecordedStream]) -> Judged:
    """Judge one call, from the events and streams of all calls."""
    own = [event for event in events if event.call == placed.report.call_sid]
    partials = [event for event in own if not event.is_final]
    finals = [event for event in own if event.is_final]
    heard = " ".join(event.text.strip() for event in finals)
    spoken = placed.voice.text
    return Judged(
        placed=placed,
        heard=heard,
        partials=len(partials),
        finals=len(finals),
        errors=None if spoken is None else WordErrors.between(spoken, heard),
        first_partial=_since(placed.report.voice_began_at, partials[:1]),
        last_final=_since(placed.report.voice_ended_at, finals[-1:]),
        gaps=partial_gaps(own),
        received=_received(placed.audio, streams),
    )


def partial_gaps(events: Iterable[RecordedEvent]) -> tuple[float, ...]:
    """List the seconds between successive partials of the same utterance (a final ends it) of one call."""
    gaps: list[float] = []
    previous: RecordedEvent | None = None
    for event in events:
        if previous is not None and not event.is_final:
            gaps.append(event.at - previous.at)
        previous = None if event.is_final else event
    return tuple(gaps)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value at the quantile `share` (0 to 1); None without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def all_problems(calls: Sequence[Judged]) -> list[str]:
    """List the problems of the demonstration as a whole, in words."""
    found = [problem for call in calls for problem in call.problems]
    errors = total_errors(calls)
    if errors.rate >= WORST_WORD_ERRORS:
        found.append(f"{errors.rate:.0%} of all words were wrong; {WORST_WORD_ERRORS:.0%} is the limit")
    return found


def total_errors(calls: Iterable[Judged]) -> WordErrors:
    """Sum the word errors of all calls whose words are known."""
    return sum((call.errors for call in calls if call.errors is not None), WordErrors())


def _since(moment: float | None, events: Sequence[RecordedEvent]) -> float | None:
    return events[0].at - moment if events and moment is not None else None


def _received(audio: bytes, streams: Iterable[RecordedStream]) -> int | None:
    """Return the length of `audio` if a stream carried exactly it, as mu-law or as LINEAR16; else None."""
    hashes = {hashlib.sha256(coded).hexdigest() for coded in (audio, mulaw.decode(audio))}
    return len(audio) if any(stream.sha256 in hashes for stream in streams) else None
