import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.ops.demo.word_errors import WordErrors, distance, words_of

WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mr. Dashwood, then?", ["mister", "dashwood", "then"]),
        ("go forward 10 meters", ["go", "forward", "ten", "meters"]),
        ("21 40 7 100", ["twenty", "one", "forty", "seven", "100"]),
        ("ill-disposed", ["ill", "disposed"]),
        ("don’t", ["don't"]),
        ("שלום, לך!", ["שלום", "לך"]),
        ("٣", ["٣"]),
        ("...", []),
    ],
)
def test_only_words_count(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("spoken", "heard", "wrong"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "A, b: C!", 0),
        ("a b c", "a c", 1),
        ("a b c", "a x c", 1),
        ("a b c", "a b b c", 1),
        ("a b c", "", 3),
        ("", "a", 1),
    ],
)
def test_each_wrong_missing_or_invented_word_counts_once(spoken: str, heard: str, wrong: int) -> None:
    assert WordErrors.between(spoken, heard).wrong == wrong


@given(WORDS, WORDS, WORDS)
def test_the_distance_is_a_distance(first: list[str], second: list[str], third: list[str]) -> None:
    assert distance(first, first) == 0
    assert distance(first, second) == distance(second, first) >= abs(len(first) - len(second))
    assert distance(first, third) <= distance(first, second) + distance(second, third)


def test_rates_add_up_by_words() -> None:
    total = WordErrors.between("a b c", "a") + WordErrors.between("d", "d")
    assert total == WordErrors(2, 4)
    assert total.rate == 0.5
    assert WordErrors().rate == 0
    assert WordErrors.between("", "made up").rate == 1
