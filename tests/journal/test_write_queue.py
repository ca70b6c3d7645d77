import weakref

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.journal.made import Call
from voicestt.journal.write_queue import Entry, LateFacts, WriteQueue, size_of


def final() -> Entry[object]:
    return Entry(Call().final(), None, 0.0)


def partial() -> Entry[object]:
    return Entry(Call().partial(), None, 0.0)


def test_it_gives_back_what_it_got_in_order() -> None:
    waiting, entries = WriteQueue[object](), [final() for _ in range(5)]
    assert [waiting.put(entry) for entry in entries] == [[]] * 5
    assert len(waiting) == 5
    assert waiting.take(3) + waiting.take(3) + waiting.take(3) == entries


def test_partials_go_first() -> None:
    waiting = WriteQueue[object](most=10)
    finals, partials = [final() for _ in range(6)], [partial() for _ in range(4)]
    for entry in finals[:3] + partials + finals[3:]:
        assert waiting.put(entry) == []
    one_more = final()
    assert waiting.put(one_more) == partials
    assert waiting.take(99) == [*finals, one_more]
    assert waiting.dropped == 4


def test_then_the_oldest_of_the_others_go_a_bunch_at_a_time() -> None:
    waiting = WriteQueue[object](most=100)
    entries = [Entry(None, None, 0.0), *(final() for _ in range(100))]
    gone = [waiting.put(entry) for entry in entries]
    assert gone[:-1] == [[]] * 100
    assert gone[-1] == entries[:5]
    assert waiting.take(200) == entries[5:]


@given(st.integers(1, 50), st.lists(st.sampled_from(["final", "partial", "take"]), max_size=300))
def test_nothing_is_lost_unsaid_and_order_stays(most: int, steps: list[str]) -> None:
    waiting = WriteQueue[object](most)
    put: list[Entry[object]] = []
    gone: list[Entry[object]] = []
    taken: list[Entry[object]] = []
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
    long = [Entry[object](Call().final("x" * 10_000), None, 0.0) for _ in range(100)]
    waiting = WriteQueue[object](most_bytes=500_000)
    gone = [each for entry in long for each in waiting.put(entry)]
    assert waiting.dropped == len(gone) > 80
    assert waiting.bytes <= 500_000 + size_of(long[0].event)
    assert [*gone, *waiting.take(100)] == long
    assert waiting.bytes == 0


def test_partials_go_before_finals_where_bytes_are_short() -> None:
    waiting = WriteQueue[object](most_bytes=20_000)
    partials, finals = [partial() for _ in range(5)], [final() for _ in range(20)]
    gone = [each for entry in partials + finals for each in waiting.put(entry)]
    assert gone[:5] == partials


class Fact:
    """Something whose end can be seen."""


def watched(lateness: LateFacts[object], clock: Clock, fact: object) -> Entry[object]:
    entry = Entry(None, fact, clock.seconds())
    lateness.watch(entry)
    return entry


def test_who_waits_for_two_seconds_is_told_once_and_in_order(clock: Clock) -> None:
    told: list[list[object]] = []
    lateness = LateFacts[object](clock, told.append)
    lateness.start()
    one, two = watched(lateness, clock, "one"), watched(lateness, clock, "two")
    clock.pump([0.25] * 4)
    three = watched(lateness, clock, "three")
    clock.pump([0.25] * 3)
    assert told == []
    clock.pump([0.25] * 2)
    assert told == [["one", "two"]]
    assert (one.was_late, two.was_late, three.was_late) == (True, True, False)
    clock.pump([0.25] * 20)
    assert told == [["one", "two"], ["three"]]
    lateness.stop()
    assert clock.getDelayedCalls() == []


def test_who_is_written_in_time_is_not(clock: Clock) -> None:
    told: list[list[object]] = []
    lateness = LateFacts[object](clock, told.append)
    lateness.start()
    one, _two = watched(lateness, clock, "one"), watched(lateness, clock, "two")
    one.is_over = True
    clock.pump([0.25] * 10)
    assert told == [["two"]]
    lateness.stop()


def test_all_can_be_told_at_once_and_it_knows_who_waits(clock: Clock) -> None:
    told: list[list[object]] = []
    lateness = LateFacts[object](clock, told.append)
    one, two = watched(lateness, clock, "one"), watched(lateness, clock, "two")
    lateness.tell_all()
    three = watched(lateness, clock, "three")
    assert lateness.waiting() == [one, two, three]
    one.is_over = True
    lateness.tell_all()
    assert told == [["one", "two"], ["three"]]
    assert lateness.waiting() == [two, three]


def test_stopping_what_never_began_is_allowed(clock: Clock) -> None:
    LateFacts(clock, print).stop()


def test_those_that_are_over_are_let_go_wherever_they_stand(clock: Clock) -> None:
    told: list[list[object]] = []
    lateness = LateFacts[object](clock, told.append)
    late = [watched(lateness, clock, Fact()) for _ in range(3)]
    lateness.tell_all()
    told.clear()
    fresh = [watched(lateness, clock, Fact()) for _ in range(3)]
    gone = [weakref.ref(each.fact) for each in (late[1], fresh[1])]
    late[1].is_over = fresh[1].is_over = True
    lateness.forget()
    assert lateness.waiting() == [late[0], late[2], fresh[0], fresh[2]]
    del late[1], fresh[1]
    assert [each() for each in gone] == [None, None]  # their memory is free, though others before them wait
    clock.advance(2)
    lateness.look()
    assert told == [[fresh[0].fact, fresh[1].fact]]


def test_what_has_no_fact_is_late_without_a_word(clock: Clock) -> None:
    told: list[list[object]] = []
    lateness = LateFacts[object](clock, told.append)
    ends = [watched(lateness, clock, None) for _ in range(2)]  # of calls of a server that is gone
    lateness.tell_all()
    assert told == []
    assert all(end.was_late for end in ends)
    assert lateness.waiting() == ends
    watched(lateness, clock, "one")
    watched(lateness, clock, None)
    lateness.tell_all()
    assert told == [["one"]]
