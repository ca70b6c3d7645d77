"""EVENTS_FILE: one JSON line for each event, written in a thread of its own."""

import os
import stat
import threading
import time
from collections import deque
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final as Constant

import msgspec
from msgspec import structs
from twisted.logger import Logger

from voicestt.events import (
    Event,
    Final,
    Partial,
    Said,
    encode,
    type_of,
)

MOST_WAITING: Constant = 16_000_000  # bytes
MOST_UNTAKEN: Constant = 16_000_000  # bytes that the thread has not come to
_AGAIN_SECONDS = 1.0
_STOP_SECONDS = 2.0
_TOGETHER = 1_000
_REST_SECONDS = (
    0.02  # after a write: what comes meanwhile is written together, for each wake-up costs the reactor too
)
_END = None


class EventsFile:
    """Appends events to `path`, as `voicestt.events` has them, each with five fields more:

    `call` (CallSid), `kind` (the event's `type`), `text` (empty where nothing was said), `t` (CLOCK_MONOTONIC in
    seconds when the event was handed over) and `at` (wall time, seconds since 1970).

    The file is opened once, mode 0600, for it holds what callers say, and again after `reopen`. Lines that
    cannot be written wait, up to MOST_WAITING bytes, and are tried again each second. While a write does not
    return, as on a disk that hangs, up to MOST_UNTAKEN bytes wait for the thread. `lost` counts the events that
    could not wait.
    """

    _log = Logger()

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="events-file", daemon=True)
        self._file: int | None = None
        self._is_renamed = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._is_in_a_line = False
        self._problem = ""
        self._dropped = 0
        # Each counter is written by one thread alone: the first three by the reactor's, the last by the file's.
        self._given_bytes = 0
        self._refused = 0
        self._is_refusing = False
        self._taken_bytes = 0

    @property
    def lost(self) -> int:
        """The number of events that were lost: not in any file, and no longer waiting."""
        return self._dropped + self._refused

    @property
    def has_trouble(self) -> bool:
        """True while the last lines could not be written, or are not taken."""
        return bool(self._problem) or self._is_refusing

    def start(self) -> None:
        """Start the writing thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write the lines that wait, for two seconds at most; without effect if it was not started."""
        self._lines.put(_END)
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            self._log.error(
                "EVENTS_FILE does not take what is written to it, and the server ends: {waiting} events are lost, "
                "and {lost} were before. What to do: see whether the disk or the network behind it hangs.",
                waiting=self._lines.qsize() - 1 + len(self._waiting),
                lost=self.lost,
            )

    def reopen(self) -> None:
        """Write the next line to a new file at the path, because the old one may have been renamed."""
        self._is_renamed = True

    def tell(self, event: Event) -> None:
        """Hand the event to the thread."""
        self._give(_line_of(event, time.monotonic(), time.time()))

    def _give(self, line: bytes) -> None:
        untaken = self._given_bytes - self._taken_bytes
        if untaken + len(line) > MOST_UNTAKEN:
            self._refuse()
        elif self._is_refusing and untaken > MOST_UNTAKEN // 2:
            self._refused += 1  # until there is room for more than a line or two: one gap instead of many
        else:
            self._take_again()
            self._given_bytes += len(line)
            self._lines.put(line)

    def _refuse(self) -> None:
        self._refused += 1
        if not self._is_refusing:
            self._is_refusing = True
            self._log.error(
                "EVENTS_FILE does not take what is written to it, and no more can wait: events are lost until it "
                "does, {lost} so far. Calls go on. "
                "What to do: see whether the disk or the network behind it hangs.",
                lost=self.lost,
            )

    def _take_again(self) -> None:
        if self._is_refusing:
            self._is_refusing = False
            self._log.warn("EVENTS_FILE is written again; {lost} events are lost so far.", lost=self.lost)

    def _write_all(self) -> None:
        is_open = True
        while is_open:
            lines = self._next_lines()
            is_open = _END not in lines
            self._keep([line for line in lines if line is not None])
            self._write()
            if is_open:
                time.sleep(_REST_SECONDS)
        if self._waiting:
            self._lose(len(self._waiting))
        self._close()

    def _next_lines(self) -> list[bytes | None]:
        """Wait for lines and take all of them; empty after a second if lines wait to be tried again."""
        try:
            lines = [self._lines.get(timeout=_AGAIN_SECONDS if self._waiting else None)]
        except Empty:
            return []
        while not self._lines.empty():
            lines.append(self._lines.get())
        self._taken_bytes += sum(len(line) for line in lines if line is not None)
        return lines

    def _keep(self, lines: list[bytes]) -> None:
        self._waiting.extend(lines)
        self._waiting_bytes += sum(map(len, lines))
        dropped = 0
        # The rest of a line that is in the file in part is kept: without it the next line would be spoilt too.
        rest = self._waiting.popleft() if self._is_in_a_line and self._waiting else None
        while self._waiting and self._waiting_bytes > MOST_WAITING:
            self._waiting_bytes -= len(self._waiting.popleft())
            dropped += 1
        if rest is not None:
            self._waiting.appendleft(rest)
        if dropped:
            self._lose(dropped)

    def _write(self) -> None:
        try:
            file = self._opened()
            while self._waiting:
                together = list(islice(self._waiting, _TOGETHER))
                self._written(os.write(file, b"".join(together)))
        except OSError as problem:
            self._close()
            self._fail(problem.strerror or type(problem).__name__)
        else:
            self._problem = ""

    def _written(self, count: int) -> None:
        """Drop `count` bytes that are in the file; the rest of a line written in part stays."""
        self._waiting_bytes -= count
        while count:
            first = self._waiting.popleft()
            self._is_in_a_line = len(first) > count
            if self._is_in_a_line:
                self._waiting.appendleft(first[count:])
            count -= min(count, len(first))

    def _opened(self) -> int:
        if self._is_renamed and not self._is_in_a_line:  # a line is in one file
            self._is_renamed = False
            self._close()
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with suppress(OSError):  # one that was there already may be readable by all; a device stays as it is
                if stat.S_ISREG(os.fstat(self._file).st_mode):
                    os.fchmod(self._file, 0o600)
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.close(file)

    def _fail(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self._log.error(
                "EVENTS_FILE cannot be written ({problem}); {waiting} events wait. Calls go on. "
                "What to do: free the disk or correct the path; it is tried again each second.",
                problem=problem,
                waiting=len(self._waiting),
            )

    def _lose(self, count: int) -> None:
        self._dropped += count
        self._log.error(
            "EVENTS_FILE cannot be written ({problem}) and no more can wait; {lost} events are lost so far.",
            problem=self._problem,
            lost=self.lost,
        )


_encoder = msgspec.json.Encoder()


def _line_of(event: Event, t: float, at: float) -> bytes:
    more: dict[str, object] = {"call": event.call_sid, "kind": type_of(event), "t": t, "at": at}
    if isinstance(event, Said):
        event = structs.replace(event, text=event.text or "")
    elif not isinstance(event, Partial | Final):  # these have a text of their own
        more["text"] = ""
    return _encoder.encode(more)[:-1] + b"," + encode(event)[1:] + b"\n"
