from typing import Any

import pytest
from google.cloud.speech_v1 import types as v1
from google.cloud.speech_v2 import types as v2
from hypothesis import given
from hypothesis import strategies as st

from voicestt.recognisers.google.api import ApiVersion
from voicestt.recognisers.google.responses import unchanged
from voicestt.recognisers.google.v1 import GOOGLE_V1
from voicestt.recognisers.google.v2 import ApiV2
from voicestt.recognisers.google.words import position, words_of
from voicestt.recognisers.port import RecognisedWord
from voicestt.recognisers.punctuation import without_punctuation

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
    """Of words with times in seconds."""
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
