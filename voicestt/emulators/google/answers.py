"""Turns an engine's results into Google's responses: raw protobuf of either version of the API.

- A partial of some length comes as two results, a stable beginning and an unstable rest: the text to show is
  both together.
- Whatever follows the first utterance of a stream begins with a space.
- A final and the partial right behind it come in one response, the final first.
- A final has its words one by one, without the leading space, where they were asked for: an engine gives none
  otherwise. With v1's diarisation it has all words of the audio so far.
- A speech event comes in a response of its own.
- The last response carries the seconds that are billed.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from voicestt.emulators.google.asked_features import NO_FEATURES, AskedFeatures
from voicestt.emulators.google.limits import billed_seconds
from voicestt.emulators.google.speech_activity import SpeechEvent
from voicestt.emulators.google.versions import ServiceVersion
from voicestt.recognisers.whisper.engine.port import EngineResult, TimedWord

SAMPLE_RATE = 8_000
STABLE_ENOUGH = 0.8
UNSTABLE_WORDS = 2


class _Final:
    """Fills the results of finals, in order, for a stream or a recording."""

    def __init__(self, api: ServiceVersion, language: str, features: AskedFeatures) -> None:
        self._api, self._features = api, features
        self._language = language.lower()
        self._words: list[TimedWord] = []
        self.lead = ""

    def fill(self, result: Any, heard: EngineResult) -> None:
        texts = [heard.text, *heard.others]
        for text in texts:
            result.alternatives.add(transcript=self.lead + self._features.normalised(text))
        best = result.alternatives[0]
        best.confidence = heard.confidence
        self._words = [*self._words, *heard.words] if self._accumulates else list(heard.words)
        add_words(self._api, best, self._words, self._features, heard.confidence)
        self.place(result, heard)
        self.lead = " "

    def place(self, result: Any, heard: EngineResult) -> None:
        """Fill in the language and end of a result."""
        result.language_code = heard.language.lower() or self._language
        set_duration(self._api.end_time(result), heard.end)

    @property
    def _accumulates(self) -> bool:
        return self._features.speakers and self._api.words_accumulate


class ResponseBuilder:
    """Builds the responses of one stream in `language` (a BCP-47 code; Google answers with it in lower case).

    `features` are what the client asked for.
    """

    def __init__(
        self, api: ServiceVersion, language: str, features: AskedFeatures = NO_FEATURES, request_id: int = 0
    ) -> None:
        self._api, self._features, self._request_id = api, features, request_id
        self._final = _Final(api, language, features)

    def say(self, heard: Sequence[EngineResult | SpeechEvent]) -> list[Any]:
        """Build the responses for the results and events of one moment, in order."""
        responses: list[Any] = []
        for one in heard:
            if isinstance(one, SpeechEvent):
                if one.kind in self._api.speech_events:
                    responses.append(self._event(one))
                continue
            if one.is_final or not _can_follow(responses):
                responses.append(self._response())
            self._add(responses[-1], one)
        return responses

    def billed(self, responses: list[Any], audio_seconds: float) -> list[Any]:
        """Put the billed time on the last response of a stream, or add a response that only bills."""
        last = responses or [self._response()]
        self._api.billed(last[-1]).seconds = billed_seconds(audio_seconds)
        return last

    def _response(self) -> Any:
        response = self._api.StreamingResponse()
        if self._request_id:
            self._api.identify(response, self._request_id)
        return response

    def _event(self, event: SpeechEvent) -> Any:
        response = self._response()
        response.speech_event_type = int(event.kind)
        set_duration(self._api.event_time(response), event.at)
        return response

    def _add(self, response: Any, heard: EngineResult) -> None:
        if heard.is_final:
            result = response.results.add(is_final=True)
            self._final.fill(result, heard)
            return
        stable, unstable = split(heard)
        if stable:
            self._partial(response, self._features.normalised(stable), heard, 0.9)
        self._partial(response, unstable, heard, heard.stability, "" if stable else self._final.lead)

    def _partial(
        self, response: Any, text: str, heard: EngineResult, stability: float, lead: str | None = None
    ) -> None:
        result = response.results.add(stability=stability)
        result.alternatives.add(transcript=(self._final.lead if lead is None else lead) + text)
        self._final.place(result, heard)


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
    request_id: int = 0,
) -> Any:
    """Build the response of Recognize."""
    response = api.RecogniseResponse()
    filled = _Final(api, language, features)
    for heard in finals:
        filled.fill(response.results.add(), heard)
    api.billed(response).seconds = billed_seconds(audio_seconds)
    if request_id:
        api.identify(response, request_id)
    return response


def add_words(
    api: ServiceVersion,
    alternative: Any,
    words: Iterable[TimedWord],
    features: AskedFeatures = NO_FEATURES,
    confidence: float = 0.0,
) -> None:
    """Add WordInfos to a SpeechRecognitionAlternative, with what `features` ask for."""
    for word in words:
        info = alternative.words.add(word=word.text)
        if features.word_confidence:
            info.confidence = confidence
        if features.speakers:
            api.label(info, word.speaker)
        start, end = api.word_times(info)
        set_duration(start, word.start)
        set_duration(end, word.end)


def set_duration(duration: Any, samples: int) -> None:
    """Fill a protobuf Duration with a number of samples at 8 kHz."""
    duration.seconds, rest = divmod(samples, SAMPLE_RATE)
    duration.nanos = rest * (1_000_000_000 // SAMPLE_RATE)
