import weakref

from twisted.internet.task import Clock

from voicestt.journal.lateness import LateFacts
from voicestt.journal.waiting import Entry


class Fact:
    """Something whose end can be seen."""


def watched(lateness: LateFacts, clock: Clock, fact: object) -> Entry:
    entry = Entry(None, fact, clock.seconds())
    lateness.watch(entry)
    return entry


def test_who_waits_for_two_seconds_is_told_once_and_in_order(clock: Clock) -> None:
    told: list[list[object]] = []
    lateness = LateFacts(clock, told.append)
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
    lateness = LateFacts(clock, told.append)
    lateness.start()
    one, _two = watched(lateness, clock, "one"), watched(lateness, clock, "two")
    one.is_over = True
    clock.pump([0.25] * 10)
    assert told == [["two"]]
    lateness.stop()


def test_all_can_be_told_at_once_and_it_knows_who_waits(clock: Clock) -> None:
    told: list[list[object]] = []
    lateness = LateFacts(clock, told.append)
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
    lateness = LateFacts(clock, told.append)
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
    lateness = LateFacts(clock, told.append)
    ends = [watched(lateness, clock, None) for _ in range(2)]  # of calls of a server that is gone
    lateness.tell_all()
    assert told == []
    assert all(end.was_late for end in ends)
    assert lateness.waiting() == ends
    watched(lateness, clock, "one")
    watched(lateness, clock, None)
    lateness.tell_all()
    assert told == [["one"]]
