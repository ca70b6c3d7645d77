"""A board in shared memory on which each worker writes its load, and reads that of the others.

A cell is four bytes, written by one worker only: it needs no lock, and costs no message. A worker that is not
there has ABSENT in its cell.
"""

import mmap
import os
import struct
from typing import Final

ABSENT: Final = -1
CELLS: Final = 512
"""So many workers at most are there at once, old and new ones."""

_CELL: Final = struct.Struct("=i")


class LoadBoard:
    """The board, in the memory that the descriptor `file` stands for."""

    def __init__(self, file: int) -> None:
        self.file = file
        self._memory = mmap.mmap(file, CELLS * _CELL.size)

    @classmethod
    def new(cls) -> "LoadBoard":
        """Make a board on which no worker is."""
        file = os.memfd_create("voicestt-workers")
        os.ftruncate(file, CELLS * _CELL.size)
        board = cls(file)
        for cell in range(CELLS):
            board.write(cell, ABSENT)
        return board

    def write(self, cell: int, load: int) -> None:
        """Write a worker's load."""
        _CELL.pack_into(self._memory, cell * _CELL.size, load)

    def read(self, cell: int) -> int:
        """Return a worker's load, or ABSENT."""
        load: int = _CELL.unpack_from(self._memory, cell * _CELL.size)[0]
        return load

    def least_beside(self, cell: int) -> int | None:
        """Return the least load of all workers but one; None if it is the only one."""
        loads = (load for (load,) in _CELL.iter_unpack(self._memory) if load != ABSENT)
        own = self.read(cell)
        others = sorted(loads)
        if own != ABSENT:
            others.remove(own)
        return others[0] if others else None

    def close(self) -> None:
        """Close the memory and its descriptor."""
        self._memory.close()
        os.close(self.file)
