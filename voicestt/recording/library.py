"""The recordings of calls, wherever they are: in RECORD_DIR, or in the store. All of it blocks."""

import os
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from voicestt.config.settings import Settings
from voicestt.recording.folder import (
    RecordingFolder,
    call_sid_in,
    day_before,
    day_of,
    is_day,
    is_session,
    session_in,
)
from voicestt.recording.joining import Form, JoinedAudio, OpenPart
from voicestt.recording.s3 import S3Store
from voicestt.recording.store import RecordingStore


@dataclass(frozen=True, slots=True)
class FoundRecording:
    """A stream's recording: its session, and its `path`, or its `name` in the store where `path` is None."""

    session: str
    name: str
    path: Path | None = None


class RecordingLibrary:
    """The recordings in `folder`, and in `store` if there is one. What asks the store raises StoreFailed.

    Recordings are known by their sessions, as the journal has them; `of_call` needs no journal.
    """

    def __init__(self, folder: RecordingFolder, store: RecordingStore | None = None) -> None:
        self.folder = folder
        self.store = store

    @property
    def store_name(self) -> str:
        """The store's name; "" where there is none."""
        return "" if self.store is None else self.store.name

    def find(self, session: str) -> FoundRecording | None:
        """Find the recording of a stream; None if there is none, or it is kept no more."""
        path = self.folder.of_session(session)
        if path is not None:
            return FoundRecording(session, self.folder.name_of(path), path)
        if self.store is None or not is_session(session):
            return None
        names = self.store.names(f"{day_of(session)}/{session}.")
        return next((FoundRecording(session, name) for name in names), None)

    def of_call(self, beginning: str) -> list[FoundRecording]:
        """Find the recordings of the latest calls whose CallSids begin so, in the order of time.

        It looks through the days, the latest first, until it finds any, and at the day before: a call has a
        recording for each of its streams.
        """
        for day in self._days():
            found = self._on(day, beginning)
            if found:
                return self._on(day_before(day), beginning) + found
        return []

    def _on(self, day: str, beginning: str) -> list[FoundRecording]:
        return [each for each in self._of_day(day) if call_sid_in(each.name).startswith(beginning)]

    def _days(self) -> list[str]:
        days = {day.name for day in self.folder.days()}
        if self.store is not None:
            days.update(filter(is_day, self.store.days()))
        return sorted(days, reverse=True)

    def _of_day(self, day: str) -> list[FoundRecording]:
        found: dict[str, FoundRecording] = {}
        for path in self.folder.of_day(day):
            session = session_in(path.name)
            found.setdefault(session, FoundRecording(session, self.folder.name_of(path), path))
        for name in () if self.store is None else self.store.names(f"{day}/"):
            session = session_in(name)
            if session:
                found.setdefault(session, FoundRecording(session, name))
        return [found[session] for session in sorted(found)]

    def open(self, found: Sequence[FoundRecording], form: Form = "mulaw") -> JoinedAudio:
        """Open recordings as one WAV file, which is to be closed.

        Raises:
            OSError, BadRecording: where one cannot be read, or is none.
        """
        parts: list[OpenPart] = []
        try:
            parts += [self._part(each) for each in found]
            return JoinedAudio(parts, form)
        except BaseException:
            for part in parts:
                part.close()
            raise

    def open_session(self, session: str, form: Form = "mulaw") -> JoinedAudio | None:
        """Find and open the recording of a stream; None if there is none."""
        found = self.find(session)
        if found is None:
            return None
        try:
            return self.open([found], form)
        except FileNotFoundError:  # it was finished, or moved to the store, since it was found
            found = self.find(session)
            return None if found is None else self.open([found], form)

    def erase(self, sessions: Iterable[str]) -> int:
        """Delete the recordings of streams, here and in the store; return how many there were.

        Raises:
            OSError, StoreFailed: where one could not be deleted; it can be asked for again.
        """
        return sum(self._erase(session) for session in sessions)

    def _erase(self, session: str) -> bool:
        if not is_session(session):
            return False
        path = self.folder.of_session(session)
        if path is not None:
            path.unlink(missing_ok=True)
        # An upload that is under way finds its file gone, and takes back what it has stored.
        stored: Collection[str] = ()
        if self.store is not None:
            stored = list(self.store.names(f"{day_of(session)}/{session}."))
            self.store.delete(stored)
        return path is not None or bool(stored)

    def _part(self, found: FoundRecording) -> OpenPart:
        if found.path is not None:
            return LocalPart(found.path)
        if self.store is None:
            raise FileNotFoundError(call_sid_in(found.name))
        return StoredPart(self.store, found.name)


class LocalPart:
    """A recording in a file, open for reading; raises OSError."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._file).st_size

    def read(self, start: int, length: int) -> bytes:
        """Return bytes of the file; fewer where it ends."""
        return os.pread(self._file, length, start)

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            os.close(self._file)


class StoredPart:
    """A recording in a store, open for reading; raises StoreFailed."""

    def __init__(self, store: RecordingStore, name: str) -> None:
        self._store = store
        self._name = name
        self.size = store.size(name)

    def read(self, start: int, length: int) -> bytes:
        """Return bytes of the recording; fewer where it ends."""
        return self._store.read(self._name, start, min(length, self.size - start))

    def close(self) -> None:
        """Do nothing: each request is one of its own."""


def library_of(settings: Settings) -> RecordingLibrary:
    """Make the library that the settings name, whether or not calls are recorded now.

    Raises:
        StoreFailed: where RECORD_STORE is set, and its library is missing.
    """
    store = (
        None if settings.record_store is None else S3Store(settings.record_store, settings.record_store_endpoint)
    )
    return RecordingLibrary(RecordingFolder(settings.record_dir), store)
