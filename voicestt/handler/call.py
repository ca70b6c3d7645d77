"""A handler's access to its call: speaking, marks, hanging up, transfer, and how the caller is recognised."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from voicestt.audio.ledger import AudioTotals
from voicestt.audio.mulaw import BYTES_PER_SECOND
from voicestt.audio.transcode import BadSound, Kind, to_mulaw
from voicestt.call.facts import Track
from voicestt.call.line import MOST_WAITING_SECONDS
from voicestt.config.hints import BadHints, Hints, make_classes
from voicestt.config.recognition_options import BadOptions, read_options
from voicestt.events import CallStarted
from voicestt.handler.leaving import CallHandover, HungUp
from voicestt.handler.memory import CallMemory
from voicestt.handler.outcome import Outcome
from voicestt.handler.speaking import Played, Said, Speaking


@dataclass(slots=True)
class Snapshot:
    """The call's figures as the reactor's thread last saw them, for all threads."""

    account: AudioTotals = field(default_factory=AudioTotals)


class Call:
    """A live call, for its handler. All of it can be used from the handler's methods, tasks and threads, and
    nothing of it blocks. After the call nothing happens: nothing is said, and marks are reached as cleared.

    Its repr shows no phone number: it may be logged.
    """

    def __init__(
        self,
        started: CallStarted,
        speaking: Speaking,
        leaving: CallHandover,
        seen: Snapshot,
        memory: CallMemory | None = None,
    ) -> None:
        self._memory = memory or CallMemory()
        self._started = started
        self._speaking = speaking
        self._leaving = leaving
        self._seen = seen

    def __repr__(self) -> str:
        return f"<Call {self.call_sid}>"

    @property
    def call_sid(self) -> str:
        """Twilio's id of the call."""
        return self._started.call_sid

    @property
    def stream_sid(self) -> str:
        """Twilio's id of the call's media stream."""
        return self._started.stream_sid

    @property
    def account_sid(self) -> str:
        """Twilio's id of the account that the call belongs to."""
        return self._started.account_sid

    @property
    def session(self) -> str:
        """The server's own id of the stream, never used again; event ids begin with it."""
        return self._started.session

    @property
    def continues(self) -> str | None:
        """The session of the call's former stream, if the call was moved here or came back; None for a new call.

        The caller is in the middle of it then: do not greet again.
        """
        return self._started.continues

    @property
    def memory(self) -> Any:
        """The value that `memory` last got, here or from the former stream's handler; None if it got none.

        Set it as the call goes on: another process may have to go on from there. Any JSON value of at most 16 KB;
        it is kept in the journal, as long as the call. Setting it raises `voicestt.handler.memory.BadMemory` (a
        ValueError) for anything else. What is changed inside the value is not kept: set it again.
        """
        return self._memory.value

    @memory.setter
    def memory(self, value: Any) -> None:
        self._memory.set(value)

    @property
    def caller(self) -> str | None:
        """The caller's number, if the signed webhook gave it. Do not log it."""
        return self._started.caller

    @property
    def called(self) -> str | None:
        """The number that was called, if the signed webhook gave it. Do not log it."""
        return self._started.called

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The `<Parameter>`s of the TwiML."""
        return self._started.parameters

    @property
    def account(self) -> AudioTotals:
        """Totals of the caller's audio, as of the newest event other than a partial."""
        return self._seen.account

    @property
    def waiting(self) -> float:
        """Seconds of audio still to be played; a text counts once its audio is made."""
        return self._speaking.waiting

    @property
    def is_speaking(self) -> bool:
        """True while the caller hears something or is about to; a text that is being made counts."""
        return self._speaking.is_speaking

    def say(self, audio: bytes, rate: int | None = None, kind: Kind | None = None) -> None:
        """Play `audio` after everything that was said before.

        `kind` is "mulaw" (8 kHz, mono, no header), "pcm16" (16-bit samples, little-endian, mono, no header, of
        `rate` Hz) or "file" (a WAV's content; other kinds of files with soundfile installed). Not given, it is a
        file if it begins as a WAV does, "pcm16" if there is a `rate`, and "mulaw" otherwise. The audio is
        converted here and now: convert long audio once, by `voicestt.audio.transcode.to_mulaw`, and keep it.

        Raises:
            BadSound: (a ValueError) if it is not what it is said to be.
            voicestt.call.line.TooMuchAudio: (a ValueError) if more than ten minutes would wait.
        """
        self._speaking.say(telephone_audio(audio, rate, kind))

    def say_text(self, text: str) -> Outcome[Said]:
        """Speak `text` after everything that was said before.

        The outcome need not be awaited: "said" when the audio is on its way (`mark` tells when it was heard),
        "cleared" if `clear` was first.

        Raises:
            voicestt.tts.port.SpeechError: if there is no TTS_ENGINE; the outcome fails with it, in words that are
                also logged, where this text cannot be spoken.
            voicestt.call.line.TooMuchAudio: if too much waits.
        """
        return self._speaking.say_text(text)

    def clear(self) -> None:
        """Fall silent at once, for a caller who interrupts: drop everything said and not yet played."""
        self._speaking.clear()

    def mark(self, name: str) -> Outcome[Played]:
        """Set a mark: "played" once everything said before it was played, or "cleared"."""
        return self._speaking.mark(name)

    def recognise(
        self,
        *,
        language: str | None = None,
        model: str | None = None,
        hints: Iterable[object] | Hints | None = None,
        punctuation: bool | None = None,
        classes: Mapping[str, Sequence[str]] | None = None,
        at_once: bool = False,
        track: Track = "caller",
        **more: Any,
    ) -> None:
        """Recognise one side by other options from its next final or silence on; no word is lost by the change.

        What is not said stays as it is; without any option those of the call's start are restored. `hints` are
        phrases, (phrase, boost) pairs, or `voicestt.config.hints.make_hints` of them, which is worth keeping where
        there are many; `classes` the lists of words that phrases name as `${name}`. `more` are the other options
        of `voicestt.config.recognition_options`, as in NUMBERS_FILE. `at_once`: an utterance under way is
        recognised by them too, as a whole. `track`: the caller, or the callee of a call with both tracks
        (BOTH_TRACKS=both), before their first word too. What the recogniser refuses is taken back, and said in the
        log.

        Raises:
            BadOptions: (a ValueError) if they are not what they should be, with everything that is wrong.
        """
        given = {"language": language, "model": model, "punctuation": punctuation, **more}
        # A single text or a table is no list of hints, though Python would take either apart.
        if isinstance(hints, Hints | str | bytes | Mapping) or not isinstance(hints, Iterable):
            given["hints"] = hints
        else:
            given["hints"] = tuple(hints)
        options = read_options(given, _checked(classes))
        if track not in get_args(Track):
            raise BadOptions({"track": ["is neither caller nor callee"]})
        self._leaving.recognise(options, at_once=at_once, track=track)

    def hang_up(self) -> Outcome[HungUp]:
        """End the call at once, by Twilio's REST API; to let the caller hear you out, await a mark first.

        "stream closed" where Twilio refused that, or TWILIO_AUTH_TOKEN is not set: then the stream is closed,
        which ends the call unless the TwiML goes on after `<Connect>`.
        """
        return self._leaving.hang_up()

    def transfer(self, number: str) -> Outcome[None]:
        """Transfer the caller, by Twilio's REST API, to a number such as +972501234567 or a sip: address.

        The stream ends by that. If Twilio refuses, the outcome fails with TwilioRefused and the call goes on.

        Raises:
            BadNumber: (a ValueError) if it is neither.
        """
        return self._leaving.transfer(number)


def _checked(classes: Mapping[str, Sequence[str]] | None) -> Mapping[str, Sequence[str]] | None:
    try:
        return None if classes is None else make_classes(classes)
    except BadHints as bad:
        raise BadOptions({"classes": [f": {each}" for each in bad.problems]}) from None


def telephone_audio(audio: bytes, rate: int | None = None, kind: Kind | None = None) -> bytes:
    """Convert the audio that `Call.say` takes to mu-law.

    Raises:
        BadSound: if it is not what it is said to be.
    """
    audio = bytes(memoryview(audio))
    is_wav = audio[:4] == b"RIFF" and audio[8:12] == b"WAVE"
    found: Kind = "file" if is_wav else "mulaw" if rate is None else "pcm16"
    try:
        return to_mulaw(audio, kind or found, rate or BYTES_PER_SECOND, MOST_WAITING_SECONDS)
    except BadSound as problem:
        raise BadSound(f"what was to be said {problem}") from None
