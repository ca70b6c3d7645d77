"""The care of recordings, in a thread of its own: those of killed processes are repaired, those of ended calls are
moved to the store, and those that are too old are deleted.

A file leaves RECORD_DIR only when the store has said that it has all of it. A store that is away is tried again,
ever less often, and nothing is lost meanwhile but room on the disk.
"""

import os
import threading
import time
from collections.abc import Callable
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Final

from twisted.logger import Logger

from voicestt.recording.audio_file import repair
from voicestt.recording.library import RecordingLibrary
from voicestt.recording.retention import RecordingRetention
from voicestt.recording.store import RecordingStore, StoreFailed
from voicestt.recording.wav import BadRecording
from voicestt.runtime.backoff import Backoff

LOOK_SECONDS: Final = 2.0
"""So often is looked for recordings that are to be moved to the store."""

TIDY_SECONDS: Final = 3_600.0
"""So often are recordings repaired and old ones deleted; and once at the start."""

_PAUSES: Final = Backoff(2.0, 120.0, jitter=0.3)


class RecordingCare:
    """Cares for the recordings of `library`, from `start` to `stop`."""

    _log = Logger()

    def __init__(
        self,
        library: RecordingLibrary,
        retention: RecordingRetention,
        pauses: Backoff = _PAUSES,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stored = self.failed = self.deleted = self.repaired = 0
        """Counts of recordings moved to the store, of attempts that failed, of deleted ones, of repaired ones."""
        self.waiting = 0
        """The number of recordings that wait for the store."""
        self.trouble = ""
        """The reason why the store does not take recordings now; "" if it does."""
        self._folder = library.folder
        self._store = library.store
        self._retention = retention
        self._pauses = pauses
        self._seconds = seconds
        self._failures = 0
        self._tidy_at = self._store_at = seconds()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recordings' care", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, seconds: float = 0.0) -> None:
        """Begin nothing more, and wait so long for what is under way; the next start goes on."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            try:
                self.step()
            except Exception:  # noqa: BLE001 - the thread goes on, whatever is wrong with a file
                self._log.failure("The care of recordings failed in a way that was not foreseen; it goes on.")
            if self._closing.wait(LOOK_SECONDS):
                return

    def step(self) -> None:
        """Do what is due."""
        if self._seconds() >= self._tidy_at:
            self._tidy_at = self._seconds() + TIDY_SECONDS
            self._repair()
            self._delete()
        if self._store is not None and self._seconds() >= self._store_at:
            self._move_all(self._store)

    def _repair(self) -> None:
        for partial in list(self._folder.partial()):
            try:
                whole = repair(partial)
            except (OSError, BadRecording) as problem:
                self._log.warn(
                    "⚠️ The recording {name} of a server that was killed cannot be finished ({problem}); it "
                    "stays as it is. What to do: play it as mu-law, 8 kHz, without a header, or delete it.",
                    name=partial.name.partition(".")[0],
                    problem=getattr(problem, "strerror", None) or str(problem),
                )
                continue
            if whole is not None:
                self.repaired += 1
                self._log.info(
                    "A server was killed while it recorded; the recording {name} is whole up to then.",
                    name=whole.name.partition(".")[0],
                )

    def _delete(self) -> None:
        try:
            self.deleted += self._retention.step()
        except (OSError, StoreFailed) as problem:
            self._log.warn(
                "⚠️ Recordings that are older than RECORD_DAYS cannot be deleted ({problem}); it is tried again in "
                "an hour. What to do: see whether this server may delete in RECORD_DIR and RECORD_STORE.",
                problem=getattr(problem, "strerror", None) or str(problem),
            )

    def _move_all(self, store: RecordingStore) -> None:
        whole = list(self._folder.whole())
        self.waiting = len(whole)
        for path in whole:
            if self._closing.is_set():
                return
            try:
                self._move(store, path)
            except (OSError, StoreFailed) as problem:
                self._failed(store, getattr(problem, "strerror", None) or str(problem))
                return
            self.waiting -= 1
            self._succeeded(store)

    def _move(self, store: RecordingStore, path: Path) -> None:
        """Store a recording, then delete it here; without effect where another process does so just now."""
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            flock(file, LOCK_EX | LOCK_NB)
            name = self._folder.name_of(path)
            store.put(name, path)
            if path.exists():
                path.unlink()
                self.stored += 1
            else:  # it was erased meanwhile
                store.delete([name])
        except (BlockingIOError, FileNotFoundError):
            return
        finally:
            os.close(file)

    def _failed(self, store: RecordingStore, why: str) -> None:
        self.failed += 1
        self._store_at = self._seconds() + self._pauses.pause(self._failures)
        self._failures += 1
        if why != self.trouble:
            self.trouble = why
            self._log.error(
                "⚠️ {store} does not take recordings ({problem}); {waiting} of them wait in RECORD_DIR, and none "
                "is lost. It is tried again, at last every two minutes. What to do: see the store's state, the "
                "keys (AWS_ACCESS_KEY_ID), RECORD_STORE and RECORD_STORE_ENDPOINT, and the room on the disk.",
                store=store.name,
                problem=why,
                waiting=self.waiting,
            )

    def _succeeded(self, store: RecordingStore) -> None:
        self._failures = 0
        if self.trouble:
            self.trouble = ""
            self._log.info("{store} takes recordings again.", store=store.name)
