"""The engine behind `--script`: recognises a `Script`'s texts in the audio that came.

All of it happens inside `write` and `finish`, in the caller's thread; no thread, no clock, no model.
"""

import hashlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from voicestt.emulators.google.script import Script
from voicestt.emulators.google.timeline import ScriptedUtterance, Timeline, samples
from voicestt.emulators.google.watermarked_audio import Span, Tracker
from voicestt.recognisers.whisper.engine.port import (
    EngineListener,
    EngineResult,
    Request,
    TimedWord,
    word_times_in,
)

KEY_BYTES = 320
CONFIDENCE = 0.92
STABLE, UNSTABLE = 0.89, 0.1


def stream_key(pcm: bytes) -> str:
    """Return the value of `{key}` in audio that is not watermarked: 8 hex digits of a SHA-256.

    It is over the first 320 bytes of LINEAR16 (20 ms at 8 kHz, one Twilio frame), or over all of it when it is
    shorter.
    """
    return hashlib.sha256(pcm[:KEY_BYTES]).hexdigest()[:8]


def recording_key(pcm: bytes) -> str:
    """Return the value of `{sha}`: 8 hex digits of the SHA-256 of a whole recording in LINEAR16."""
    return hashlib.sha256(pcm).hexdigest()[:8]


class ScriptEngine:
    """An `Engine` that recognises the texts of a script; safe to share: streams keep their own state."""

    def __init__(self, script: Script) -> None:
        self.name = "script"
        self._script = script
        self._timeline_of = lru_cache(maxsize=64)(self._new_timeline)
        self._recordings = itertools.cycle(script.recordings)
        self._lock = threading.Lock()

    def open(self, request: Request, listener: EngineListener) -> "ScriptStream":
        """Open a new stream, which hears what the script has for the request's language and hints."""
        return ScriptStream(self._script, self._timeline(request), listener, request)

    def recognise(self, request: Request, pcm: bytes) -> list[EngineResult]:
        """Return the next of `recordings`, or the words whose time lies within the recording."""
        if not self._script.recordings:
            return self._heard_within(request, pcm)
        with self._lock:
            text = next(self._recordings)
        key = recording_key(pcm)
        text = text.replace("{sha}", key).replace("{key}", stream_key(pcm))
        end = len(pcm) // 2
        words = word_times_in(text, [(0, end)]) if request.word_times else ()
        return [EngineResult(text, is_final=True, end=end, confidence=CONFIDENCE, words=words)]

    def close(self) -> None:
        """Do nothing: the engine has no threads."""

    def _heard_within(self, request: Request, pcm: bytes) -> list[EngineResult]:
        finals = _Finals()
        stream = ScriptStream(self._script, self._timeline(request), finals, request, sha=recording_key(pcm))
        stream.write(pcm)
        stream.finish()
        return finals.heard_finals

    def _timeline(self, request: Request) -> Timeline:
        return self._timeline_of((request.language, *request.other_languages), frozenset(request.hints))

    def _new_timeline(self, languages: tuple[str, ...], hints: frozenset[str]) -> Timeline:
        return Timeline(self._script.heard_with(languages, hints))


class _Finals:
    """A listener that keeps the finals only."""

    def __init__(self) -> None:
        self.heard_finals: list[EngineResult] = []

    def heard(self, heard: EngineResult) -> None:
        if heard.is_final:
            self.heard_finals.append(heard)

    def ended(self, error: Exception | None) -> None:
        """Ignore the end: the finals are already kept."""


@dataclass(slots=True)
class _ScriptPosition:
    """A stream's position in the script: the utterance, its next word, and the words heard of it."""

    number: int
    index: int
    heard: list[str]
    heard_end: int = 0


class ScriptStream:
    """One stream, which advances along the script as audio comes."""

    def __init__(
        self,
        script: Script,
        timeline: Timeline,
        listener: EngineListener,
        request: Request,
        *,
        sha: str = "{sha}",
    ) -> None:
        self._listener = listener
        self._timeline = timeline
        self._delay = samples(script.final_delay)
        self._quirks = script.quirks
        self._tracker = Tracker()
        self._span = Span(0, 0, 0)
        self._hearing = _ScriptPosition(0, 0, [])
        self._first = b""
        self._sha = sha
        self._request = request
        self._aborted = False

    def write(self, pcm: bytes) -> None:
        """Take more audio; its results are told to the listener before this returns."""
        if len(self._first) < KEY_BYTES:
            self._first += pcm[: KEY_BYTES - len(self._first)]
        for span in self._tracker.feed(pcm):
            self._advance(span)

    def finish(self) -> None:
        """Make a final of the words heard so far and end the stream."""
        for span in self._tracker.finish():
            self._advance(span)
        self._flush()
        if not self._aborted:
            self._listener.ended(None)

    def abort(self) -> None:
        """Stop all calls to the listener."""
        self._aborted = True

    def _advance(self, span: Span) -> None:
        """Move on to `span`: the same stretch grown longer, or another one after a jump."""
        if span.start != self._span.start or span.offset != self._span.offset or self._span.is_empty:
            self._flush()
            self._hearing = _ScriptPosition(self._timeline.first_ending_after(span.start), 0, [])
        self._span = span
        while self._step(span.end):
            pass

    def _step(self, now: int) -> bool:
        """Handle one event that the audio up to call sample `now` brings; False when there is none."""
        spoken = self._timeline.utterance(self._hearing.number)
        if spoken is None:
            return False
        if self._hearing.index < len(spoken.words):
            return self._word(spoken, now)
        return self._end_of(spoken, now)

    def _word(self, spoken: ScriptedUtterance, now: int) -> bool:
        hearing = self._hearing
        end = spoken.word_end(hearing.index)
        if end > now:
            return False
        if spoken.word_start(hearing.index) >= self._span.start:
            hearing.heard.append(spoken.words[hearing.index])
            hearing.heard_end = end
            self._tell_partials(spoken)
        hearing.index += 1
        return True

    def _end_of(self, spoken: ScriptedUtterance, now: int) -> bool:
        if self._hearing.heard and self._final_due(spoken) > now:
            return False
        self._final(spoken, spoken.end)
        self._hearing = _ScriptPosition(spoken.number + 1, 0, [])
        return True

    def _final_due(self, spoken: ScriptedUtterance) -> int:
        following = self._timeline.utterance(spoken.number + 1)
        due = spoken.end + self._delay
        return due if following is None else min(due, following.word_end(0))

    def _flush(self) -> None:
        spoken = self._timeline.utterance(self._hearing.number)
        if spoken is not None:
            self._final(spoken, self._hearing.heard_end)
            self._hearing.heard.clear()

    def _final(self, spoken: ScriptedUtterance, end: int) -> None:
        if self._hearing.heard:
            text = self._text(spoken, self._hearing.heard)
            words = self._words(spoken) if self._request.word_times else ()
            place = self._span.offset_of(end)
            others = spoken.others[: self._request.alternatives - 1]
            final = EngineResult(text, True, place, 0.0, CONFIDENCE, words, others, spoken.language)
            self._tell(final)

    def _words(self, spoken: ScriptedUtterance) -> tuple[TimedWord, ...]:
        """Return the utterance's words heard before the next word, with their times in the script."""
        first = self._hearing.index - len(self._hearing.heard)
        place = self._span.offset_of
        return tuple(
            TimedWord(
                self._text(spoken, [word]),
                place(spoken.word_start(at)),
                place(spoken.word_end(at)),
                spoken.speaker,
            )
            for at, word in enumerate(self._hearing.heard, first)
        )

    def _tell_partials(self, spoken: ScriptedUtterance) -> None:
        end = self._span.offset_of(self._hearing.heard_end)
        for words, stability in self._as_google_says_it(self._hearing.heard):
            self._tell(EngineResult(self._text(spoken, words), is_final=False, end=end, stability=stability))

    def _as_google_says_it(self, words: list[str]) -> Iterator[tuple[list[str], float]]:
        """Yield one more word's partials: every third is repeated, every fifth is shortened and comes back."""
        count = len(words)
        yield words, UNSTABLE
        if self._quirks and count % 5 == 0:
            yield words[:-1], STABLE
            yield words, UNSTABLE
        elif self._quirks and count % 3 == 0:
            yield words, UNSTABLE

    def _text(self, spoken: ScriptedUtterance, words: list[str]) -> str:
        key = stream_key(self._first) if self._tracker.number is None else str(self._tracker.number)
        text = " ".join(words).replace("{key}", key).replace("{round}", str(spoken.round))
        return text.replace("{sha}", self._sha)

    def _tell(self, heard: EngineResult) -> None:
        if not self._aborted:
            self._listener.heard(heard)
