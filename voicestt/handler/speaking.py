"""A call's queue of speech, marks and clears, in the order the application asked, from any thread."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, Final, Literal

from twisted.logger import Logger

from voicestt.audio import mulaw
from voicestt.call.line import MOST_WAITING_SECONDS, Line, TooMuchAudio
from voicestt.handler.outcome import Outcome
from voicestt.tts.port import SpeechError

MOST_STEPS: Final = 1_000

Speak = Callable[[str], "Future[bytes]"]
"""Begins to make a text's audio (mu-law), in another thread; fails with SpeechError."""

Played = Literal["played", "cleared"]
Said = Literal["said", "cleared"]


@dataclass(slots=True, eq=False)
class _Audio:
    audio: bytes

    @property
    def seconds(self) -> float:
        return mulaw.seconds(len(self.audio))

    def do(self, line: Line) -> None:
        line.say(self.audio)

    def drop(self) -> None:
        """Do nothing: audio has no outcome."""


@dataclass(slots=True, eq=False)
class _Text:
    text: str
    outcome: Outcome[Said] = field(default_factory=Outcome)
    spoken: "Future[bytes] | None" = None
    audio: bytes | None = None

    @property
    def seconds(self) -> float:
        return mulaw.seconds(len(self.audio or b""))

    def do(self, line: Line) -> None:
        line.say(self.audio or b"", self.text)
        self.outcome.tell("said")

    def drop(self) -> None:
        self.outcome.tell("cleared")
        if self.spoken is not None:
            self.spoken.cancel()


@dataclass(slots=True, eq=False)
class _Mark:
    name: str
    outcome: Outcome[Played] = field(default_factory=Outcome)
    seconds: float = 0.0

    def do(self, line: Line) -> None:
        line.mark(self.name, self._reached)

    def drop(self) -> None:
        self.outcome.tell("cleared")

    def _reached(self, cleared: bool) -> None:
        self.outcome.tell("cleared" if cleared else "played")


@dataclass(slots=True, eq=False)
class _Clear:
    seconds: float = 0.0

    def do(self, line: Line) -> None:
        line.clear()

    def drop(self) -> None:
        """Do nothing: a clear has no outcome."""


_Step = _Audio | _Text | _Mark | _Clear


class Speaking:
    """A queue of steps that go to the line one after the other; a text's audio is made when its turn has come.

    `clear` throws away what waits here, at once, and comes before everything that is asked for after it: a text
    whose audio comes later than that is not said. `cross` does something in the reactor's thread, in order.
    `waiting` and `is_speaking` can be asked from any thread, `note` and `close` are for the reactor's.
    """

    _log = Logger()

    def __init__(
        self,
        line: Line,
        call_sid: str,
        seconds: Callable[[], float],
        cross: Callable[[Callable[[], object]], object],
        speak: Speak | None,
    ) -> None:
        self._line = line
        self._call_sid = call_sid
        self._seconds = seconds
        self._cross = cross
        self._speak = speak
        self._lock = Lock()
        self._steps: deque[_Step] = deque()
        self._silent_from = 0.0
        self._is_closed = False

    @property
    def waiting(self) -> float:
        """Seconds of audio still to be played; a text counts once its audio is made."""
        with self._lock:
            return self._waiting

    @property
    def is_speaking(self) -> bool:
        """True while anything is being said or waits to be."""
        with self._lock:
            return self._waiting > 0 or any(isinstance(step, _Text) for step in self._steps)

    def say(self, audio: bytes) -> None:
        """Play mu-law `audio` after everything that was asked for before.

        Raises:
            TooMuchAudio: if more than ten minutes would wait.
        """
        self._add(_Audio(audio))

    def say_text(self, text: str) -> Outcome[Said]:
        """Speak `text` after everything that was asked for before; the outcome is known when it is on the line.

        Raises:
            SpeechError: if nobody can speak here. The outcome fails with one when this text cannot be spoken.
            TooMuchAudio: if too much waits.
        """
        if self._speak is None:
            raise SpeechError("texts cannot be said: TTS_ENGINE is off. Set it to google or espeak-ng")
        step = _Text(text)
        self._add(step)
        return step.outcome

    def mark(self, name: str) -> Outcome[Played]:
        """Set a mark, reached when everything that was asked for before was played, or cleared."""
        step = _Mark(name)
        self._add(step)
        return step.outcome

    def clear(self) -> None:
        """Fall silent at once: drop the steps that wait, and clear the line."""
        with self._lock:
            dropped, self._steps = self._steps, deque()
            self._silent_from = 0.0
            if not self._is_closed:
                self._steps.append(_Clear())
        for step in dropped:
            step.drop()
        self._cross(self._advance)

    def note(self) -> None:
        """Note the seconds that wait on the line, where others may speak too."""
        with self._lock:
            self._look()

    def close(self) -> None:
        """Drop the steps that wait and refuse new ones, because the call is over."""
        with self._lock:
            self._is_closed = True
            dropped, self._steps = self._steps, deque()
            self._silent_from = 0.0
        for step in dropped:
            step.drop()

    @property
    def _waiting(self) -> float:
        on_the_line = max(0.0, self._silent_from - self._seconds())
        return on_the_line + sum(step.seconds for step in self._steps)

    def _add(self, step: _Step) -> None:
        with self._lock:
            is_closed = self._is_closed
            if not is_closed:
                self._check(step)
                self._steps.append(step)
        if is_closed:
            step.drop()
        else:
            self._cross(self._advance)

    def _check(self, step: _Step) -> None:
        if len(self._steps) >= MOST_STEPS:
            raise TooMuchAudio(f"{MOST_STEPS} things wait to be said: wait for a mark, or clear")
        if self._waiting + step.seconds > MOST_WAITING_SECONDS:
            raise TooMuchAudio(f"more than {MOST_WAITING_SECONDS} s would wait: wait for a mark, or clear")

    def _advance(self) -> None:
        """Do every step that can be done now; in the reactor's thread."""
        while (step := self._next()) is not None:
            self._do(step)
            self._done(step)

    def _next(self) -> _Step | None:
        with self._lock:
            step = self._steps[0] if self._steps else None
        if isinstance(step, _Text) and step.audio is None:
            self._begin(step)
            return None
        return step

    def _begin(self, step: _Text) -> None:
        if step.spoken is None and self._speak is not None:
            step.spoken = self._speak(step.text)
            step.spoken.add_done_callback(lambda spoken: self._cross(partial(self._spoken, step, spoken)))

    def _spoken(self, step: _Text, spoken: "Future[bytes]") -> None:
        step.audio = b""
        if not step.outcome.is_known:
            self._take_audio(step, spoken)
        self._advance()

    def _take_audio(self, step: _Text, spoken: "Future[bytes]") -> None:
        try:
            step.audio = spoken.result()
        except SpeechError as problem:
            self._fail(step, problem)
        except CancelledError:
            self._fail(step, SpeechError("the server is stopping"))
        except Exception as problem:  # noqa: BLE001 - whatever fails there, the call goes on
            # Its words are not shown: they may hold the text.
            self._fail(step, SpeechError(f"the TTS engine failed with {type(problem).__name__}"))

    def _fail(self, step: _Text, problem: SpeechError) -> None:
        step.outcome.fail(problem)
        self._warn("A text was not said: {problem}. The call goes on.", problem)

    def _do(self, step: _Step) -> None:
        if not self._line.is_open:
            step.drop()
            return
        try:
            step.do(self._line)
        except TooMuchAudio as problem:
            if isinstance(step, _Text):
                step.outcome.fail(problem)
            self._warn("Something was not said: {problem}. The call goes on.", problem)

    def _done(self, step: _Step) -> None:
        # Removed only now: a step on its way to the line still counts as being said.
        with self._lock:
            if self._steps and self._steps[0] is step:
                self._steps.popleft()
            self._look()

    def _look(self) -> None:
        is_to_be_cleared = bool(self._steps) and isinstance(self._steps[0], _Clear)
        if not is_to_be_cleared and not self._is_closed:
            self._silent_from = self._seconds() + self._line.waiting

    def _warn(self, words: str, problem: Any) -> None:
        self._log.warn("⚠️ " + words, problem=str(problem).rstrip("."), log_system=self._call_sid)
