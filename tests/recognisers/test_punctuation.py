import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.recognisers.punctuation import visible, without_punctuation


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Hello, how are you?", "Hello how are you"),
        ("שלום, מה שלומך?", "שלום מה שלומך"),
        ("well... yes!", "well yes"),
        ("half past 9:30.", "half past 9:30"),
        ("3.14 is enough", "3.14 is enough"),
        ("צה״ל", "צה״ל"),
        ("don't", "don't"),
        (" leading spaces, too", " leading spaces too"),
        ("", ""),
    ],
)
def test_marks_after_words_are_taken_off(said: str, left: str) -> None:
    assert without_punctuation(said) == left


@given(st.text(alphabet="ab1 .,?!:"))
def test_nothing_but_marks_is_lost_and_once_is_enough(text: str) -> None:
    left = without_punctuation(text)
    assert [letter for letter in left if letter not in ".,?!:"] == [
        letter for letter in text if letter not in ".,?!:"
    ]
    assert without_punctuation(left) == left


def test_a_text_of_nothing_that_can_be_seen_is_none() -> None:
    assert [visible(text) for text in ("\u200f ", "\u2067\u2069", "\u200d", "\n", "")] == [""] * 5
    assert visible(" \u200fשלום") == " \u200fשלום"
