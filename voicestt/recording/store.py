"""The port to a store that recordings of ended calls are moved to. All of it blocks; threads call it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol


class StoreFailed(Exception):
    """The error of a store that did not do what it was asked; the text says why, in words without a secret."""


class RecordingStore(Protocol):
    """A store of recordings by their names (`voicestt.recording.folder`). Everything raises StoreFailed."""

    @property
    def name(self) -> str:
        """The store's name for the log."""
        ...

    def put(self, name: str, path: Path) -> None:
        """Store the file; when this returns, the store has all of it."""
        ...

    def size(self, name: str) -> int:
        """Return the length of a recording in bytes."""
        ...

    def read(self, name: str, start: int, length: int) -> bytes:
        """Return bytes of a recording."""
        ...

    def days(self) -> list[str]:
        """Return the days of which there are recordings, the oldest first."""
        ...

    def names(self, beginning: str = "") -> Iterator[str]:
        """Find the names that begin so, in order."""
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Delete recordings; one that is not there is no error."""
        ...
