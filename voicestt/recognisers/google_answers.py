"""What Google says, as results: one response can hold a final, and the beginning of what comes after it.

Source: cloud_speech.proto of google/cloud/speech/v1 and v2, StreamingRecognizeResponse: `results` are consecutive
portions of the audio, at most one final first, then interims, which belong together and are shown joined.
"""

from collections.abc import Callable, Iterable
from typing import Any

import grpc

from voicestt import mulaw
from voicestt.recogniser import RecogniserError, Result
from voicestt.recognisers.google_dialect import Dialect
from voicestt.recognisers.google_v1 import GOOGLE_V1

Clean = Callable[[str], str]

_STATUS_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
_LONGEST_WORDS = 300


def unchanged(text: str) -> str:
    """The text as it is."""
    return text


def results_of(
    response: Any,
    clean_partial: Clean = unchanged,
    clean_final: Clean = unchanged,
    api: Dialect = GOOGLE_V1,
) -> list[Result]:
    """The results in a raw StreamingRecognizeResponse, in order: finals, then one partial of all interims.

    Raises:
        RecogniserError: for an error inside the response, which gRPC does not raise.
    """
    trouble = api.trouble_in(response)
    if trouble is not None:
        raise RecogniserError(_STATUS_NAMES.get(trouble.code, "UNKNOWN"), trouble.message)
    portions = [portion for portion in response.results if portion.alternatives]
    results = [_final(portion, clean_final, api) for portion in portions if portion.is_final]
    interims = [portion for portion in portions if not portion.is_final]
    if interims:
        results.append(_partial(interims, clean_partial, api))
    return results


def utterance_of(response: Any, clean_final: Clean = unchanged) -> Result | None:
    """The final in a raw RecognizeResponse, whose results are portions of it; None if nothing was understood."""
    portions = [portion for portion in response.results if portion.alternatives]
    text = "".join(portion.alternatives[0].transcript for portion in portions).strip()
    if not text:
        return None
    confidence = min(portion.alternatives[0].confidence for portion in portions)
    return Result(clean_final(text), is_final=True, confidence=confidence)


def error_of(problem: grpc.RpcError) -> RecogniserError:
    """A call that failed, by gRPC's word for it and the server's own words."""
    return error_from(problem.code(), problem.details())


def error_from(code: grpc.StatusCode, details: str | None) -> RecogniserError:
    """The same of a call's status."""
    return RecogniserError(code.name, (details or "no details")[:_LONGEST_WORDS])


def _final(portion: Any, clean: Clean, api: Dialect) -> Result:
    best = portion.alternatives[0]
    return Result(clean(best.transcript), True, _end(api.end_of(portion)), confidence=best.confidence)


def _partial(interims: Iterable[Any], clean: Clean, api: Dialect) -> Result:
    interims = list(interims)
    text = "".join(portion.alternatives[0].transcript for portion in interims)
    return Result(clean(text), False, _end(api.end_of(interims[-1])), stability=interims[0].stability)


def _end(end: Any) -> int:
    return int(end.seconds * mulaw.BYTES_PER_SECOND + end.nanos * mulaw.BYTES_PER_SECOND // 1_000_000_000)
