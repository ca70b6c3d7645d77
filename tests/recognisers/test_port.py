from hypothesis import given
from hypothesis import strategies as st

from voicestt.recognisers.port import RecognisedWord, Result

FINAL = Result(
    "a b",
    True,
    900,
    confidence=0.5,
    start=100,
    words=(RecognisedWord("a", 100, 300), RecognisedWord("b", 400, 800)),
)


def test_all_positions_move_and_nothing_else_changes() -> None:
    assert FINAL.moved(1_000, 1_900, 1_000) == Result(
        "a b",
        True,
        1_900,
        confidence=0.5,
        start=1_100,
        words=(RecognisedWord("a", 1_100, 1_300), RecognisedWord("b", 1_400, 1_800)),
    )


def test_what_is_not_known_stays_so() -> None:
    assert Result("a", is_final=True).moved(1_000, 1_900, 1_000) == Result("a", True, 1_900)


def test_words_lie_within_what_the_final_is_about() -> None:
    placed = FINAL.moved(1_000, 1_700, 1_200)
    assert (placed.start, placed.end) == (1_200, 1_700)
    assert placed.words == (RecognisedWord("a", 1_200, 1_300), RecognisedWord("b", 1_400, 1_700))


POSITIONS = st.integers(-10, 2_000)


@given(st.lists(st.tuples(POSITIONS, POSITIONS), max_size=5), POSITIONS | st.none(), *[st.integers(0, 2_000)] * 3)
def test_whatever_is_said_the_start_is_not_behind_the_end(
    spans: list[tuple[int, int]], start: int | None, by: int, end: int, earliest: int
) -> None:
    ordered = sorted(spans)
    words = tuple(RecognisedWord("w", first, max(first, last)) for first, last in ordered)
    placed = Result("w", True, 0, start=start, words=words).moved(by, end, earliest)
    assert placed.end == end
    assert (placed.start is None) == (start is None)
    low = min(earliest, end)
    assert placed.start is None or low <= placed.start <= end
    assert all(low <= word.start <= word.end <= end for word in placed.words)
    assert [word.start for word in placed.words] == sorted(word.start for word in placed.words)
