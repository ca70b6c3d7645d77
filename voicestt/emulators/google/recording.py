"""Records the audio that the service received and the end of each call, byte for byte."""

import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

REMEMBERED = 10_000
"""The number of ended calls kept in memory; the file has all of them."""


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """The record of one call of the service, streaming or not. Times are CLOCK_MONOTONIC seconds.

    `config` is the configuration as the client wrote it ("" before it came); `sha256` is over all audio bytes
    as they came (mu-law or LINEAR16), `sizes` the lengths of the audio messages in order as (bytes, how many in
    a row), so the offsets are its running sums. `how` says the end: "OK", "CODE: words", "cancelled by the
    client", or "" while it runs. `audio` is kept only when the recorder was asked to.
    """

    number: int
    method: str
    version: str = "v1"
    peer: str = ""
    language: str = ""
    model: str = ""
    encoding: str = ""
    rate: int = 0
    config: str = ""
    audio_bytes: int = 0
    sha256: str = hashlib.sha256(b"").hexdigest()
    messages: int = 0
    largest: int = 0
    responses: int = 0
    finals: tuple[str, ...] = ()
    started: float = 0.0
    ended: float = 0.0
    half_closed: bool = False
    fault: str = ""
    how: str = ""
    sizes: tuple[tuple[int, int], ...] = ()
    audio: bytes = b""

    def to_json(self) -> str:
        """Format a line of `streams.jsonl`: every field but the audio."""
        fields = asdict(self)
        del fields["audio"]
        return json.dumps(fields, ensure_ascii=False)


class CallRecorder:
    """Records one call while it runs. Used by one thread."""

    def __init__(self, record: StreamRecord, *, keep_audio: bool = False) -> None:
        self.record = record
        self._hash = hashlib.sha256()
        self._sizes: list[tuple[int, int]] = []
        self._messages = 0
        self._bytes = 0
        self._audio: list[bytes] | None = [] if keep_audio else None
        self._finals: list[str] = []
        self._responses = 0

    def note(self, **changes: object) -> None:
        """Set fields of the record, such as the configuration or the end."""
        self.record = replace(self.record, **changes)  # type: ignore[arg-type]

    def audio(self, audio: bytes) -> None:
        """Record one message of audio, as it came."""
        self._hash.update(audio)
        self._bytes += len(audio)
        self._messages += 1
        self._size(len(audio))
        if self._audio is not None:
            self._audio.append(audio)

    def struck(self, fault: str) -> None:
        """Record a fault that struck the call."""
        self.note(fault="; ".join(filter(None, (self.record.fault, fault))))

    def response(self) -> None:
        """Count one response sent."""
        self._responses += 1

    def final(self, text: str) -> None:
        """Record the text of a final that was sent."""
        self._finals.append(text)

    def snapshot(self) -> StreamRecord:
        """Return the record as of now."""
        return replace(
            self.record,
            audio_bytes=self._bytes,
            sha256=self._hash.hexdigest(),
            messages=self._messages,
            largest=max((size for size, _ in self._sizes), default=0),
            sizes=tuple(self._sizes),
            responses=self._responses,
            finals=tuple(self._finals),
            audio=b"".join(self._audio or ()),
        )

    def _size(self, size: int) -> None:
        if self._sizes and self._sizes[-1][0] == size:
            self._sizes[-1] = (size, self._sizes[-1][1] + 1)
        else:
            self._sizes.append((size, 1))


class Recorder:
    """The records of all calls of a service, running and ended (in the order of their ends). Thread-safe.

    With a `directory` each call is a line of its `streams.jsonl` when it ends, and with `write_audio` its audio
    is `stream-N.raw` beside it. With `keep_audio` the records carry their audio.
    """

    def __init__(
        self, directory: Path | None = None, *, write_audio: bool = False, keep_audio: bool = False
    ) -> None:
        self._directory = directory
        self._write_audio = write_audio
        self._keep_audio = keep_audio
        self._ended: deque[StreamRecord] = deque(maxlen=REMEMBERED)
        self._running: dict[int, CallRecorder] = {}
        self._changed = threading.Condition()
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)

    def begin(self, record: StreamRecord) -> CallRecorder:
        """Start the record of a call."""
        call = CallRecorder(record, keep_audio=self._keep_audio or self._write_audio)
        with self._changed:
            self._running[record.number] = call
            self._changed.notify_all()
        return call

    def end(self, call: CallRecorder) -> None:
        """End the record of a call and write it where there is a directory."""
        record = call.snapshot()
        self._write(record)
        if not self._keep_audio:
            record = replace(record, audio=b"")
        with self._changed:
            del self._running[record.number]
            self._ended.append(record)
            self._changed.notify_all()

    @property
    def ended(self) -> tuple[StreamRecord, ...]:
        """The records of ended calls, in the order of their ends."""
        with self._changed:
            return tuple(self._ended)

    @property
    def running(self) -> tuple[StreamRecord, ...]:
        """The records of running calls, as of now."""
        with self._changed:
            return tuple(call.snapshot() for call in self._running.values())

    def wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Wait until the start or end of a call makes `until` true; returns False on timeout."""
        with self._changed:
            return self._changed.wait_for(until, seconds)

    def _write(self, record: StreamRecord) -> None:
        if self._directory is None:
            return
        with (self._directory / "streams.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(record.to_json() + "\n")
        if self._write_audio:
            (self._directory / f"stream-{record.number}.raw").write_bytes(record.audio)
