"""Finds the recording for a test call, places the call, and collects its report and its recognised words.

No recording is shipped: a recogniser that knows voices is called with `--clip` or with Debian's
pocketsphinx-testdata where it is installed; a stand-in for Google, and a server that only has to hold the call,
with watermarked audio (`voicestt.emulators.google.watermarked_audio`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from voicestt.audio import mulaw
from voicestt.config.settings import Settings
from voicestt.emulators.google import watermarked_audio
from voicestt.emulators.twilio.call_values import CallOptions, CallReport, ServerTarget
from voicestt.emulators.twilio.caller import CallControl, place_call
from voicestt.emulators.twilio.clip import BadClip, read_clip
from voicestt.emulators.twilio.problems import CallProblem
from voicestt.handler.leaving import HUNG_UP
from voicestt.ops.demo.judgement import RecordedEvent
from voicestt.ops.demo.voices import NoVoices, Voice, packaged_voices
from voicestt.ops.gonogo.run_context import RunContext

_RATE = mulaw.BYTES_PER_SECOND
_SPEECH, _LENGTH = (0.4, 2.6), 3.0
_NUMBER = 7_531


@dataclass(frozen=True, slots=True)
class Recording:
    """Mu-law audio, a `name` for people, and its words where they are known."""

    audio: bytes
    name: str
    text: str | None = None


def watermarked_speech(seconds: float, stretches: Sequence[tuple[float, float]]) -> bytes:
    """Make mu-law audio, loud within `stretches` (seconds), that carries its own position in the call."""
    loud = [(int(start * _RATE), int(end * _RATE)) for start, end in stretches]
    return mulaw.encode(np.frombuffer(watermarked_audio.clip(_NUMBER, int(seconds * _RATE), loud), "<i2"))


def sound() -> Recording:
    """Make three seconds with something loud in them: no words, but enough for a line to carry."""
    return Recording(watermarked_speech(_LENGTH, [_SPEECH]), "three seconds of watermarked sound")


def find_recording(settings: Settings, clip: Path | None, text: str | None) -> Recording | None:
    """Find the audio to send to the recogniser of `settings`; None where it needs a voice and none is found.

    Raises:
        BadClip: when `clip` cannot be read.
    """
    if clip is not None:
        return Recording(read_clip(clip), clip.name, text)
    if is_stand_in(settings):
        return sound()
    return _packaged(settings.language)


def is_stand_in(settings: Settings) -> bool:
    """Tell whether the recogniser is a local service in Google's place, whose words are unknown."""
    return settings.insecure and settings.engine != "embedded"


def _packaged(language: str) -> Recording | None:
    """Find the longest recording of pocketsphinx-testdata, if it is installed and `language` is English."""
    if not language.lower().startswith("en"):
        return None
    try:
        voices = [voice for voice in packaged_voices() if voice.path.suffix == ".wav"]
        voice = max(voices, key=_length)
        return Recording(read_clip(voice.path), voice.name, voice.text)
    except (NoVoices, BadClip, ValueError, OSError):
        return None


def _length(voice: Voice) -> int:
    return voice.path.stat().st_size


LAST_WORDS = 20.0
_LATE_GOODBYE, _HUNG_UP = 31924, 31921
OPTIONS = CallOptions(status_callbacks=False)  # they are a check of their own


@dataclass(slots=True)
class HeardCall:
    """A call with its recording, report and recognised words; `control` names it before it is made.

    The words come from the lines that EVENTS_FILE gets after `watch`: older lines are of other calls.
    """

    recording: Recording | None = None
    report: CallReport | None = None
    events: list[RecordedEvent] = field(default_factory=list)
    control: CallControl = field(default_factory=CallControl)
    _file: Path | None = field(default=None, init=False)
    _before: int = field(default=0, init=False)

    @property
    def call_sid(self) -> str:
        """The CallSid of the call, known before it is made."""
        return self.control.call_sid

    def watch(self, path: Path | None) -> None:
        """Start reading at the end of `path`: older lines are of other calls."""
        self._file, self._before = path, _size(path)

    def look(self) -> None:
        """Read the words that have come so far."""
        if self._file is not None and self.report is not None:
            written = _events_after(self._file, self._before)
            self.events = [event for event in written if event.call == self.report.call_sid]

    @property
    def partials(self) -> list[RecordedEvent]:
        """The partials of the call, in order."""
        return [event for event in self.events if not event.is_final]

    @property
    def finals(self) -> list[RecordedEvent]:
        """The finals of the call, in order."""
        return [event for event in self.events if event.is_final]

    @property
    def words(self) -> str:
        """The words of all finals of the call."""
        return " ".join(event.text.strip() for event in self.finals)

    def after(self, moment: float | None, events: list[RecordedEvent], at: int) -> float | None:
        """Compute the seconds from `moment` to one of `events`; None without either."""
        return events[at].at - moment if events and moment is not None else None

    @property
    def first_partial(self) -> float | None:
        """The seconds from the start of the voice to the first partial."""
        return self.after(self.report.voice_began_at if self.report else None, self.partials, 0)

    @property
    def last_final(self) -> float | None:
        """The seconds from the end of the voice to the last final."""
        return self.after(self.report.voice_ended_at if self.report else None, self.finals, -1)


async def call_and_listen(
    context: RunContext,
    target: ServerTarget,
    recording: Recording,
    heard: HeardCall,
    events_file: Path | None = None,
) -> CallReport:
    """Make the call and, where its words can be read, wait for a final and for what comes right after it."""
    heard.watch(events_file or context.events_file)
    report = await place_call(context.reactor, target, recording.audio, OPTIONS, control=heard.control)
    heard.report = report
    if (events_file or context.events_file) is not None and not broken(report):
        await _wait_for_words(context, heard)
    return report


async def _wait_for_words(context: RunContext, heard: HeardCall) -> None:
    def has_final() -> bool:
        heard.look()
        return bool(heard.finals)

    await context.until(has_final, LAST_WORDS)
    await context.rest(0.5)
    heard.look()


def broken(report: CallReport) -> CallProblem | None:
    """Find the problem that ended the call before its time; None without one.

    A goodbye that came late after all of the call is none, and neither is the application's handler, which may
    hang up.
    """
    usual = {_LATE_GOODBYE, *([_HUNG_UP] if handler_hung_up(report) else [])}
    return next((problem for problem in report.problems if problem.code not in usual), None)


def handler_hung_up(report: CallReport) -> bool:
    """Tell by the server's close reason whether the application ended the call."""
    return report.close_reason == HUNG_UP


def _size(path: Path | None) -> int:
    return path.stat().st_size if path is not None and path.exists() else 0


def _events_after(path: Path, start: int) -> list[RecordedEvent]:
    """Read the partials and finals after byte `start` of EVENTS_FILE."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            lines = file.read().rpartition(b"\n")[0].splitlines()
    except OSError:
        return []
    said = [json.loads(line) for line in lines]
    return [
        RecordedEvent(line["call"], line["kind"] == "final", line["text"], line["t"])
        for line in said
        if line.get("kind") in {"partial", "final"}
    ]
