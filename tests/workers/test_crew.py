import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voicestt.workers.crew import (
    LEFT_SECONDS,
    PAUSES,
    START_SECONDS,
    STEADY_SECONDS,
    TABLE,
    Action,
    Change,
    Crew,
    CrewGone,
    GiveUp,
    KillWorker,
    Phase,
    ReloadEnded,
    StartWorker,
    TellToLeave,
    WorkerDied,
)

LEAVE_SECONDS = 30.0


def crew(count: int = 2, *, ready: bool = True) -> Crew:
    """A crew whose workers have been started, and are ready."""
    made = Crew(count, LEAVE_SECONDS)
    made.begin(0.0)
    for name in made.names if ready else ():
        made.ready(name, 0.0)
    return made


def phases(of: Crew) -> dict[str, str]:
    return {name: member.phase.value for name, member in of.members.items()}


def test_the_table_has_every_state_and_every_change() -> None:
    assert TABLE.keys() == {(phase, change) for phase in Phase for change in Change}


def test_it_begins_with_as_many_as_are_wanted() -> None:
    assert Crew(3, 1.0).begin(0.0) == [StartWorker("1"), StartWorker("2"), StartWorker("3")]


def test_one_that_ends_before_any_is_ready_is_a_server_that_cannot_start() -> None:
    starting = crew(ready=False)
    assert starting.ended("1", 1.0) == [GiveUp("1")]
    assert starting.ended("2", 2.0) == [CrewGone()]


def test_one_that_dies_is_replaced_after_pauses_that_grow() -> None:
    it = crew()
    now = 1.0
    for failures in range(4):
        pause = PAUSES.pause(failures)
        assert it.ended("1", now) == [WorkerDied("1", pause)]
        assert it.look(now + pause - 0.01) == []
        now += pause
        assert it.next_look() == now
        assert it.look(now) == [StartWorker("1")]
        it.ready("1", now)
    assert it.restarts == 4


def test_one_that_dies_after_a_steady_time_is_replaced_as_soon_as_the_first() -> None:
    it = crew()
    for _ in range(3):
        it.ended("1", 1.0)
        it.look(100.0)
        it.ready("1", 100.0)
    assert it.ended("1", 100.0 + STEADY_SECONDS) == [WorkerDied("1", PAUSES.first)]


def test_a_reload_lets_the_old_ones_go_when_all_the_new_ones_are_ready() -> None:
    it = crew()
    assert it.reload(3, 5.0) == [StartWorker("3"), StartWorker("4"), StartWorker("5")]
    assert it.ready("3", 6.0) == []
    assert it.ready("5", 6.0) == []
    assert it.ready("4", 7.0) == [ReloadEnded(is_done=True), TellToLeave("1"), TellToLeave("2")]
    assert it.ended("1", 8.0) == []
    assert it.count == 3
    assert it.reload(1, 9.0) == [StartWorker("1")]


def test_a_reload_whose_workers_do_not_start_changes_nothing() -> None:
    it = crew()
    it.reload(2, 5.0)
    it.ready("3", 6.0)
    assert it.ended("4", 7.0) == [WorkerDied("4", None), ReloadEnded(is_done=False), TellToLeave("3")]
    assert phases(it) == {"1": "ready", "2": "ready", "3": "leaving"}
    assert it.ended("3", 8.0) == []
    assert it.next_look() is None


def test_what_dies_during_a_reload_that_fails_is_replaced() -> None:
    it = crew()
    it.reload(2, 5.0)
    assert it.ended("2", 6.0) == [WorkerDied("2", None)]
    it.ended("3", 7.0)
    assert StartWorker("2") in it.look(7.0 + PAUSES.first)


def test_a_reload_that_is_asked_for_during_another_follows_it() -> None:
    it = crew(1)
    it.reload(1, 5.0)
    assert it.reload(1, 5.5) == []
    assert it.ready("2", 6.0) == [ReloadEnded(is_done=True), TellToLeave("1"), StartWorker("3")]


def test_one_that_stops_though_nobody_told_it_is_replaced_soon() -> None:
    it = crew()
    assert it.leaves("2", 5.0) == [TellToLeave("2")]
    assert it.leaves("2", 5.0) == []
    assert it.look(5.0 + LEFT_SECONDS) == [StartWorker("3")]
    assert it.ended("2", 9.0) == []


def test_what_takes_too_long_is_killed() -> None:
    it = crew(1, ready=False)
    assert it.next_look() == START_SECONDS
    assert it.look(START_SECONDS) == [KillWorker("1", Phase.STARTING)]
    it = crew(1)
    it.stop(10.0)
    assert it.look(10.0 + LEAVE_SECONDS) == [KillWorker("1", Phase.LEAVING)]


def test_a_stop_is_over_when_the_last_is_gone_and_nothing_is_started_any_more() -> None:
    it = crew()
    it.ended("2", 1.0)
    it.reload(2, 1.0)
    it.stop(2.0)
    assert it.reload(2, 3.0) == it.look(4.0) == it.stop(4.0) == []
    last = [it.ended(name, 5.0) for name in it.names]
    assert last == [[], [], [CrewGone()]]


@pytest.mark.parametrize("ready", [False, True])
def test_a_stop_without_a_worker_is_over_at_once(*, ready: bool) -> None:
    it = crew(1, ready=ready)
    it.ended("1", 1.0)
    assert CrewGone() in it.stop(2.0) or not ready
    assert it.is_stopping


class CrewRules(RuleBasedStateMachine):
    """Whatever processes do, in whatever order: the supervisor has as many workers as it should, and no more."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.crew = Crew(2, LEAVE_SECONDS)
        self.alive: set[str] = set()
        self.accepting: set[str] = set()
        self.is_over = self.gave_up = False
        self.do(self.crew.begin(self.now))

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            assert not self.is_over
            match action:
                case StartWorker(name):
                    assert not self.crew.is_stopping
                    assert name not in self.alive
                    self.alive.add(name)
                case TellToLeave(name):
                    # Calls are taken by somebody, if they were before.
                    was_last = self.accepting == {name}
                    self.accepting.discard(name)
                    assert not was_last or self.crew.is_stopping or self.is_by_itself
                case GiveUp():
                    self.gave_up = True
                case CrewGone():
                    assert not self.alive
                    self.is_over = True

    is_by_itself = False

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def becomes_ready(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.alive)))
        if self.crew.members[name].phase is Phase.STARTING:
            self.accepting.add(name)
        self.do(self.crew.ready(name, self.now))

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def dies(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.alive)))
        self.alive.discard(name)
        self.accepting.discard(name)
        self.is_by_itself = True
        self.do(self.crew.ended(name, self.now))
        self.is_by_itself = False

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def stops_by_itself(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.alive)))
        self.is_by_itself = True
        self.do(self.crew.leaves(name, self.now))
        self.is_by_itself = False

    @rule(count=st.integers(1, 4))
    def reloads(self, count: int) -> None:
        self.do(self.crew.reload(count, self.now))

    @rule(seconds=st.sampled_from([0.1, 1.0, 31.0, 400.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds
        self.do(self.crew.look(self.now))

    @precondition(lambda self: not self.crew.is_stopping)
    @rule()
    def stops(self) -> None:
        self.do(self.crew.stop(self.now))

    @invariant()
    def its_members_are_the_processes(self) -> None:
        assert set(self.crew.members) == self.alive

    @invariant()
    def it_has_as_many_as_it_should(self) -> None:
        serving = [each for each in self.crew.members.values() if each.phase is not Phase.LEAVING]
        if self.crew.is_stopping:
            assert not serving
        elif not self.crew.is_reloading:
            assert len(serving) <= self.crew.count
            # Whoever is missing is due.
            assert len(serving) == self.crew.count or self.crew.next_look() is not None

    @invariant()
    def it_ends_only_when_it_is_stopped(self) -> None:
        assert self.is_over == (self.crew.is_stopping and not self.alive)


TestCrewRules = CrewRules.TestCase
TestCrewRules.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
