"""Which sessions have something to deliver: in memory, so that nobody's backlog is walked to find a live word.

The order of events is promised within a session only. So what is read next is chosen by session: half of it of
the calls that are going on, the newest first, and half of what is left over, as it was found.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

CURRENT_SECONDS: Final = 60.0
"""A call whose last event was written so long ago is no live one any more: what it still has is backlog."""

AT_ONCE: Final = 64
"""Sessions that are asked for in one query."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Sessions to read. `stamps`: what was known of each when it was chosen."""

    current: Sequence[str]
    left_over: Sequence[str]
    stamps: Sequence[int]

    @property
    def sessions(self) -> list[str]:
        """All of them."""
        return [*self.current, *self.left_over]


class Backlog:
    """The sessions with pending events of one destination. `waiting` counts the events, about."""

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
        """An event of each was written just now."""
        for session in sessions:
            self.waiting += 1
            self._touch(session)
            self._left_over.pop(session, None)
            self._current[session] = now

    def found(self, sessions: Iterable[str]) -> None:
        """These have events from before."""
        for session in sessions:
            self._touch(session)
            if session not in self._current:
                self._left_over[session] = None

    def delivered(self, count: int) -> None:
        """So many fewer wait."""
        self.waiting = max(0, self.waiting - count)

    def choose(self, now: float, busy: Collection[str], *, with_left_over: bool) -> Choice:
        """The sessions to read next, none of the `busy` ones."""
        self._age(now)
        current = _first(reversed(self._current), busy, AT_ONCE)
        left_over: list[str] = []
        if with_left_over:
            left_over = _first(self._left_over, busy, max(AT_ONCE // 2, AT_ONCE - len(current)))
            current = current[: AT_ONCE - len(left_over)]
        return Choice(current, left_over, [self._stamps[session] for session in (*current, *left_over)])

    def read(self, choice: Choice, found: Collection[str]) -> None:
        """Of those that were chosen, only the sessions in `found` had something."""
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
