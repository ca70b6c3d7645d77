"""What an engine heard, said as Google says it: responses of `google.cloud.speech.v1`, raw protobuf.

- A partial of some length comes as two results, a stable beginning and an unstable rest: the text to show is
  both together.
- Whatever follows the first utterance of a stream begins with a space.
- A final and the partial right behind it come in one response, the final first.
- The last response carries the seconds that are billed.
"""

from collections.abc import Sequence
from typing import Any

from google.cloud.speech_v1.types import cloud_speech

from voicestt.google_local.engine import Heard
from voicestt.google_local.limits import Code, billed_seconds

SAMPLE_RATE = 8_000
STABLE_ENOUGH = 0.8
UNSTABLE_WORDS = 2

StreamingRequest: Any = cloud_speech.StreamingRecognizeRequest.pb()
StreamingResponse: Any = cloud_speech.StreamingRecognizeResponse.pb()
RecogniseRequest: Any = cloud_speech.RecognizeRequest.pb()
RecogniseResponse: Any = cloud_speech.RecognizeResponse.pb()
_END_OF_UTTERANCE = int(cloud_speech.StreamingRecognizeResponse.SpeechEventType.END_OF_SINGLE_UTTERANCE)


class Answers:
    """The responses of one stream in `language` (a BCP-47 code; Google answers with it in lower case)."""

    def __init__(self, language: str) -> None:
        self._language = language.lower()
        self._lead = ""

    def say(self, heard: Sequence[Heard]) -> list[Any]:
        """The responses for what was heard at one moment, in order."""
        responses: list[Any] = []
        for one in heard:
            if one.is_final or not _can_follow(responses):
                responses.append(StreamingResponse())
            self._add(responses[-1], one)
        return responses

    def _add(self, response: Any, heard: Heard) -> None:
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
        heard: Heard,
        *,
        final: bool = False,
        stability: float = 0.0,
        lead: str | None = None,
    ) -> None:
        result = response.results.add()
        alternative = result.alternatives.add()
        alternative.transcript = (self._lead if lead is None else lead) + text
        alternative.confidence = heard.confidence
        result.is_final = final
        result.stability = stability
        result.language_code = self._language
        set_duration(result.result_end_time, heard.end)


def _can_follow(responses: list[Any]) -> bool:
    """Whether a partial may join the last response: behind a final that stands alone."""
    return bool(responses) and len(responses[-1].results) == 1 and responses[-1].results[0].is_final


def split(partial: Heard) -> tuple[str, str]:
    """A partial's stable beginning (may be empty) and its unstable rest, which together are its text."""
    if partial.stability >= STABLE_ENOUGH:
        return "", partial.text
    words = partial.text.rsplit(" ", UNSTABLE_WORDS)
    if len(words) <= UNSTABLE_WORDS or " " not in words[0]:
        return "", partial.text
    return words[0], partial.text[len(words[0]) :]


def billed(responses: list[Any], audio_seconds: float) -> list[Any]:
    """The last responses of a stream: the same with the billed time on the last, or one that only bills."""
    last = responses if responses else [StreamingResponse()]
    last[-1].total_billed_time.seconds = billed_seconds(audio_seconds)
    return last


def end_of_utterance() -> Any:
    """The event that ends a stream of a single utterance."""
    return StreamingResponse(speech_event_type=_END_OF_UTTERANCE)


def in_band_error(code: Code, words: str) -> Any:
    """An error as a response, not as the stream's status."""
    response = StreamingResponse()
    response.error.code = int(code)
    response.error.message = words
    return response


def recognised(finals: Sequence[Heard], language: str, audio_seconds: float) -> Any:
    """The response of Recognize."""
    response = RecogniseResponse()
    for index, heard in enumerate(finals):
        result = response.results.add()
        result.alternatives.add(transcript=(" " if index else "") + heard.text, confidence=heard.confidence)
        result.language_code = language.lower()
        set_duration(result.result_end_time, heard.end)
    response.total_billed_time.seconds = billed_seconds(audio_seconds)
    return response


def set_duration(duration: Any, samples: int) -> None:
    """Fills a protobuf Duration with so many samples at 8 kHz."""
    duration.seconds, rest = divmod(samples, SAMPLE_RATE)
    duration.nanos = rest * (1_000_000_000 // SAMPLE_RATE)
