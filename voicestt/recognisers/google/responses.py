"""Conversion of Google's responses to results: one response can hold a final and the start of the next utterance.

Source: cloud_speech.proto of google/cloud/speech/v1 and v2, StreamingRecognizeResponse: `results` are consecutive
portions of the audio, at most one final first, then interims, which belong together and are shown joined.
WordInfo: "This is an experimental feature and the accuracy of the time offset can vary." Some models and languages
give no words, or words without times.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import google.auth.exceptions
import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status

from voicestt.audio import mulaw
from voicestt.recognisers.google.api import GOOGLE_V1, ApiVersion
from voicestt.recognisers.port import OtherReading, RecognisedWord, RecogniserError, Result
from voicestt.recognisers.punctuation import Clean, unchanged, visible
from voicestt.runtime.metrics import Stamps

STREAMING = "google-streaming"
RECOGNIZE = "google-recognize"

_STATUS_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
_LONGEST_WORDS = 300
_STATUS_DETAILS = "grpc-status-details-bin"


def results_of(
    response: Any,
    clean_partial: Clean = unchanged,
    clean_final: Clean = unchanged,
    api: ApiVersion = GOOGLE_V1,
    stamps: Stamps | None = None,
) -> list[Result]:
    """Convert a raw StreamingRecognizeResponse to results, in order: finals, then one partial of all interims.

    Each has the `stamps` of the response.

    Raises:
        RecogniserError: for an error inside the response, which gRPC does not raise.
    """
    trouble = api.trouble_in(response)
    if trouble is not None:
        raise RecogniserError(_STATUS_NAMES.get(trouble.code, "UNKNOWN"), trouble.message)
    portions = [portion for portion in response.results if portion.alternatives]
    results = [_final(portion, clean_final, api, stamps) for portion in portions if portion.is_final]
    interims = [portion for portion in portions if not portion.is_final]
    if interims:
        results.append(_partial(interims, clean_partial, api, stamps))
    return results


def utterance_of(response: Any, clean_final: Clean = unchanged, api: ApiVersion = GOOGLE_V1) -> Result | None:
    """Convert a raw RecognizeResponse, whose results are portions of one final; None if nothing was understood."""
    portions = [portion for portion in response.results if portion.alternatives]
    text = "".join(portion.alternatives[0].transcript for portion in portions).strip()
    if not visible(text):
        return None
    confidence = min(portion.alternatives[0].confidence for portion in portions)
    words = _all_words(portions, clean_final, api)
    only = portions[0] if len(portions) == 1 else None  # of several portions, no reading of the whole is told
    others = () if only is None else _others(only, clean_final)
    final = Result(clean_final(text), True, confidence=confidence, source=RECOGNIZE, others=others)
    return _with_words(replace(final, language=portions[0].language_code), words)


def words_of(infos: Iterable[Any], clean: Clean, api: ApiVersion) -> tuple[RecognisedWord, ...]:
    """Convert raw `infos` (WordInfo) to words cleaned by `clean`, at positions in bytes of mu-law.

    None at all where a word has no time or the times run backwards: no words are better than wrong ones. Words of
    which `clean` leaves nothing are left out.
    """
    words: list[RecognisedWord] = []
    start = end = 0
    for index, info in enumerate(infos):
        span = _span(*api.times_of(info), is_first=index == 0)
        if span is None or span[0] < start or span[1] < max(end, span[0]):
            return ()
        start, end = span
        text = visible(clean(info.word).strip())
        if text:
            words.append(RecognisedWord(text, start, end, info.confidence, info.speaker_label))
    return tuple(words)


def position(duration: Any) -> int:
    """Convert a raw protobuf Duration to bytes of mu-law."""
    return int(
        duration.seconds * mulaw.BYTES_PER_SECOND + duration.nanos * mulaw.BYTES_PER_SECOND // 1_000_000_000
    )


def error_of(problem: grpc.RpcError) -> RecogniserError:
    """Convert a failed call to a RecogniserError with gRPC's status name and the server's own words."""
    read = getattr(problem, "trailing_metadata", None)
    return _with_violations(error_from(problem.code(), problem.details()), read() if read is not None else None)


def _with_violations(error: RecogniserError, metadata: Iterable[tuple[str, Any]] | None) -> RecogniserError:
    named = "; ".join(_violations(metadata or ()))
    return RecogniserError(error.status, f"{error.details} ({named[:_LONGEST_WORDS]})") if named else error


def _violations(metadata: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """Yield what v2 says of each field that it refuses, beside a status whose own words name none."""
    for key, value in metadata:
        if key != _STATUS_DETAILS:
            continue
        try:
            status = Status.FromString(value)
        except DecodeError:
            return
        for detail in status.details:
            bad = BadRequest()
            if detail.Unpack(bad):
                yield from (f"{each.field}: {each.description}" for each in bad.field_violations)


def error_from(code: grpc.StatusCode, details: str | None) -> RecogniserError:
    """Convert a call's status to a RecogniserError."""
    return RecogniserError(code.name, (details or "no details")[:_LONGEST_WORDS])


def error_of_ended(call: Any) -> RecogniserError:
    """Convert the status of an asyncio call that has ended to a RecogniserError."""
    error = error_from(_settled(call.code()), _settled(call.details()))
    return _with_violations(error, _settled(call.trailing_metadata()))


def error_of_key(problem: google.auth.exceptions.GoogleAuthError) -> RecogniserError:
    """Convert google-auth's complaint about the key to a RecogniserError."""
    # google-auth's own words may quote what it was given: only the kind of the problem is passed on.
    words = f"no usable Google credentials ({type(problem).__name__}): see GOOGLE_APPLICATION_CREDENTIALS"
    return RecogniserError("UNAUTHENTICATED", words)


def _final(portion: Any, clean: Clean, api: ApiVersion, stamps: Stamps | None) -> Result:
    best = portion.alternatives[0]
    end = position(api.end_of(portion))
    text = visible(clean(best.transcript))
    final = Result(text, True, end, confidence=best.confidence, stamps=stamps, source=STREAMING)
    final = replace(final, others=_others(portion, clean), language=portion.language_code)
    return _with_words(final, words_of(_own_words(best), clean, api))


def _others(portion: Any, clean: Clean) -> tuple[OtherReading, ...]:
    """Return the readings of a portion behind the best."""
    others = (
        OtherReading(visible(clean(each.transcript.strip())), each.confidence) for each in portion.alternatives[1:]
    )
    return tuple(each for each in others if each.text)


def _own_words(alternative: Any) -> Sequence[Any]:
    """Return the last words, as many as the text has: with diarisation each final lists the stream's words so far.

    Source: SpeechRecognitionAlternative.words.
    """
    count = len(alternative.transcript.split())
    words: Sequence[Any] = alternative.words
    return words[-count:] if len(words) > count > 0 else words


def _partial(interims: Sequence[Any], clean: Clean, api: ApiVersion, stamps: Stamps | None) -> Result:
    text = visible(clean("".join(portion.alternatives[0].transcript for portion in interims)))
    end = position(api.end_of(interims[-1]))
    return Result(text, False, end, stability=interims[0].stability, stamps=stamps)


def _all_words(portions: Iterable[Any], clean: Clean, api: ApiVersion) -> tuple[RecognisedWord, ...]:
    best = [portion.alternatives[0] for portion in portions]
    if not all(alternative.words for alternative in best if visible(alternative.transcript)):
        return ()
    return words_of(chain.from_iterable(alternative.words for alternative in best), clean, api)


def _with_words(final: Result, words: tuple[RecognisedWord, ...]) -> Result:
    return replace(final, start=words[0].start, words=words) if words else final


def _span(start: Any, end: Any, *, is_first: bool) -> tuple[int, int] | None:
    # A start of zero may be left out, and only the first word can have one.
    if end is None or (start is None and not is_first):
        return None
    return 0 if start is None else position(start), position(end)


def _settled(coroutine: Any) -> Any:
    """Return the value of `coroutine`, which must complete without waiting."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a call that is done has its status")
