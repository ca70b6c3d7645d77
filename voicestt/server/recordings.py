"""The recordings of a server: what records its calls, cares for the files and reads them, started and stopped."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from voicestt.config.settings import Settings
from voicestt.recording.care import RecordingCare
from voicestt.recording.library import RecordingLibrary, library_of
from voicestt.recording.recorder import AudioRecorder
from voicestt.recording.retention import RecordingRetention, days_kept
from voicestt.runtime.deadline import Deadline, within
from voicestt.runtime.metrics import Counted, RollingMetrics
from voicestt.runtime.reactor import FullReactor
from voicestt.server.health import RECENT_MINUTES, Problem

_TRACKS: Final = {"caller": 1, "both": 2}
_DROPPED: Final[Counted] = ("recording_dropped_seconds",)
_CARE_SECONDS: Final = 1.0
_RECORDER_SHARE, _CARE_SHARE = 0.3, 0.1  # of the time that is left to a stop


class ServerRecordings:
    """The recordings of one server, as `settings` have them.

    `recorder` is None where no call is recorded. Old recordings are cared for all the same, where there are any.
    `library` is there after `start`.
    """

    _log = Logger()

    def __init__(self, reactor: FullReactor, settings: Settings) -> None:
        self._reactor = reactor
        self._settings = settings
        self.recorder: AudioRecorder | None = None
        self.care: RecordingCare | None = None
        self.library: RecordingLibrary | None = None

    async def start(self) -> None:
        """Start the threads.

        Raises:
            StoreFailed: where RECORD_STORE cannot be used at all, in words.
        """
        settings = self._settings
        library = self.library = await deferToThread(library_of, settings)
        tracks = _TRACKS.get(settings.record)
        if tracks is None and not os.path.isdir(settings.record_dir):  # noqa: ASYNC240 - once, at the start
            return
        days = days_kept(settings.record_days, 0 if settings.journal_url == "off" else settings.journal_days)
        self.care = RecordingCare(library, RecordingRetention(library.folder, library.store, days))
        self.care.start()
        if tracks is not None:
            self.recorder = AudioRecorder(library.folder, tracks, self._reactor)
            self.recorder.start()
            self._announce(days)

    async def stop(self, deadline: Deadline) -> None:
        """Write what waits, and finish every recording; what hangs is left behind in time."""
        if self.recorder is not None:
            seconds = deadline.part(_RECORDER_SHARE)
            await within(self._reactor, seconds, deferToThread(self.recorder.stop, seconds))
        if self.care is not None:
            seconds = deadline.part(_CARE_SHARE, _CARE_SECONDS)
            await within(self._reactor, seconds, deferToThread(self.care.stop, seconds))

    def _announce(self, days: float) -> None:
        settings = self._settings
        self._log.info(
            "[CFG] Calls are recorded: {record}, in {folder}, for {days}; the store: {store}. The law may ask "
            "that callers are told.",
            record=settings.record,
            folder=Path(settings.record_dir).absolute(),
            days=f"{days:g} days" if days else "ever",
            store=settings.record_store or "none",
        )


class RecordingCheck:
    """Checks the recordings, and counts in `metrics` what is missing in them by now."""

    def __init__(self, metrics: RollingMetrics, recordings: ServerRecordings) -> None:
        self._metrics = metrics
        self._recordings = recordings

    def note_totals(self) -> None:
        """Count in the present minute what was dropped since the last time."""
        recorder = self._recordings.recorder
        if recorder is not None:
            self._metrics.note_total(_DROPPED, round(recorder.dropped_seconds))

    def __call__(self) -> Iterable[Problem]:
        """Find what is wrong now, or was in the last minutes."""
        self.note_totals()
        recorder, care = self._recordings.recorder, self._recordings.care
        dropped = self._metrics.of_the_last(RECENT_MINUTES).counts[_DROPPED]
        if recorder is not None and (recorder.trouble or dropped):
            why = f" ({recorder.trouble})" if recorder.trouble else ""
            text = f"recordings are not written as they should{why}: {recorder.dropped_seconds:.0f} s are missing"
            yield Problem("recording", text)
        if care is not None and care.trouble:
            yield Problem("recording_store", f"RECORD_STORE takes no recordings: {care.waiting} wait on the disk")
