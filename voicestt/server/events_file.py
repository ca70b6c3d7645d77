"""EVENTS_FILE as an Audience: one JSON line for each event, written in a thread of its own."""

import threading
import time
from pathlib import Path
from queue import SimpleQueue

import msgspec
from twisted.logger import Logger

from voicestt.audience import Event, Final, Happened, Partial

_END = None


class EventsFile:
    """Appends events to `path`. Each line has at least:

    `call` (CallSid), `kind` ("partial" or "final"), `text`, `utterance` (1, 2, … within the call),
    `t` (CLOCK_MONOTONIC in seconds when the event was handed over) and `at` (wall time, seconds since 1970).
    What an application must know besides the words has a line too, with an empty `text`: `kind` is "degraded",
    "recovered", "interrupted", "resumed" or "unrecognised" (see `voicestt.recogniser.Incident`), `why` is why,
    `seconds` of audio.
    """

    _log = Logger()

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="events-file", daemon=True)
        self.lost = 0

    def start(self) -> None:
        """Starts the writing thread."""
        self._thread.start()

    def stop(self) -> None:
        """Writes what is waiting, at most for two seconds; nothing where it was not started."""
        self._lines.put(_END)
        if self._thread.is_alive():
            self._thread.join(2.0)

    def tell(self, event: Event) -> None:
        """Hands the event to the thread; not every kind has a line."""
        if isinstance(event, Partial | Final):
            self._put(_words(event), event)
        elif isinstance(event, Happened) and event.kind in _TOLD:
            self._put({"kind": event.kind, "text": "", "why": event.why, "seconds": event.seconds}, event)

    def _put(self, line: dict[str, object], event: Event) -> None:
        stamped = {"call": event.call.call_sid, **line, "t": time.monotonic(), "at": time.time()}
        self._lines.put(_encoder.encode(stamped) + b"\n")

    def _write_all(self) -> None:
        is_open = True
        while is_open:
            lines = [self._lines.get()]
            while not self._lines.empty():
                lines.append(self._lines.get())
            is_open = _END not in lines
            self._append([line for line in lines if line is not None])

    def _append(self, lines: list[bytes]) -> None:
        try:
            with self._path.open("ab") as file:
                file.write(b"".join(lines))
        except OSError as problem:
            self.lost += len(lines)
            self._log.error(
                "EVENTS_FILE cannot be written ({problem}); {lost} events are lost so far. Calls go on. "
                "What to do: free the disk or correct the path; the next event tries again.",
                problem=problem.strerror,
                lost=self.lost,
            )


_encoder = msgspec.json.Encoder()
_TOLD = frozenset({"degraded", "recovered", "interrupted", "resumed", "unrecognised"})


def _words(event: Partial | Final) -> dict[str, object]:
    if isinstance(event, Partial):
        return {"kind": "partial", "text": event.text, "utterance": event.utterance}
    return {
        "kind": "final",
        "text": event.text,
        "utterance": event.utterance,
        "confidence": event.confidence,
        "end": event.end,
    }
