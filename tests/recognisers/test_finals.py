"""Finals as services give them: without ends, with wrong ones, twice."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voicestt.recognisers.finals import StreamFinals, ToldFinals
from voicestt.recognisers.port import RecognisedWord, Result

SECOND = 8_000


def said(text: str, end: int = 0, *words: RecognisedWord) -> Result:
    return Result(text, True, end, start=words[0].start if words else None, words=words)


class Stream:
    """The finals of a stream, each heard when so much was sent."""

    def __init__(self, start: int = 0, told: ToldFinals | None = None) -> None:
        self.told = told or ToldFinals()
        self._finals = StreamFinals(start, self.told)

    def partial(self, end: int, sent: int) -> None:
        self._finals.partial(Result("something", False, end), sent, max(0, sent - SECOND))

    def final(self, final: Result, sent: int, sent_before: int | None = None) -> int | None:
        """Its end; None if it was told before."""
        placed = self._finals.final(final, sent, max(0, sent - SECOND) if sent_before is None else sent_before)
        return None if placed is None else placed.end


def test_a_final_without_an_end_reaches_to_its_last_word() -> None:
    final = said("one two", 0, RecognisedWord("one", 4_000, 8_000), RecognisedWord("two", 8_000, 12_000))
    assert Stream().final(final, 40_000) == 12_000


def test_else_to_where_the_latest_interim_reached() -> None:
    stream = Stream()
    stream.partial(9_000, 20_000)
    stream.partial(14_000, 24_000)
    assert stream.final(said("one two"), 40_000) == 14_000


def test_else_to_what_was_sent_a_second_before_it_came_and_never_to_everything() -> None:
    stream = Stream()
    assert stream.final(said("one two"), 40_000, 32_000) == 32_000
    assert stream.final(said("three"), 44_000, 30_000) == 32_000


def test_interims_before_the_last_final_say_nothing_of_the_next() -> None:
    stream = Stream()
    stream.partial(30_000, 32_000)
    assert stream.final(said("one", 24_000), 32_000) == 24_000
    assert stream.final(said("two"), 60_000, 52_000) == 52_000


def test_a_final_without_a_text_covers_as_one_with_a_text_does() -> None:
    stream = Stream()
    assert stream.final(said(""), 40_000, 32_000) == 32_000
    assert stream.final(said("", 36_000), 44_000) == 36_000


def test_an_end_near_zero_or_beyond_what_was_sent_is_not_believed() -> None:
    assert Stream().final(said("one two three", 80), 40_000) == 32_000
    assert Stream().final(said("one two three", 99_000), 40_000) == 32_000
    assert Stream().final(said("one two three", 40_100), 40_000) == 40_000


def test_an_end_that_goes_backwards_is_not_believed_and_its_words_are_told() -> None:
    stream = Stream()
    assert stream.final(said("one two", 30_000), 34_000) == 30_000
    assert stream.final(said("three", 20_000), 50_000) == 42_000


def test_the_same_final_at_once_is_told_once() -> None:
    for end in (0, 30_000, 80):
        stream = Stream()
        assert stream.final(said("one two", end), 34_000) is not None
        assert stream.final(said("one two", end), 35_200) is None


def test_the_same_final_late_is_told_once() -> None:
    stream = Stream()
    stream.final(said("one two", 30_000), 34_000)
    stream.final(said("three", 60_000), 64_000)
    assert stream.final(said("one two", 30_000), 80_000) is None
    assert stream.final(said("one two", 30_800), 80_000) is None


def test_who_says_the_same_again_is_heard_again() -> None:
    stream = Stream()
    assert stream.final(said("yes", 10_000), 14_000) == 10_000
    assert stream.final(said("yes", 16_000), 17_000) == 16_000
    assert stream.final(said("no"), 40_000) is not None
    assert stream.final(said("no"), 60_000) is not None


def test_the_same_final_after_a_failure_is_told_once() -> None:
    told = ToldFinals()
    Stream(0, told).final(said("one two", 30_000), 34_000)
    assert Stream(30_000, told).final(said("one two", 30_000), 31_200) is None
    assert Stream(30_000, told).final(said("one two", 30_000), 90_000) is None
    assert Stream(30_000, told).final(said("one two", 12_000), 60_000) == 42_000


def test_after_a_failure_words_whose_end_nobody_knew_are_told_once() -> None:
    told = ToldFinals()
    assert Stream(0, told).final(said("one two"), 40_000, 32_000) == 32_000
    successor = Stream(32_000, told)
    successor.partial(4_000, 44_000)
    assert successor.final(said("one two", 6_000), 48_000) is None


TEXTS = st.sampled_from(["one", "two three", "four five six", "", "one"])
ENDS = st.integers(-1_000, 100_000) | st.sampled_from([0, 1, 80, 10**9])
WORDS = st.lists(st.builds(RecognisedWord, st.just("w"), ENDS, ENDS), max_size=3)
ANSWERS = st.lists(st.tuples(TEXTS, ENDS, WORDS, st.booleans(), st.integers(0, 20_000)), max_size=20)


@given(st.integers(0, 50_000), ANSWERS)
def test_whatever_is_answered_finals_are_in_order_and_of_what_was_sent(start: int, answers: list) -> None:  # type: ignore[type-arg]
    finals, told = StreamFinals(start, ToldFinals()), []
    sent = before = start
    for text, end, words, is_final, more in answers:
        before, sent = sent, sent + more
        if not is_final:
            assert start <= finals.partial(Result(text, False, end), sent, before).end <= sent
            continue
        placed = finals.final(said(text, end, *words), sent, before)
        if placed is not None:
            told.append(placed)
            assert start <= placed.end <= sent
            assert all(start <= word.start <= placed.end and word.end <= placed.end for word in placed.words)
            assert placed.start is None or placed.start <= placed.end
    for first, second in pairwise(told):
        assert first.end <= second.end
        assert second.start is None or second.start >= first.end
