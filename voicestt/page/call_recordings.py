"""The recordings of calls as the page's lists and views ask for them. All of it blocks."""

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from twisted.web.http import SERVICE_UNAVAILABLE

from voicestt.page.visit import PageError
from voicestt.recording.index import RecordingIndex
from voicestt.recording.library import RecordingLibrary
from voicestt.recording.store import StoreFailed
from voicestt.recording.wav import BadRecording


class CallRecordings:
    """Answers of `library`, which is not there before the server's start."""

    def __init__(self, library: Callable[[], RecordingLibrary | None]) -> None:
        self._library = library
        self._index: RecordingIndex | None = None

    def has(self, session: str) -> bool:
        """Return True if the stream has a recording."""
        library = self._library()
        if library is None:
            return False
        if self._index is None:
            self._index = RecordingIndex(library.folder, library.store)
        return self._index.has(session)

    def about(self, session: str) -> Mapping[str, Any] | None:
        """Return the channels of a stream's recording, and its length in seconds; None if it cannot be had."""
        library = self._library()
        try:
            audio = None if library is None else library.open_session(session)
        except (OSError, StoreFailed, BadRecording):
            return None
        if audio is None:
            return None
        with closing(audio):
            return {"tracks": audio.header.tracks, "duration_s": round(audio.seconds, 3)}

    def erase(self, session: str) -> None:
        """Delete the recording of a stream.

        Raises:
            PageError: 503, where that is not possible now: nothing of the call is erased then.
        """
        library = self._library()
        try:
            if library is not None:
                library.erase([session])
        except (OSError, StoreFailed) as problem:
            why = problem.strerror if isinstance(problem, OSError) else str(problem)
            words = f"The recording cannot be erased ({why}), so nothing of the call is. Try again later."
            raise PageError(SERVICE_UNAVAILABLE, words) from None
