"""Batching of audio by size: a batch is a number of bytes, whatever the time they take."""

from collections.abc import Sequence

_NONE: Sequence[bytes] = ()


class Batcher:
    """Gathers mu-law of any length into batches of exactly `size` bytes; no byte is lost, doubled or moved."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"a batch of {size} bytes cannot be filled")
        self._size = size
        self._parts: list[bytes] = []
        self._gathered = 0

    @property
    def missing(self) -> int:
        """The number of bytes that the next batch lacks."""
        return self._size - self._gathered

    def add(self, audio: bytes) -> Sequence[bytes]:
        """Add audio; return the batches that it completes, usually none."""
        self._parts.append(audio)
        self._gathered += len(audio)
        return self._full() if self._gathered >= self._size else _NONE

    def flush(self) -> bytes:
        """Return the rest, shorter than a batch and perhaps empty."""
        rest = b"".join(self._parts)
        self._parts = []
        self._gathered = 0
        return rest

    def _full(self) -> list[bytes]:
        audio = self.flush()
        whole = len(audio) - len(audio) % self._size
        rest = audio[whole:]
        if rest:
            self._parts.append(rest)
            self._gathered = len(rest)
        return [audio[at : at + self._size] for at in range(0, whole, self._size)]
