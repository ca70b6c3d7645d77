"""Utterances whose answers are awaited, and the place of an answer in its session."""

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from voicestt.audio.endpointing import Segment
from voicestt.recognisers.port import RecogniserError, Result


def placed(final: Result, segment: Segment) -> Result:
    """Place an utterance's final in the session's time; without words it starts where the utterance does."""
    return replace(final, start=final.start or 0).moved(segment.start, segment.end, segment.start)


class PendingUtterance:
    """An utterance and its answer, which wait for their turn."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.known = False
        self.result: Result | None = None
        self.error: RecogniserError | None = None
        self.request: Deferred[Any] | None = None

    def drop(self) -> None:
        """Cancel its request."""
        if self.request is not None:
            self.request.cancel()
