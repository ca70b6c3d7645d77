"""The start of a worker: what it is told in a variable of its environment that only its supervisor sets."""

from collections.abc import MutableMapping
from typing import Final

import msgspec

VARIABLE: Final = "VOICESTT_WORKER"


class BadWorkerStart(Exception):
    """The error of a variable that no supervisor has set; the text says so."""


class SharedSocket(msgspec.Struct, frozen=True):
    """A listening socket: its descriptor in the worker, and its address family by its number."""

    file: int
    family: int


class WorkerStart(msgspec.Struct, frozen=True):
    """A worker's start: its `name`, its `cell` of the board, the descriptors that it was given.

    `sockets` has those of each endpoint of the command line, in its order, the metrics' own last. `flag` is
    ENABLE_STREAMING_STT where it was turned since the supervisor's start.
    """

    name: str
    reads: int
    writes: int
    board: int
    sockets: list[list[SharedSocket]]
    flag: bool | None = None

    @property
    def cell(self) -> int:
        """The worker's cell of the board."""
        return int(self.name)


def written(start: WorkerStart) -> str:
    """Format a start for the environment."""
    return msgspec.json.encode(start).decode()


def taken_from(environ: MutableMapping[str, str]) -> WorkerStart | None:
    """Take a start out of the environment, which is no worker's then; None where there is none.

    Raises:
        BadWorkerStart: where it cannot be read.
    """
    text = environ.pop(VARIABLE, None)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=WorkerStart)
    except msgspec.MsgspecError:
        raise BadWorkerStart(f"{VARIABLE} is set by a supervisor only, and what it says cannot be read") from None
