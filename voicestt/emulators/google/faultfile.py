"""Reads the file of faults again whenever it changes."""

from collections.abc import Callable
from pathlib import Path

from voicestt.emulators.google.faultlines import BadFaults, parse
from voicestt.emulators.google.faults import Faults


class FaultFile:
    """Keeps `faults` equal to the file's content; a missing file means no faults.

    A file that cannot be read leaves the faults as they were; `complain` is told.
    """

    def __init__(self, path: Path, faults: Faults, complain: Callable[[str], None]) -> None:
        self._path = path
        self._faults = faults
        self._complain = complain
        self._seen: object = ()
        self._faults.replace(parse(self._read()))

    def refresh(self) -> bool:
        """Reads the file if it changed; returns True when the faults were replaced."""
        if self._stamp() == self._seen:
            return False
        try:
            self._faults.replace(parse(self._read()))
        except (BadFaults, OSError, UnicodeDecodeError) as error:
            self._complain(f"{self._path}: {error}; the faults stay as they were.")
            return False
        return True

    def _read(self) -> str:
        self._seen = self._stamp()
        return self._path.read_text("utf-8") if self._seen else ""

    def _stamp(self) -> object:
        """A value that changes when the file does; None without a file."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino)
