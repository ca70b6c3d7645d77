"""The rules by which workers are started, replaced and stopped: one machine, without a process or a clock.

A worker's life:

    starting --ready--> ready --leave--> leaving      starting --leave--> leaving      any --ended--> (gone)

Workers belong to a generation. A reload starts the next one, and only when all of it is ready does the one
before leave; if one of the next ends before, the reload is given up and the old ones go on. A worker that dies is
replaced after a pause, which grows while they die soon. If one ends before any was ready, nothing can start.

Each method is told what happened, and returns what is to be done, in order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Final

from voicestt.runtime.backoff import Backoff

STEADY_SECONDS: Final = 60.0
"""A worker that was ready for so long has not died soon: the pauses begin anew."""

START_SECONDS: Final = 300.0
"""A worker that is not ready after so long is killed, and counts as dead: a model may take minutes to load."""

LEFT_SECONDS: Final = 0.2
"""A worker that stops by itself is replaced after so long: a terminal's Ctrl-C stops all of us at once."""

PAUSES: Final = Backoff(0.5, 30.0)


class Phase(Enum):
    """The states of a worker that has a process."""

    STARTING = "starting"
    READY = "ready"
    LEAVING = "leaving"


class Change(Enum):
    """The changes of a worker's state."""

    READY = "ready"
    LEAVE = "leave"
    ENDED = "ended"


TABLE: Final = {
    (Phase.STARTING, Change.READY): Phase.READY,
    (Phase.STARTING, Change.LEAVE): Phase.LEAVING,
    (Phase.STARTING, Change.ENDED): None,
    (Phase.READY, Change.READY): Phase.READY,
    (Phase.READY, Change.LEAVE): Phase.LEAVING,
    (Phase.READY, Change.ENDED): None,
    (Phase.LEAVING, Change.READY): Phase.LEAVING,  # its word crossed ours
    (Phase.LEAVING, Change.LEAVE): Phase.LEAVING,
    (Phase.LEAVING, Change.ENDED): None,
}
"""The next state for each state and change; None: the worker is gone."""


@dataclass(slots=True)
class CrewMember:
    """A worker that has a process; `since` is when its state began."""

    name: str
    generation: int
    since: float
    phase: Phase = Phase.STARTING


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start a process with this name."""

    name: str


@dataclass(frozen=True, slots=True)
class TellToLeave:
    """Tell the worker to accept no more, and to stop when its calls are over or moved."""

    name: str


@dataclass(frozen=True, slots=True)
class KillWorker:
    """Kill the worker, which takes too long: `phase` is what it is at."""

    name: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """Say that the worker died; another is started after `pause` seconds (None: as part of a reload)."""

    name: str
    pause: float | None


@dataclass(frozen=True, slots=True)
class ReloadEnded:
    """Say that a reload is over; `is_done` unless the new ones did not start and the old ones go on."""

    is_done: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Say that the server cannot start: this worker ended before any was ready."""

    name: str


@dataclass(frozen=True, slots=True)
class CrewGone:
    """End the supervisor: it stops, and the last worker is gone."""


Action = StartWorker | TellToLeave | KillWorker | WorkerDied | ReloadEnded | GiveUp | CrewGone


@dataclass(slots=True)
class Crew:
    """The workers of a server, `count` of them. Times are seconds of any clock that nobody sets.

    `leave_seconds` is how long a worker that leaves may take before it is killed.
    """

    count: int
    leave_seconds: float
    members: dict[str, CrewMember] = field(default_factory=dict)
    restarts: int = 0
    is_stopping: bool = False
    _generation: int = 0
    _next_count: int | None = None
    _asked_again: int | None = None
    _due: list[float] = field(default_factory=list)
    _failures: int = 0
    _has_served: bool = False

    @property
    def is_reloading(self) -> bool:
        """True while a next generation is being started."""
        return self._next_count is not None

    @property
    def names(self) -> list[str]:
        """The names of the workers, in the order of their starts."""
        return list(self.members)

    def begin(self, now: float) -> list[Action]:
        """Begin: all are to be started."""
        return [self._start(self._generation, now) for _ in range(self.count)]

    def ready(self, name: str, now: float) -> list[Action]:
        """Note that a worker accepts calls."""
        member = self.members.get(name)
        if member is None:
            return []
        if member.phase is Phase.STARTING:
            member.since = now
        self._change(member, Change.READY)
        self._has_served = True
        return list(self._finish_reload(now))

    def leaves(self, name: str, now: float) -> list[Action]:
        """Note that a worker stops though nobody here told it to: it is told so, and replaced soon."""
        member = self.members.get(name)
        if member is None or member.phase is Phase.LEAVING or self.is_stopping:
            return []
        actions: list[Action] = [self._leave(member, now)]
        if member.generation > self._generation:
            return [*actions, *self._abandon(now)]
        if not self.is_reloading:
            self._due.append(now + LEFT_SECONDS)
        return actions

    def ended(self, name: str, now: float) -> list[Action]:
        """Note that a worker's process has ended."""
        member = self.members.pop(name, None)
        if member is not None and self.is_stopping:
            return [] if self.members else [CrewGone()]
        if member is None or member.phase is Phase.LEAVING:
            return []
        if not self._has_served:
            return [GiveUp(name), *self.stop(now)]
        return list(self._died(member, now))

    def reload(self, count: int, now: float) -> list[Action]:
        """Start the next generation, of `count` workers; one that is asked for meanwhile follows it."""
        if self.is_stopping:
            return []
        if self.is_reloading:
            self._asked_again = count
            return []
        self._next_count = count
        self._due.clear()
        return [self._start(self._generation + 1, now) for _ in range(count)]

    def stop(self, now: float) -> list[Action]:
        """Stop: nothing is started any more. Telling the workers is the caller's."""
        if self.is_stopping:
            return []
        self.is_stopping = True
        self._due.clear()
        self._next_count = self._asked_again = None
        for member in self.members.values():
            self._leave(member, now)
        return [] if self.members else [CrewGone()]

    def look(self, now: float) -> list[Action]:
        """Do what has become due."""
        actions: list[Action] = []
        for due in [each for each in self._due if each <= now]:
            self._due.remove(due)
            actions.append(self._start(self._generation, now))
        for member in self.members.values():
            if now >= self._deadline(member):
                member.since = now  # killed again where it does not end
                actions.append(KillWorker(member.name, member.phase))
        return actions

    def next_look(self) -> float | None:
        """Return when something becomes due; None if nothing will."""
        due = [*self._due, *map(self._deadline, self.members.values())]
        return min((each for each in due if each < inf), default=None)

    def _deadline(self, member: CrewMember) -> float:
        limits = {Phase.STARTING: START_SECONDS, Phase.READY: inf, Phase.LEAVING: self.leave_seconds}
        return member.since + limits[member.phase]

    def _start(self, generation: int, now: float) -> StartWorker:
        taken = {int(name) for name in self.members}
        name = str(next(number for number in range(1, len(taken) + 2) if number not in taken))
        self.members[name] = CrewMember(name, generation, now)
        return StartWorker(name)

    def _leave(self, member: CrewMember, now: float) -> TellToLeave:
        if member.phase is not Phase.LEAVING:
            member.since = now
        self._change(member, Change.LEAVE)
        return TellToLeave(member.name)

    @staticmethod
    def _change(member: CrewMember, change: Change) -> None:
        following = TABLE[member.phase, change]
        if following is not None:
            member.phase = following

    def _died(self, member: CrewMember, now: float) -> Iterator[Action]:
        if member.generation > self._generation:
            yield WorkerDied(member.name, None)
            yield from self._abandon(now)
        elif self.is_reloading:
            yield WorkerDied(member.name, None)
        else:
            was_steady = member.phase is Phase.READY and now - member.since >= STEADY_SECONDS
            yield WorkerDied(member.name, self._replace(now, was_steady=was_steady))

    def _replace(self, now: float, *, was_steady: bool) -> float:
        """Have one worker started after a pause, which is returned."""
        self._failures = 0 if was_steady else self._failures
        pause = PAUSES.pause(self._failures)
        self._failures += 1
        self.restarts += 1
        self._due.append(now + pause)
        return pause

    def _finish_reload(self, now: float) -> Iterator[Action]:
        count = self._next_count
        new = [each for each in self.members.values() if each.generation > self._generation]
        if count is None or sum(each.phase is Phase.READY for each in new) < count:
            return
        old = [each for each in self.members.values() if each.generation <= self._generation]
        self._generation += 1
        self.count, self._next_count, self._failures = count, None, 0
        yield ReloadEnded(is_done=True)
        yield from (self._leave(each, now) for each in old if each.phase is not Phase.LEAVING)
        yield from self._reload_again(now)

    def _abandon(self, now: float) -> Iterator[Action]:
        """Give the reload up: what was started of the next generation leaves, and the old ones are made whole."""
        self._next_count = None
        yield ReloadEnded(is_done=False)
        for member in list(self.members.values()):
            if member.generation > self._generation and member.phase is not Phase.LEAVING:
                yield self._leave(member, now)
        here = [each for each in self.members.values() if each.generation == self._generation]
        for _ in range(self.count - sum(each.phase is not Phase.LEAVING for each in here)):
            self._replace(now, was_steady=False)
        yield from self._reload_again(now)

    def _reload_again(self, now: float) -> Iterator[Action]:
        count, self._asked_again = self._asked_again, None
        if count is not None:
            yield from self.reload(count, now)
