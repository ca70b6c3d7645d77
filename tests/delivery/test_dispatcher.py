from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.delivery.fakes import record
from voicestt.delivery.dispatcher import InFlight
from voicestt.journal.port import Pending


def pending(session: str, sequence: int, number: int = 1, written_at: float = 0.0) -> Pending:
    return Pending(record(session, sequence, number), written_at)


def names(parcel: list[Pending]) -> list[str]:
    return [f"{each.record.session}{each.record.sequence}" for each in parcel]


@pytest.fixture
def stamps() -> list[int]:
    return []


@pytest.fixture
def hand(stamps: list[int]) -> InFlight:
    return InFlight(stamps.append)


def test_sessions_take_turns(hand: InFlight) -> None:
    hand.take([pending("a", 1, 1), pending("a", 2, 2), pending("b", 1, 3)], stamp=1)
    assert names(hand.parcel(1)) == ["a1"]
    hand.came_back("a", arrived=1)
    assert names(hand.parcel(1)) == ["b1"]
    assert names(hand.parcel(1)) == ["a2"]
    assert hand.parcel(1) == []


def test_a_large_parcel_is_of_many_sessions_in_the_order_they_were_written(hand: InFlight) -> None:
    hand.take([pending("a", 1, 1), pending("b", 1, 2), pending("a", 2, 3), pending("c", 1, 4)], stamp=1)
    assert names(hand.parcel(3)) == ["a1", "b1", "a2"]
    assert names(hand.parcel(3)) == ["c1"]


def test_what_failed_goes_first_when_it_is_due(hand: InFlight) -> None:
    hand.take([pending("a", 1, 1), pending("a", 2, 2)], stamp=1)
    parcel = hand.parcel(2)
    hand.came_back("a", arrived=0, failed=parcel, due=5.0)
    assert (hand.fresh, hand.held, hand.next_due, hand.events) == (0, 1, 5.0, 2)
    assert hand.held_parcel(2, now=4.9) == []
    assert names(hand.held_parcel(2, now=5.0)) == ["a1", "a2"]


def test_a_session_is_let_go_when_the_journal_knows(hand: InFlight, stamps: list[int]) -> None:
    hand.take([pending("a", 1), pending("a", 2)], stamp=7)
    hand.parcel(2)
    hand.came_back("a", arrived=2)
    hand.told("a")
    assert (list(hand.sessions), stamps) == (["a"], [])
    hand.told("a")
    assert (list(hand.sessions), stamps) == ([], [7])


def test_what_is_old_is_dropped_but_not_what_is_away(hand: InFlight, stamps: list[int]) -> None:
    hand.take([pending(session, 1, place) for place, session in enumerate("abc")], stamp=1)
    hand.take([pending("d", 1, 4), pending("d", 2, 5, written_at=9.0)], stamp=1)
    assert names(hand.parcel(1)) == ["a1"]
    assert sorted(names(hand.drop(written_before=5.0))) == ["b1", "c1", "d1"]
    assert (hand.fresh, hand.events) == (1, 1)
    for session in "bcd":
        hand.told(session)
    assert sorted(hand.sessions) == ["a", "d"]
    assert stamps == [1, 1]


class Hands(RuleBasedStateMachine):
    """Whatever is taken, sent, failed and told: a session's events leave in order, and none is lost."""

    @initialize()
    def begin(self) -> None:
        self.hand = InFlight(lambda _stamp: None)
        self.read = dict.fromkeys("abcd", 0)
        self.arrived: dict[str, list[int]] = {session: [] for session in "abcd"}
        self.away: list[list[Pending]] = []
        self.untold: list[str] = []
        self.now = 0.0

    @rule(counts=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3)))
    def take(self, counts: dict[str, int]) -> None:
        found = []
        for session, count in counts.items():
            if session not in self.hand.sessions:
                found += [pending(session, self.read[session] + each + 1) for each in range(count)]
                self.read[session] += count
        self.hand.take(found, 1)

    @rule(most=st.integers(1, 5), is_held=st.booleans())
    def send(self, most: int, is_held: bool) -> None:
        parcel = self.hand.held_parcel(most, self.now) if is_held else self.hand.parcel(most)
        if parcel:
            self.away.append(parcel)

    @precondition(lambda self: self.away)
    @rule(which=st.integers(0, 9), arrive=st.integers(0, 5), held=st.sampled_from([None, 0.0, 5.0]))
    def come_back(self, which: int, arrive: int, held: float | None) -> None:
        parcel = self.away.pop(which % len(self.away))
        for session in {each.record.session for each in parcel}:
            ours = [each for each in parcel if each.record.session == session]
            self.arrived[session] += [each.record.sequence for each in ours[:arrive]]
            self.untold += [session] * len(ours[:arrive])
            failed = [replace(each, attempts=each.attempts + 1) for each in ours[arrive:]]
            self.hand.came_back(session, len(ours[:arrive]), failed, None if held is None else self.now + held)

    @precondition(lambda self: self.untold)
    @rule()
    def tell(self) -> None:
        self.hand.told(self.untold.pop(0))

    @rule(seconds=st.floats(0, 10))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def all_due(self) -> None:
        self.hand.all_due(self.now)
        assert self.hand.next_due is None or self.hand.next_due <= self.now

    @invariant()
    def in_order_and_none_lost(self) -> None:
        for sequences in self.arrived.values():
            assert sequences == list(range(1, len(sequences) + 1))
        away = sum(len(parcel) for parcel in self.away)
        arrived = sum(len(sequences) for sequences in self.arrived.values())
        assert self.hand.events + away + arrived == sum(self.read.values())


TestHands = Hands.TestCase
TestHands.settings = settings(max_examples=100, stateful_step_count=40)


def test_calls_that_go_on_and_what_is_left_over_take_turns() -> None:
    hand = InFlight(lambda _stamp: None)
    old = [Pending(record(f"old{number}", 1, number), 0.0, is_current=False) for number in range(1, 4)]
    new = [Pending(record(f"new{number}", 1, number + 10), 0.0) for number in range(1, 4)]
    hand.take([*old, *new], 0)
    sent = [hand.parcel(1)[0].record.session for _ in range(6)]
    assert sent == ["new1", "old1", "new2", "old2", "new3", "old3"]
