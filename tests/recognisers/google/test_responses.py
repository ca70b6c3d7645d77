from typing import Any

import grpc
import pytest
from google.cloud.speech_v1 import types
from google.cloud.speech_v1 import types as v1
from google.cloud.speech_v2 import types as v2
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

from voicestt.recognisers.google.api import GOOGLE_V1, ApiV2, ApiVersion
from voicestt.recognisers.google.responses import (
    error_of,
    error_of_ended,
    position,
    results_of,
    utterance_of,
    words_of,
)
from voicestt.recognisers.port import OtherReading, RecognisedWord, RecogniserError, Result
from voicestt.recognisers.punctuation import unchanged, without_punctuation

Response = types.StreamingRecognizeResponse.pb()
RecogniseResponse = types.RecognizeResponse.pb()


def portion(text: str | None, *, final: bool = False, end: float = 0.0, **more: Any) -> dict[str, Any]:
    """A result of Google's."""
    best = {"transcript": text, "confidence": more.pop("confidence", 0.0), "words": more.pop("words", ())}
    alternatives = [] if text is None else [best, {"transcript": "other"}]
    return {"alternatives": alternatives, "is_final": final, "result_end_time": time(end), **more}


def time(seconds: float) -> dict[str, int]:
    whole = int(seconds)
    return {"seconds": whole, "nanos": round((seconds - whole) * 1_000_000_000)}


def word(text: str, start: float, end: float) -> dict[str, Any]:
    """A WordInfo of v1's."""
    return {"word": text, "start_time": time(start), "end_time": time(end)}


def heard(*portions: dict[str, Any], **more: Any) -> list[Result]:
    return results_of(Response(results=portions, **more))


def test_a_partial() -> None:
    assert heard(portion("שלום", end=1.5, stability=0.5)) == [Result("שלום", False, 12_000, stability=0.5)]


def test_a_final() -> None:
    (result,) = heard(portion("שלום לך", final=True, end=2.25, confidence=0.5))
    others = (OtherReading("other"),)
    assert result == Result("שלום לך", True, 18_000, confidence=0.5, source="google-streaming", others=others)


def test_a_final_with_its_words_starts_with_the_first() -> None:
    words = [word("שלום,", 0.5, 1.0), word("לך.", 1.0, 2.0)]
    response = Response(results=[portion("שלום, לך.", final=True, end=2.25, words=words)])
    (result,) = results_of(response, clean_final=without_punctuation)
    assert (result.text, result.start, result.end) == ("שלום לך", 4_000, 18_000)
    assert result.words == (RecognisedWord("שלום", 4_000, 8_000), RecognisedWord("לך", 8_000, 16_000))


def test_a_final_whose_words_cannot_be_right_has_none_and_no_start() -> None:
    (result,) = heard(portion("a b", final=True, end=2, words=[word("a", 1, 2), word("b", 0.5, 1)]))
    assert (result.text, result.start, result.words) == ("a b", None, ())


def test_a_partial_has_no_words_even_if_google_gives_some() -> None:
    (result,) = heard(portion("a", end=2, words=[word("a", 1, 2)]))
    assert (result.start, result.words, result.source) == (None, (), "")


def test_the_interims_of_a_response_are_one_partial() -> None:
    (result,) = heard(portion("how are", end=1, stability=0.75), portion(" you today", end=2, stability=0.25))
    assert result == Result("how are you today", False, 16_000, stability=0.75)


def test_a_final_and_what_comes_after_it_are_two_results_in_order() -> None:
    results = heard(portion("first", final=True, end=1), portion(" sec", end=1.25), portion("ond", end=1.5))
    assert [(result.text, result.is_final, result.end) for result in results] == [
        ("first", True, 8_000),
        (" second", False, 12_000),
    ]


def test_leading_spaces_are_kept() -> None:
    assert heard(portion(" and more"))[0].text == " and more"


@pytest.mark.parametrize("portions", [[], [portion(None)], [portion(None, final=True)]])
def test_a_response_without_words_has_no_results(portions: list[dict[str, Any]]) -> None:
    assert heard(*portions) == []
    assert heard(*portions, speech_event_type=1) == []


@pytest.mark.parametrize(
    ("seconds", "position"), [(0.0, 0), (0.000125, 1), (1.0, 8_000), (304.98, 2_439_840), (86_400.5, 691_204_000)]
)
def test_the_end_is_a_position_in_bytes(seconds: float, position: int) -> None:
    assert heard(portion("x", final=True, end=seconds))[0].end == position


def test_texts_are_cleaned_by_their_kind() -> None:
    response = Response(results=[portion("a", final=True), portion("b")])
    results = results_of(response, clean_partial=str.upper, clean_final=lambda text: text + ".")
    assert [result.text for result in results] == ["a.", "B"]


@pytest.mark.parametrize(("code", "status"), [(11, "OUT_OF_RANGE"), (3, "INVALID_ARGUMENT"), (99, "UNKNOWN")])
def test_an_error_inside_a_response_is_raised(code: int, status: str) -> None:
    with pytest.raises(RecogniserError) as caught:
        heard(portion("lost"), error={"code": code, "message": "Audio Timeout Error"})
    assert (caught.value.status, caught.value.details) == (status, "Audio Timeout Error")
    assert str(caught.value) == f"{status}: Audio Timeout Error"


def utterance(*texts: str | None) -> Result | None:
    parts = [portion(text, confidence=0.25 * number) for number, text in enumerate(texts, 2)]
    for part in parts:
        del part["is_final"]
    return utterance_of(RecogniseResponse(results=parts), lambda text: text + ".")


def test_the_results_of_a_recording_are_one_utterance() -> None:
    source = "google-recognize"
    assert utterance(" how are", " you") == Result("how are you.", True, confidence=0.5, source=source)
    others = (OtherReading("other."),)
    assert utterance("how", None) == Result("how.", True, confidence=0.5, source=source, others=others)


def test_a_recording_s_words_are_those_of_its_results() -> None:
    first, second = [word("how", 0.5, 1), word("are", 1, 1.5)], [word("you", 2, 2.5)]
    parts = [portion(" how are", words=first), portion(" you", words=second), portion("", words=())]
    for part in parts:
        del part["is_final"]
    result = utterance_of(RecogniseResponse(results=parts))
    assert result is not None
    assert (result.text, result.start) == ("how are you", 4_000)
    assert [one.text for one in result.words] == ["how", "are", "you"]
    assert result.words[-1] == RecognisedWord("you", 16_000, 20_000)


def test_a_recording_with_the_words_of_some_results_only_has_none() -> None:
    parts = [portion("how are", words=[word("how", 0.5, 1)]), portion(" you")]
    for part in parts:
        del part["is_final"]
    result = utterance_of(RecogniseResponse(results=parts))
    assert result is not None
    assert (result.start, result.words) == (None, ())


@pytest.mark.parametrize("texts", [[], [None], ["", " "]])
def test_a_recording_without_words_is_no_utterance(texts: list[str | None]) -> None:
    assert utterance(*texts) is None


class Ended(grpc.RpcError):
    def __init__(self, details: str | None) -> None:
        self._details = details

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str | None:
        return self._details


@pytest.mark.parametrize(
    ("details", "words"), [("no route", "no route"), (None, "no details"), ("x" * 999, "x" * 300)]
)
def test_an_error_of_grpc_s_is_its_status_and_the_server_s_words(details: str | None, words: str) -> None:
    error = error_of(Ended(details))
    assert (error.status, error.details) == ("UNAVAILABLE", words)


def test_a_call_that_has_ended_names_the_fields_that_google_refuses_as_its_error_does() -> None:
    refused = Status(code=3, message="Config contains unsupported fields.")
    field = BadRequest.FieldViolation(field="features.diarization_config", description="not supported")
    refused.details.add().Pack(BadRequest(field_violations=[field]))

    class EndedCall:
        async def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.INVALID_ARGUMENT

        async def details(self) -> str:
            return "Config contains unsupported fields."

        async def trailing_metadata(self) -> list[tuple[str, bytes]]:
            return [("x", b"y"), ("grpc-status-details-bin", refused.SerializeToString())]

    error = error_of_ended(EndedCall())
    words = "Config contains unsupported fields. (features.diarization_config: not supported)"
    assert (error.status, error.details) == ("INVALID_ARGUMENT", words)


@pytest.mark.parametrize("text", ["\u200f", "\u200e\u200f ", "\u2067\u2069", "\u200d", " \u00a0", "\ufeff"])
def test_a_final_of_nothing_that_can_be_seen_has_no_text(text: str) -> None:
    assert [result.text for result in heard(portion(text, final=True, end=1))] == [""]
    assert [result.text for result in heard(portion(text, end=1))] == [""]
    assert utterance(text) is None


def test_direction_marks_within_a_text_stay() -> None:
    assert heard(portion("\u200fשלום", final=True, end=1))[0].text == "\u200fשלום"


GOOGLE_V2 = ApiV2("mine")
Told = tuple[str, float | None, float | None]
Time = dict[str, int] | None


def duration(seconds: float | None) -> Time:
    if seconds is None:
        return None
    whole, nanos = divmod(round(seconds * 1_000_000_000), 1_000_000_000)
    return {"seconds": whole, "nanos": nanos}


def info_v1(text: str, start: Time, end: Time) -> Any:
    return v1.WordInfo.pb()(word=text, start_time=start, end_time=end)


def info_v2(text: str, start: Time, end: Time) -> Any:
    return v2.WordInfo.pb()(word=text, start_offset=start, end_offset=end)


INFOS = {GOOGLE_V1: info_v1, GOOGLE_V2: info_v2}

both = pytest.mark.parametrize("api", list(INFOS), ids=["v1", "v2"])


def words(api: ApiVersion, *told: Told, clean: Any = unchanged) -> tuple[RecognisedWord, ...]:
    """Convert words with times in seconds."""
    return words_of([INFOS[api](text, duration(start), duration(end)) for text, start, end in told], clean, api)


@both
def test_words_have_their_places_in_bytes(api: ApiVersion) -> None:
    assert words(api, ("שלום", 0.1, 0.5), ("לך", 0.5, 1.25), ("again", 3.0, 304.98)) == (
        RecognisedWord("שלום", 800, 4_000),
        RecognisedWord("לך", 4_000, 10_000),
        RecognisedWord("again", 24_000, 2_439_840),
    )


@both
def test_no_words_are_no_words(api: ApiVersion) -> None:
    assert words(api) == ()


@both
def test_a_start_of_zero_may_be_left_out(api: ApiVersion) -> None:
    assert words(api, ("a", None, 0.5), ("b", 0.5, 1)) == (
        RecognisedWord("a", 0, 4_000),
        RecognisedWord("b", 4_000, 8_000),
    )
    assert words(api, ("a", 0.0, 0.5)) == (RecognisedWord("a", 0, 4_000),)


@pytest.mark.parametrize(
    "told",
    [
        [("a", None, None), ("b", None, None)],
        [("a", 0.5, 1), ("b", None, None)],
        [("a", 0.5, 1), ("b", 1, None)],
        [("a", None, 1), ("b", None, 2)],
        [("a", 1, 0.5)],
        [("a", -1, 0.5)],
        [("a", 1, 2), ("b", 0.5, 2.5)],
        [("a", 1, 3), ("b", 2, 2.5)],
    ],
    ids=["no times", "one without", "no end", "no starts", "ends first", "negative", "starts back", "ends back"],
)
@both
def test_none_are_better_than_wrong_ones(api: ApiVersion, told: list[Told]) -> None:
    assert words(api, *told) == ()


@both
def test_words_may_touch_and_overlap(api: ApiVersion) -> None:
    assert len(words(api, ("a", 1, 2), ("b", 1.5, 2.5), ("c", 1.5, 2.5), ("d", 2.5, 2.5))) == 4


@both
def test_texts_are_cleaned_as_the_final_is_and_what_is_nothing_then_is_left_out(api: ApiVersion) -> None:
    told = [("Yes,", 0.5, 1.0), (".", 1.0, 1.0), (" 9:30 ", 1.5, 2.0)]
    assert words(api, *told, clean=without_punctuation) == (
        RecognisedWord("Yes", 4_000, 8_000),
        RecognisedWord("9:30", 12_000, 16_000),
    )


APIS = st.sampled_from(list(INFOS))
WILD = st.none() | st.fixed_dictionaries(
    {"seconds": st.integers(-(2**63), 2**63 - 1), "nanos": st.integers(-(2**31), 2**31 - 1)}
)
NEAR = st.none() | st.builds(duration, st.floats(0, 3))
INFO = st.tuples(st.text(max_size=4), *[WILD | NEAR] * 2) | st.tuples(st.text(max_size=4), NEAR, NEAR)


@given(APIS, st.lists(INFO, max_size=6), st.booleans())
def test_whatever_google_says_words_are_none_or_in_order(api: ApiVersion, told: list[Any], strips: bool) -> None:
    infos = [INFOS[api](text, start, end) for text, start, end in told]
    found = words_of(infos, without_punctuation if strips else unchanged, api)
    assert all(word.text.strip() == word.text != "" for word in found)
    assert all(0 <= word.start <= word.end for word in found)
    assert [word.start for word in found] == sorted(word.start for word in found)
    assert [word.end for word in found] == sorted(word.end for word in found)


SPOKEN = st.lists(st.tuples(st.integers(0, 8_000), st.integers(0, 8_000)), max_size=6)


@given(APIS, SPOKEN)
def test_words_in_order_are_where_google_says_to_the_byte(api: ApiVersion, steps: list[tuple[int, int]]) -> None:
    at, spoken = 0, []
    for pause, length in steps:
        spoken.append(RecognisedWord("word", at + pause, at + pause + length))
        at += pause + length
    told = [(word.text, word.start / 8_000, word.end / 8_000) for word in spoken]
    assert words(api, *told) == tuple(spoken)


@given(st.integers(0, 10**9))
def test_a_duration_is_a_position(samples: int) -> None:
    seconds, rest = divmod(samples, 8_000)
    info = info_v1("", None, {"seconds": seconds, "nanos": rest * 125_000})
    assert position(info.end_time) == samples
