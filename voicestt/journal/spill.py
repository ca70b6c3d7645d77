"""Spill files: events that wait beside a journal whose tables a newer version of voicestt made.

Each process has a file of its own, mode 0600, with a line of JSON for each event, and holds a lock on it while it
lives. The next server that can write the journal reads the files that nobody holds, and removes them.
"""

import fcntl
import glob
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from voicestt.events import (
    BadEvent,
    Event,
    Partial,
    decode,
)
from voicestt.journal.addresses import Addresses
from voicestt.journal.payloads import Redact, payload_or_none

MOST_BYTES: Final = 256 * 1024 * 1024
"""Largest size of all spill files of a journal together. Partials are left out when half of it is used."""

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
_AT_ONCE = 500


class SpillFull(OSError):
    """The spill files have reached their largest size."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder and the name of the spill files of one journal.

    `name` tells them from those of other journals.
    """

    folder: Path
    name: str

    def path(self, owner: str) -> Path:
        """Return the path of one process's file."""
        return self.folder / f"{self.name}.spill-{owner}.jsonl"

    def all(self) -> list[Path]:
        """Return the paths of all spill files of the journal, the oldest first."""
        return sorted(self.folder.glob(f"{glob.escape(self.name)}.spill-*.jsonl"))


class Spill:
    """This process's spill file, which is created at the first write.

    `count` is the number of events in it, `left_out` that of the partials for which there was no room.
    """

    def __init__(
        self, place: Place, redact: Redact, most: int = MOST_BYTES, *, addresses: Addresses | None = None
    ) -> None:
        self.count = 0
        self.left_out = 0
        self._place = place
        self._redact = redact
        self._most = most
        self._addresses = Addresses() if addresses is None else addresses
        self._owner = _new_owner()
        self._file: int | None = None
        self._size = 0
        self._others = 0

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self._place.path(self._owner)

    def write(self, events: Sequence[Event]) -> None:
        """Append events to the file and syncs it to the disk; partials are left out where there is little room.

        So is what no JSON can hold, which is logged.

        Raises:
            OSError: where they are not on the disk; none of them is then.
        """
        file = self._opened()
        kept = [event for event in events if self._has_room_for(event)]
        payloads = [
            self._addresses.marked(event.session, payload)
            for event in kept
            if (payload := payload_or_none(self._redact(event))) is not None
        ]
        lines = b"".join(payload + b"\n" for payload in payloads)
        if self._others + self._size + len(lines) > self._most:
            raise SpillFull(f"the spill files have {self._most // 1_000_000} MB already")
        try:
            _write_all(file, lines)
            os.fsync(file)
        except OSError:
            # A line that is there in part would spoil the next one.
            os.ftruncate(file, self._size)
            raise
        self._size += len(lines)
        self.count += len(payloads)
        self.left_out += len(events) - len(kept)

    def own(self) -> "SpillFile | None":
        """Hand over the current file to be read, or None; later events go into a new file."""
        file, self._file = self._file, None
        if file is None:
            return None
        found = SpillFile(self.path, self._owner, file, self._addresses)
        self._owner = _new_owner()
        self.count = self._size = 0
        return found

    def left(self) -> Iterator["SpillFile"]:
        """Open and yield the files of processes that are gone."""
        for path in self._place.all():
            file = _locked(path)
            if file is not None:
                owner = path.name.removesuffix(".jsonl").rpartition("-")[2]
                yield SpillFile(path, owner, file, self._addresses)

    def close(self) -> None:
        """Close the file, which stays on the disk."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _has_room_for(self, event: Event) -> bool:
        return not isinstance(event, Partial) or 2 * (self._others + self._size) < self._most

    def _opened(self) -> int:
        while self._file is None:
            self._others = sum(_size_of(path) for path in self._place.all())
            file = os.open(self.path, _FLAGS, 0o600)
            if _lock(self.path, file):
                self._file = file
                _sync_folder(self._place.folder)
            else:
                # Another process took it for an abandoned file, and removes it.
                os.close(file)
                self._owner = _new_owner()
        return self._file


class SpillFile:
    """A spill file that is locked for reading.

    `owner` is the process that wrote it; `bad` counts the lines that were no events. The addresses of
    their sessions are said to `addresses`.
    """

    def __init__(self, path: Path, owner: str, file: int, addresses: Addresses) -> None:
        self.path = path
        self.owner = owner
        self.bad = 0
        self._file = file
        self._addresses = addresses

    @property
    def unread(self) -> Path:
        """The file's new name, if it is kept because of bad lines."""
        return self.path.with_suffix(".unread")

    def bunches(self) -> Iterator[list[Event]]:
        """Yield the file's events in their order, at most `_AT_ONCE` at a time.

        A last line without a newline is skipped: its event was never reported as saved.
        """
        self.bad = 0
        bunch: list[Event] = []
        with os.fdopen(os.dup(self._file), "rb") as lines:
            lines.seek(0)
            for line in lines:
                event = self._read(line)
                if event is not None:
                    bunch.append(event)
                if len(bunch) >= _AT_ONCE:
                    yield bunch
                    bunch = []
        if bunch:
            yield bunch

    def remove(self) -> None:
        """Delete the file, after all its events were imported.

        A file with bad lines is renamed instead, so that somebody can look at it.
        """
        if self.bad:
            self.path.rename(self.unread)
        else:
            self.path.unlink()

    def close(self) -> None:
        """Close the file, which ends the lock."""
        os.close(self._file)

    def _read(self, line: bytes) -> Event | None:
        if not line.endswith(b"\n"):
            return None
        try:
            event = decode(line)
            self._addresses.read_mark(event.session, line)
        except (BadEvent, msgspec.DecodeError):
            self.bad += 1
            return None
        return event


def _new_owner() -> str:
    # The name says when it was begun.
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}{uuid.uuid4().hex[:12]}"


def _locked(path: Path) -> int | None:
    """Open and lock a spill file; None if another process holds it, or has just removed it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if _lock(path, file):
        return file
    os.close(file)
    return None


def _lock(path: Path, file: int) -> bool:
    """Lock an open file; False if another process holds it, or has removed it from its path."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(path.stat(), os.fstat(file))
    except (BlockingIOError, FileNotFoundError):
        return False


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
