"""Decodes the audio of one utterance to text with Whisper on ctranslate2, driven directly.

Whisper always sees 30 s, padded with silence, and that costs the same whatever was said. ctranslate2 takes a
shorter window, which is several times faster, but then Whisper tends to say a sentence twice. Hence the guards
here: timestamps, a limit of tokens, a tail that repeats the head is cut, and a final that had to be repaired
is decoded once more in the window of 30 s that Whisper was trained on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import ctranslate2  # type: ignore[import-untyped]
import numpy as np
from tokenizers import Tokenizer

from voicestt.recognisers.whisper.engine.first_words import BeginningText, WordReading
from voicestt.recognisers.whisper.engine.mel import FRAMES_PER_SECOND, SAMPLES_PER_SECOND, log_mel
from voicestt.recognisers.whisper.engine.weights import Weights

FULL_WINDOW: Final = 30.0
"""Seconds that Whisper was trained on, and the most that it can be given."""

_SHORTEST_WINDOW: Final = 6.0
_AFTER_SPEECH: Final = 1.0
_NEAR_THE_END: Final = 0.3
_FEWEST_TOKENS: Final = 6
_TOKENS_PER_SECOND: Final = 8
_TOKENS_PER_SECOND_BY_LANGUAGE: Final = {"en": 8, "he": 16}
_TIMESTAMPS_PER_SECOND: Final = 50
_SHORTEST_REPEAT: Final = 3
_MOST_TOKENS: Final = 448
_MOST_PROMPT_TOKENS: Final = 200


class UnknownLanguage(Exception):
    """The model does not know the language."""


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """Audio to decode: LINEAR16 8 kHz `pcm`, of which the first `speech_end` samples hold speech.

    `prompt` is told to the model as what was said before: its words are then likelier.
    """

    pcm: bytes
    speech_end: int
    language: str
    prompt: str = ""

    @property
    def seconds(self) -> float:
        """The duration of the audio, in seconds."""
        return len(self.pcm) / 2 / SAMPLES_PER_SECOND


@dataclass(frozen=True, slots=True)
class Text:
    """A decoded text; `confidence` is the mean probability of a token (0.0 to 1.0), 0.0 without text."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class _Attempt:
    text: str
    confidence: float
    repaired: bool


class WhisperModel:
    """A Whisper model. Thread-safe; two calls at once use two cores."""

    def __init__(self, weights: Weights) -> None:
        self._model: Any = ctranslate2.models.Whisper(
            weights.name,
            device="cpu",
            compute_type="int8",
            inter_threads=2,
            intra_threads=1,
            files=weights.files,
        )
        self._tokenizer = Tokenizer.from_buffer(weights.files["tokenizer.json"])
        self._name = weights.name
        self._end = self._token("<|endoftext|>")
        self._first_timestamp = self._token("<|notimestamps|>") + 1

    def beginning(self, spoken: DecodeJob) -> BeginningText:
        """Decode the first words of an utterance: as `quick`, with how likely each of them is."""
        result = self._generate(spoken, _short_window(spoken), with_logits=True)
        if _is_silence(result):
            return BeginningText((), result.no_speech_prob)
        inside = self._inside(result.sequences_ids[0], spoken)
        words = self._words(inside, result.logits[0])
        once = without_repeat([word.text for word in words])
        return BeginningText(tuple(words[: len(once)]), result.no_speech_prob)

    def quick(self, spoken: DecodeJob) -> Text:
        """Decode a partial: in the short window, whatever its quality."""
        return _text_of(self._attempt(spoken, _short_window(spoken)))

    def careful(self, spoken: DecodeJob) -> Text:
        """Decode a final: in the short window, and in the full one if the text had to be repaired."""
        attempt = self._attempt(spoken, _short_window(spoken))
        return self.full(spoken) if attempt.repaired else _text_of(attempt)

    def full(self, spoken: DecodeJob) -> Text:
        """Decode in the window of 30 s: slower, with the fewest errors."""
        return _text_of(self._attempt(spoken, FULL_WINDOW))

    def check_language(self, language: str) -> None:
        """Raise UnknownLanguage when the model does not know `language` (Whisper's code: "en", "he")."""
        self._prompt(language)

    def _attempt(self, spoken: DecodeJob, window: float) -> _Attempt:
        result = self._generate(spoken, window)
        if _is_silence(result):
            return _Attempt("", 0.0, repaired=False)
        return self._read(result.sequences_ids[0], spoken, math.exp(min(0.0, result.scores[0])))

    def _generate(self, spoken: DecodeJob, window: float, *, with_logits: bool = False) -> Any:
        mel = log_mel(spoken.pcm, round(window * FRAMES_PER_SECOND), self._model.n_mels)
        before = self._before(spoken.prompt)
        return self._model.generate(
            ctranslate2.StorageView.from_array(mel),
            [[*before, *self._prompt(spoken.language)]],
            beam_size=1,
            # ctranslate2 generates half of it and leaves the rest to a prompt
            max_length=min(_MOST_TOKENS, 2 * max(_most_tokens(spoken), len(before))),
            return_scores=True,
            return_logits_vocab=with_logits,
            return_no_speech_prob=True,
        )[0]

    def _read(self, ids: Sequence[int], spoken: DecodeJob, confidence: float) -> _Attempt:
        inside = self._inside(ids, spoken)
        words = self._tokenizer.decode([token for token in inside if token < self._end]).split()
        once = without_repeat(words)
        repaired = len(once) < len(words) or len(inside) >= _most_tokens(spoken)
        text = " ".join(once)
        return _Attempt(text if any(map(str.isalnum, text)) else "", confidence, repaired)

    def _words(self, ids: Sequence[int], logits: Sequence[Any]) -> list[WordReading]:
        """Return the words of tokens, given each token's logits; a word begins where a space does."""
        spelt: list[tuple[list[int], float]] = []
        for token, chances in zip(ids, logits, strict=False):
            if token >= self._end:
                continue
            letters = self._tokenizer.decode([token])
            if letters.startswith(" ") or not spelt:
                spelt.append(([], 1.0))
            tokens, probability = spelt[-1]
            # a token can be half a letter of Hebrew, which no decoder knows
            is_mark = not any(letter.isalnum() or letter == "\N{REPLACEMENT CHARACTER}" for letter in letters)
            spelt[-1] = ([*tokens, token], probability * (1.0 if is_mark else _probability(token, chances)))
        return [WordReading(self._tokenizer.decode(tokens).strip(), chance) for tokens, chance in spelt]

    def _inside(self, ids: Sequence[int], spoken: DecodeJob) -> Sequence[int]:
        """Return the tokens before the first timestamp at or past the end of the speech."""
        seconds = spoken.speech_end / SAMPLES_PER_SECOND - _NEAR_THE_END
        earliest = self._first_timestamp + max(1.0, seconds * _TIMESTAMPS_PER_SECOND)
        past = (at for at, token in enumerate(ids) if at > 0 and token >= earliest)
        return ids[: next(past, len(ids))]

    def _before(self, prompt: str) -> list[int]:
        """Return the tokens of a prompt as Whisper takes what was said before; none for an empty one."""
        if not prompt:
            return []
        tokens: list[int] = self._tokenizer.encode(f" {prompt}", add_special_tokens=False).ids
        return [self._token("<|startofprev|>"), *tokens[:_MOST_PROMPT_TOKENS]]

    def _prompt(self, language: str) -> list[int]:
        start = self._token("<|startoftranscript|>")
        if self._model.is_multilingual:
            return [start, self._language_token(language), self._token("<|transcribe|>")]
        if language != "en":
            raise UnknownLanguage(f"The Whisper model {self._name} knows English only, not {language!r}.")
        return [start]

    def _language_token(self, language: str) -> int:
        token: int | None = self._tokenizer.token_to_id(f"<|{language}|>")
        if token is None:
            raise UnknownLanguage(f"The Whisper model {self._name} does not know the language {language!r}.")
        return token

    def _token(self, text: str) -> int:
        token: int | None = self._tokenizer.token_to_id(text)
        if token is None:
            raise ValueError(f"The tokenizer of {self._name} has no {text}: it is not Whisper's tokenizer.")
        return token


def without_repeat(words: list[str]) -> list[str]:
    """Cut off a tail of three or more words that repeats the head of `words`."""
    plain = [word.strip(".,;:!?-").casefold() for word in words]
    for at in range(_SHORTEST_REPEAT, len(plain) - _SHORTEST_REPEAT + 1):
        if plain[at:] == plain[: len(plain) - at]:
            return words[:at]
    return words


def _is_silence(result: Any) -> bool:
    """Tell of a result of ctranslate2 whether nobody speaks in the audio, and the text is made up."""
    return bool(result.no_speech_prob > 0.6 and result.scores[0] < -1.0)


def _probability(token: int, logits: Any) -> float:
    """Return the probability of `token` among all that `logits` (of the whole vocabulary) tell of."""
    chances = np.array(logits)
    return float(1.0 / np.exp(chances - chances[token]).sum())


def _short_window(spoken: DecodeJob) -> float:
    return min(FULL_WINDOW, max(_SHORTEST_WINDOW, spoken.seconds + _AFTER_SPEECH))


def _most_tokens(spoken: DecodeJob) -> int:
    per_second = _TOKENS_PER_SECOND_BY_LANGUAGE.get(spoken.language, _TOKENS_PER_SECOND)
    return _FEWEST_TOKENS + math.ceil(per_second * spoken.seconds)


def _text_of(attempt: _Attempt) -> Text:
    return Text(attempt.text, attempt.confidence if attempt.text else 0.0)
