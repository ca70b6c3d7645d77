from hypothesis import given
from hypothesis import strategies as st

from tests.journal.made import Call
from voicestt.journal.waiting import Entry, WriteQueue, size_of


def final() -> Entry:
    return Entry(Call().final(), None, 0.0)


def partial() -> Entry:
    return Entry(Call().partial(), None, 0.0)


def test_it_gives_back_what_it_got_in_order() -> None:
    waiting, entries = WriteQueue(), [final() for _ in range(5)]
    assert [waiting.put(entry) for entry in entries] == [[]] * 5
    assert len(waiting) == 5
    assert waiting.take(3) + waiting.take(3) + waiting.take(3) == entries


def test_partials_go_first() -> None:
    waiting = WriteQueue(most=10)
    finals, partials = [final() for _ in range(6)], [partial() for _ in range(4)]
    for entry in finals[:3] + partials + finals[3:]:
        assert waiting.put(entry) == []
    one_more = final()
    assert waiting.put(one_more) == partials
    assert waiting.take(99) == [*finals, one_more]
    assert waiting.dropped == 4


def test_then_the_oldest_of_the_others_go_a_bunch_at_a_time() -> None:
    waiting = WriteQueue(most=100)
    entries = [Entry(None, None, 0.0), *(final() for _ in range(100))]
    gone = [waiting.put(entry) for entry in entries]
    assert gone[:-1] == [[]] * 100
    assert gone[-1] == entries[:5]
    assert waiting.take(200) == entries[5:]


@given(st.integers(1, 50), st.lists(st.sampled_from(["final", "partial", "take"]), max_size=300))
def test_nothing_is_lost_unsaid_and_order_stays(most: int, steps: list[str]) -> None:
    waiting = WriteQueue(most)
    put: list[Entry] = []
    gone: list[Entry] = []
    taken: list[Entry] = []
    for step in steps:
        if step == "take":
            taken += waiting.take(7)
        else:
            put.append(final() if step == "final" else partial())
            gone += waiting.put(put[-1])
        assert len(waiting) <= most
    taken += waiting.take(most)
    assert [entry for entry in put if entry not in gone] == taken
    assert len(gone) == waiting.dropped


def test_what_waits_is_bounded_in_bytes_too() -> None:
    long = [Entry(Call().final("x" * 10_000), None, 0.0) for _ in range(100)]
    waiting = WriteQueue(most_bytes=500_000)
    gone = [each for entry in long for each in waiting.put(entry)]
    assert waiting.dropped == len(gone) > 80
    assert waiting.bytes <= 500_000 + size_of(long[0].event)
    assert [*gone, *waiting.take(100)] == long
    assert waiting.bytes == 0


def test_partials_go_before_finals_where_bytes_are_short() -> None:
    waiting = WriteQueue(most_bytes=20_000)
    partials, finals = [partial() for _ in range(5)], [final() for _ in range(20)]
    gone = [each for entry in partials + finals for each in waiting.put(entry)]
    assert gone[:5] == partials
