"""The sessions that have pending events for a destination, kept in memory.

So a live call's words are found without walking through the backlog in the database. The order of events is
promised within a session only, so the next events to read are chosen by session: half of them of the calls that
are going on, the newest first, and half of the sessions that are left over, in the order in which they were found.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

CURRENT_SECONDS: Final = 60.0
"""Age of a call's last event from which the call is not live any more, and its events are backlog."""

AT_ONCE: Final = 64
"""Largest number of sessions read in one query."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The sessions chosen to be read next.

    `stamps` has the version of each session's entry at the moment of the choice.
    """

    current: Sequence[str]
    left_over: Sequence[str]
    stamps: Sequence[int]

    @property
    def sessions(self) -> list[str]:
        """All chosen sessions: the current ones, then the left over ones."""
        return [*self.current, *self.left_over]


class Backlog:
    """Tracks the sessions that have pending events for one destination.

    `waiting` is the approximate number of these events.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self._stamp = 0
        self._age_due = 0.0
        self._stamps: dict[str, int] = {}
        self._current: dict[str, float] = {}
        self._left_over: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._stamps)

    def wrote(self, sessions: Iterable[str], now: float) -> None:
        """Records events that were written just now, by their sessions.

        A session is named once for each of its events.
        """
        for session in sessions:
            self.waiting += 1
            self._touch(session)
            self._left_over.pop(session, None)
            self._current[session] = now

    def found(self, sessions: Iterable[str]) -> None:
        """Records sessions that were found in the database with pending events from before."""
        for session in sessions:
            self._touch(session)
            if session not in self._current:
                self._left_over[session] = None

    def delivered(self, count: int) -> None:
        """Subtracts `count` delivered events from `waiting`."""
        self.waiting = max(0, self.waiting - count)

    def choose(self, now: float, busy: Collection[str], *, with_left_over: bool) -> Choice:
        """Chooses the sessions to read next, leaving out the `busy` ones."""
        self._age(now)
        current = _first(reversed(self._current), busy, AT_ONCE)
        left_over: list[str] = []
        if with_left_over:
            left_over = _first(self._left_over, busy, max(AT_ONCE // 2, AT_ONCE - len(current)))
            current = current[: AT_ONCE - len(left_over)]
        return Choice(current, left_over, [self._stamps[session] for session in (*current, *left_over)])

    def read(self, choice: Choice, found: Collection[str]) -> None:
        """Removes the chosen sessions that had no pending events when they were read.

        `found` are those that had some. A session that was touched after the choice stays.
        """
        for session, stamp in zip(choice.sessions, choice.stamps, strict=True):
            if session not in found and self._stamps.get(session) == stamp:
                del self._stamps[session]
                self._current.pop(session, None)
                self._left_over.pop(session, None)

    def _touch(self, session: str) -> None:
        self._stamp += 1
        self._stamps[session] = self._stamp

    def _age(self, now: float) -> None:
        if now < self._age_due:
            return
        self._age_due = now + 1.0
        for session in [session for session, at in self._current.items() if now - at > CURRENT_SECONDS]:
            del self._current[session]
            self._left_over[session] = None


def _first(sessions: Iterable[str], busy: Collection[str], most: int) -> list[str]:
    found = []
    for session in sessions:
        if session not in busy:
            found.append(session)
            if len(found) >= most:
                break
    return found
