# ruff: noqa: N802 (camelCase is Twisted's)

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from voicestt.workers.board import ABSENT, CELLS, LoadBoard
from voicestt.workers.fair_accept import AFTER_A_PAUSE, PAUSE_SECONDS, FairAccept


class Port:
    """A listening port with connections that wait, as far as accepting sees it."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.sessionno = 0
        self.numberAccepts = 100
        self.connected = True
        self.disconnecting = False
        self.is_reading = True

    def doRead(self) -> None:
        taken = min(self.waiting, self.numberAccepts)
        self.waiting -= taken
        self.sessionno += taken

    def stopReading(self) -> None:
        self.is_reading = False

    def startReading(self) -> None:
        assert self.connected
        self.is_reading = True

    def turn(self) -> None:
        """Let the reactor find the port readable, if it is looked at."""
        if self.is_reading and self.waiting:
            self.doRead()


class Accepting:
    """A port of a worker that is busier than another, or is not."""

    def __init__(self, waiting: int, *, is_busier: bool) -> None:
        self.clock: Any = Clock()
        self.port = Port(waiting)
        self.is_busier = is_busier
        self.accepted = 0
        FairAccept(self.clock, self.port, lambda: self.is_busier, self._count)

    def _count(self) -> None:
        self.accepted += 1


def test_the_least_busy_takes_one_in_each_turn() -> None:
    it = Accepting(3, is_busier=False)
    for taken in range(1, 4):
        it.port.turn()
        assert it.accepted == it.port.sessionno == taken


def test_who_is_busier_leaves_a_moment_to_the_other_and_then_takes_what_is_left() -> None:
    it = Accepting(10, is_busier=True)
    it.port.turn()
    assert it.accepted == 0
    assert not it.port.is_reading
    it.clock.advance(PAUSE_SECONDS)
    for _ in range(10):
        it.port.turn()
    assert it.accepted == AFTER_A_PAUSE
    it.clock.advance(PAUSE_SECONDS)
    it.port.turn()
    assert it.accepted == AFTER_A_PAUSE + 1


def test_what_the_other_took_is_not_counted() -> None:
    it = Accepting(1, is_busier=False)
    it.port.waiting = 0
    it.port.doRead()
    assert it.accepted == 0


@pytest.mark.parametrize("what", ["connected", "disconnecting"])
def test_a_port_that_was_closed_in_the_moment_stays_closed(what: str) -> None:
    it = Accepting(1, is_busier=True)
    it.port.turn()
    setattr(it.port, what, what == "disconnecting")
    it.clock.advance(PAUSE_SECONDS)
    assert not it.port.is_reading


@pytest.fixture
def board() -> Iterator[LoadBoard]:
    made = LoadBoard.new()
    yield made
    made.close()


def test_a_board_is_empty_at_first(board: LoadBoard) -> None:
    assert board.read(1) == board.read(CELLS - 1) == ABSENT
    assert board.least_beside(1) is None


def test_what_one_process_writes_another_reads(board: LoadBoard) -> None:
    other = LoadBoard(os.dup(board.file))
    other.write(2, 7)
    assert board.read(2) == board.least_beside(1) == 7
    other.close()


@given(st.dictionaries(st.integers(0, CELLS - 1), st.integers(0, 9), min_size=1, max_size=6), st.data())
def test_the_least_of_the_others_is_found(loads: dict[int, int], data: st.DataObject) -> None:
    board = LoadBoard.new()
    for cell, load in loads.items():
        board.write(cell, load)
    one = data.draw(st.sampled_from(sorted(loads)))
    assert board.least_beside(one) == min((load for cell, load in loads.items() if cell != one), default=None)
    board.close()
