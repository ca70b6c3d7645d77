"""Turns an engine's results into Google's responses: raw protobuf of either version of the API.

- A partial of some length comes as two results, a stable beginning and an unstable rest: the text to show is
  both together.
- Whatever follows the first utterance of a stream begins with a space.
- A final and the partial right behind it come in one response, the final first.
- A final has its words one by one, without the leading space, where they were asked for: an engine gives none
  otherwise.
- The last response carries the seconds that are billed.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from voicestt.emulators.google.asked_features import NO_FEATURES, AskedFeatures
from voicestt.emulators.google.limits import billed_seconds
from voicestt.emulators.google.versions import ServiceVersion
from voicestt.recognisers.whisper.engine.port import EngineResult, TimedWord

SAMPLE_RATE = 8_000
STABLE_ENOUGH = 0.8
UNSTABLE_WORDS = 2
END_OF_SINGLE_UTTERANCE = 1


class ResponseBuilder:
    """Builds the responses of one stream in `language` (a BCP-47 code; Google answers with it in lower case).

    `features` are what the client asked for. With diarisation a final has all words of the stream so far.
    """

    def __init__(self, api: ServiceVersion, language: str, features: AskedFeatures = NO_FEATURES) -> None:
        self._api = api
        self._features = features
        self._words: list[TimedWord] = []
        self._language = language.lower()
        self._lead = ""

    def say(self, heard: Sequence[EngineResult]) -> list[Any]:
        """Build the responses for the results of one moment, in order."""
        responses: list[Any] = []
        for one in heard:
            if one.is_final or not _can_follow(responses):
                responses.append(self._api.StreamingResponse())
            self._add(responses[-1], one)
        return responses

    def _add(self, response: Any, heard: EngineResult) -> None:
        if heard.is_final:
            self._result(response, heard.text, heard, final=True)
            self._lead = " "
            return
        stable, unstable = split(heard)
        if stable:
            self._result(response, stable, heard, stability=0.9)
        self._result(response, unstable, heard, stability=heard.stability, lead="" if stable else None)

    def _result(
        self,
        response: Any,
        text: str,
        heard: EngineResult,
        *,
        final: bool = False,
        stability: float = 0.0,
        lead: str | None = None,
    ) -> None:
        result = response.results.add()
        alternative = result.alternatives.add()
        alternative.transcript = (self._lead if lead is None else lead) + text
        alternative.confidence = heard.confidence
        self._words = [*self._words, *heard.words] if self._features.speakers else list(heard.words)
        add_words(self._api, alternative, self._words if final else heard.words, self._features, heard.confidence)
        for other in heard.others:
            result.alternatives.add(transcript=self._lead + other)
        result.is_final = final
        result.stability = stability
        result.language_code = heard.language.lower() or self._language
        set_duration(self._api.end_time(result), heard.end)

    def billed(self, responses: list[Any], audio_seconds: float) -> list[Any]:
        """Put the billed time on the last response of a stream, or add a response that only bills."""
        last = responses or [self._api.StreamingResponse()]
        self._api.billed(last[-1]).seconds = billed_seconds(audio_seconds)
        return last

    def end_of_utterance(self) -> Any:
        """Build the event that ends a stream of a single utterance."""
        return self._api.StreamingResponse(speech_event_type=END_OF_SINGLE_UTTERANCE)


def _can_follow(responses: list[Any]) -> bool:
    """Tell whether a partial may join the last response: only behind a final that is alone in it."""
    return bool(responses) and len(responses[-1].results) == 1 and responses[-1].results[0].is_final


def split(partial: EngineResult) -> tuple[str, str]:
    """Split a partial into its stable beginning (may be empty) and its unstable rest."""
    if partial.stability >= STABLE_ENOUGH:
        return "", partial.text
    words = partial.text.rsplit(" ", UNSTABLE_WORDS)
    if len(words) <= UNSTABLE_WORDS or " " not in words[0]:
        return "", partial.text
    return words[0], partial.text[len(words[0]) :]


def recognised(
    api: ServiceVersion,
    finals: Sequence[EngineResult],
    language: str,
    audio_seconds: float,
    features: AskedFeatures = NO_FEATURES,
) -> Any:
    """Build the response of Recognize."""
    response = api.RecogniseResponse()
    for index, heard in enumerate(finals):
        result = response.results.add()
        alternative = result.alternatives.add(
            transcript=(" " if index else "") + heard.text, confidence=heard.confidence
        )
        add_words(api, alternative, heard.words, features, heard.confidence)
        for other in heard.others:
            result.alternatives.add(transcript=other)
        result.language_code = (heard.language or language).lower()
        set_duration(api.end_time(result), heard.end)
    api.billed(response).seconds = billed_seconds(audio_seconds)
    return response


def add_words(
    api: ServiceVersion,
    alternative: Any,
    words: Iterable[TimedWord],
    features: AskedFeatures = NO_FEATURES,
    confidence: float = 0.0,
) -> None:
    """Add WordInfos to a SpeechRecognitionAlternative, with what `features` ask for; there is one speaker."""
    for word in words:
        info = alternative.words.add(word=word.text)
        if features.word_confidence:
            info.confidence = confidence
        if features.speakers:
            info.speaker_label = "1"
        start, end = api.word_times(info)
        set_duration(start, word.start)
        set_duration(end, word.end)


def set_duration(duration: Any, samples: int) -> None:
    """Fill a protobuf Duration with a number of samples at 8 kHz."""
    duration.seconds, rest = divmod(samples, SAMPLE_RATE)
    duration.nanos = rest * (1_000_000_000 // SAMPLE_RATE)
