"""The parts of events that are figures: accounts of audio and latencies."""

from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0)]


class EventPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an event."""


class Audio(EventPart, frozen=True, kw_only=True):
    """The call's audio by its outcome, in bytes of mu-law (8,000 a second).

    received = recognised + passed_over + given_up + uncovered.
    """

    received: int = 0
    recognised: int = 0
    passed_over: int = 0
    given_up: int = 0
    uncovered: int = 0
    sent_again: int = 0


class Latency(EventPart, frozen=True, kw_only=True):
    """Latencies in milliseconds; null if none was measured."""

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
