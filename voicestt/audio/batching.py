"""Batching of audio by size: a batch is a number of bytes, whatever the time they take."""

from collections.abc import Sequence

_NONE: Sequence[bytes] = ()


class Batcher:
    """Gathers mu-law of any length into batches of exactly `size` bytes; no byte is lost, doubled or moved."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"a batch of {size} bytes cannot be filled")
        self._size = size
        self._audio = bytearray()

    @property
    def missing(self) -> int:
        """The number of bytes that the next batch lacks."""
        return self._size - len(self._audio)

    def add(self, audio: bytes) -> Sequence[bytes]:
        """Add audio; return the batches that it completes, usually none."""
        self._audio += audio
        return self._full() if len(self._audio) >= self._size else _NONE

    def flush(self) -> bytes:
        """Return the rest, shorter than a batch and perhaps empty."""
        rest = bytes(self._audio)
        self._audio.clear()
        return rest

    def _full(self) -> list[bytes]:
        whole = len(self._audio) - len(self._audio) % self._size
        audio = bytes(self._audio[:whole])
        del self._audio[:whole]
        return [audio[at : at + self._size] for at in range(0, whole, self._size)]
