import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.google import script
from voicestt.emulators.google.timeline import Timeline

ONCE = script.parse(
    '{"utterances": [{"text": "a b c", "start": 1, "end": 2}, {"text": "d", "start": 3, "end": 4}]}'
)
FOR_EVER = script.parse(
    '{"repeat": 5, "utterances": [{"text": "a b c", "start": 1, "end": 2}, {"text": "d", "start": 3, "end": 4}]}'
)


def test_words_lie_evenly_between_start_and_end() -> None:
    spoken = Timeline(ONCE).utterance(0)
    assert spoken is not None
    assert [spoken.word_start(index) for index in range(3)] == [8_000, 10_666, 13_333]
    assert [spoken.word_end(index) for index in range(3)] == [10_666, 13_333, 16_000]


def test_a_script_ends_or_begins_again() -> None:
    assert Timeline(ONCE).utterance(2) is None
    again = Timeline(FOR_EVER).utterance(2)
    assert again is not None
    assert (again.round, again.start) == (1, 6 * 8_000)


@pytest.mark.parametrize(("sample", "number"), [(0, 0), (15_999, 0), (16_000, 1), (32_000, 2), (48_000, 2)])
def test_the_first_utterance_that_ends_after_a_moment(sample: int, number: int) -> None:
    assert Timeline(FOR_EVER).first_ending_after(sample) == number


@given(st.integers(0, 10**7), st.integers(1, 10**6))
def test_what_lies_between_two_moments_touches_them(start: int, length: int) -> None:
    spoken = list(Timeline(FOR_EVER).between(start, start + length))
    assert all(one.start < start + length and one.end > start for one in spoken)
    assert [one.number for one in spoken] == list(
        range(spoken[0].number, spoken[0].number + len(spoken)) if spoken else []
    )
