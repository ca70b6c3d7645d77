"""The tracks of a simulated stream that has both sides of a call: when each of them has frames."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

INBOUND: Final = "inbound"
OUTBOUND: Final = "outbound"
_TRACK_OF: Final = {"caller": INBOUND, "callee": OUTBOUND}


@dataclass(frozen=True, slots=True)
class TrackSpan:
    """The seconds of a call in which frames of a track come; there are none before `begins` and from `ends` on."""

    track: str
    begins: float = 0.0
    ends: float = math.inf


def parse_span(text: str) -> TrackSpan:
    """Parse SIDE@FROM:UNTIL, such as "callee@3:" or "caller@0:4.5"; raise ValueError in words."""
    side, _, span = text.partition("@")
    begins, colon, ends = span.partition(":")
    try:
        found = TrackSpan(_TRACK_OF[side], float(begins or 0), float(ends or math.inf))
    except (KeyError, ValueError):
        found = None
    if found is None or not colon or not 0 <= found.begins <= found.ends:
        raise ValueError(f"{text!r} is not SIDE@FROM:UNTIL, such as callee@3:8, callee@3: or caller@:8")
    return found


def has_frames(spans: Iterable[TrackSpan], track: str, at: float) -> bool:
    """Return True if a frame of the track comes at that second of the call: no span of it says that none does."""
    own = [span for span in spans if span.track == track]
    return not own or any(span.begins <= at < span.ends for span in own)
