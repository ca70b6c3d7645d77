from hypothesis import given
from hypothesis import strategies as st

from voicestt.recognisers.whisper.engine.port import TimedWord, word_times_in


def test_words_are_as_long_as_their_share_of_the_letters() -> None:
    assert word_times_in("a bb  c", [(1_000, 1_400)]) == (
        TimedWord("a", 1_000, 1_100),
        TimedWord("bb", 1_100, 1_300),
        TimedWord("c", 1_300, 1_400),
    )


def test_what_lies_between_two_stretches_is_left_out() -> None:
    assert word_times_in("a b", [(0, 100), (900, 1_000)]) == (
        TimedWord("a", 0, 100),
        TimedWord("b", 900, 1_000),
    )


def test_a_word_may_go_on_behind_a_pause() -> None:
    assert word_times_in("abc d", [(0, 200), (900, 1_100)]) == (
        TimedWord("abc", 0, 1_000),
        TimedWord("d", 1_000, 1_100),
    )


def test_nothing_has_no_place() -> None:
    assert word_times_in("  ", [(0, 100)]) == ()
    assert word_times_in("a", []) == ()


STRETCHES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=5)


@given(st.text(st.sampled_from("ab ש "), max_size=40), STRETCHES)
def test_all_words_are_there_in_order_and_within_the_speech(text: str, steps: list[tuple[int, int]]) -> None:
    at, stretches = 0, []
    for pause, length in steps:
        stretches.append((at + pause, at + pause + length))
        at += pause + length
    words = word_times_in(text, stretches)
    assert [word.text for word in words] == text.split()
    assert all(stretches[0][0] <= word.start <= word.end <= stretches[-1][1] for word in words)
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert [word.end for word in words] == sorted(word.end for word in words)
