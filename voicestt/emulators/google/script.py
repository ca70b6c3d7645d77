"""The scripted recogniser: texts in any language, timed to the audio, for tests and demonstrations.

A script is a JSON file:

    {
      "utterances": [
        {"text": "שלום {key} אני מתקשר לגבי ההזמנה", "start": 0.5, "end": 2.5},
        {"text": "תודה רבה ולהתראות", "start": 3.2, "end": 4.4}
      ],
      "repeat": 10.0,
      "final_delay": 0.5,
      "quirks": true,
      "recordings": ["הקלטה {sha}"]
    }

What is heard may depend on what a client asks for. `texts` are by language, and win over `text` for a client of
that language, or one that names it as another that may be spoken; `hinted` are by hint, and win over both for a
client with that phrase among its hints; `others` are other readings, for a client that wants several:

    {"text": "I am calling from sure", "start": 1, "end": 3,
     "texts": {"he": "אני מתקשר מחברת שור"}, "hinted": {"Shure": "I am calling from Shure"},
     "others": ["I am calling from shore"], "speaker": 2}

`speaker` (default 1) is who spoke, for a client that wants speakers told apart.

`start` and `end` are seconds of audio. The words of an utterance lie evenly between them; a word is heard when
all of its audio has come, so partials grow word by word. The final comes `final_delay` (default 0.5) seconds of
audio after `end`, at the latest with the first word of the next utterance, or at half-close with the words heard
so far. `repeat` says the utterances again every so many seconds, for calls of any length. With `quirks` (the
default) partials are now and then repeated and shortened, as Google's are.

Results depend on nothing but the audio received: never on a clock, never on how it was cut into messages.
Time counts from the stream's first sample, unless the audio carries its own position (`watermarked_audio.py`):
then it counts from the call's first sample, so a word that was cut by a change of streams is heard by neither and
one that was sent twice is heard twice, as it would be with the real service.

Placeholders in a text: `{key}` is the call's number in watermarked audio and `stream_key` of the stream elsewhere,
`{round}` counts the repetitions from 0, `{sha}` is the first 8 hex digits of the SHA-256 of a recording.

Recognize gives the words whose time lies within the recording, one result for each utterance; with `recordings`
it gives the next of these texts instead, one for each request, from the start again after the last.

A client that asks for the times of words gets them as the script has them; the words of `recordings` are spread
over the whole recording, the long ones longer.
"""

import itertools
from collections.abc import Container, Sequence
from pathlib import Path

import msgspec


class BadScript(ValueError):
    """The script cannot be used; the message says why and where."""


class Utterance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One scripted text, from `start` to `end` in seconds of audio; `language` is the one that it is heard in."""

    text: str
    start: float
    end: float
    texts: dict[str, str] = {}
    hinted: dict[str, str] = {}
    others: tuple[str, ...] = ()
    language: str = ""
    speaker: int = 1

    def heard_with(self, languages: Sequence[str], hints: Container[str]) -> "Utterance":
        """Return the utterance as a client hears it that asks for these languages, the first first, and hints."""
        text, language = self.text, self.language
        for code in languages:
            primary = _primary(code)
            if primary in self.texts:
                text, language = self.texts[primary], code
                break
        hinted = next((said for hint, said in self.hinted.items() if hint in hints), None)
        return msgspec.structs.replace(self, text=hinted or text, language=language, texts={}, hinted={})

    def __post_init__(self) -> None:
        if not all(text.split() for text in (self.text, *self.texts.values(), *self.hinted.values())):
            raise ValueError("`text` is empty; say at least one word")
        if not 0 <= self.start < self.end:
            raise ValueError(f"`start` ({self.start:g}) must be 0 or more and before `end` ({self.end:g})")


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole script, as in the JSON file; times in seconds of audio."""

    utterances: tuple[Utterance, ...] = ()
    repeat: float | None = None
    final_delay: float = 0.5
    quirks: bool = True
    recordings: tuple[str, ...] = ()

    def heard_with(self, languages: Sequence[str], hints: Container[str]) -> "Script":
        """Return the script as a client hears it that asks for these languages and hints."""
        if not any(each.texts or each.hinted for each in self.utterances):
            return self
        return msgspec.structs.replace(
            self, utterances=tuple(each.heard_with(languages, hints) for each in self.utterances)
        )

    def __post_init__(self) -> None:
        if not self.utterances and not self.recordings:
            raise ValueError("there is nothing to say: `utterances` is missing or empty")
        if self.final_delay < 0:
            raise ValueError("`final_delay` must be 0 or more")
        _check_order(self.utterances)
        _check_repeat(self)


def parse(text: str | bytes) -> Script:
    """Parse the script in JSON `text`; raises `BadScript`."""
    try:
        return msgspec.json.decode(text, type=Script)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadScript(f"The script cannot be read: {error}") from error


def load(path: Path) -> Script:
    """Read the script in the file `path`; raises `BadScript`."""
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise BadScript(f"The script {path} cannot be opened: {error.strerror}") from error
    except BadScript as error:
        raise BadScript(f"{path}: {error}") from error


def _primary(code: str) -> str:
    """Return the language of a BCP-47 code, "he" for Google's "iw"."""
    primary = code.partition("-")[0].lower()
    return "he" if primary == "iw" else primary


def _check_order(utterances: tuple[Utterance, ...]) -> None:
    for earlier, later in itertools.pairwise(utterances):
        if later.start < earlier.end:
            raise ValueError(
                f"utterances must follow one another: {later.text!r} starts at {later.start:g}, "
                f"before {earlier.text!r} has ended at {earlier.end:g}"
            )


def _check_repeat(script: Script) -> None:
    if script.repeat is None or not script.utterances:
        return
    last = script.utterances[-1].end
    if script.repeat < last:
        raise ValueError(f"`repeat` ({script.repeat:g}) must not be before the last utterance's end ({last:g})")
