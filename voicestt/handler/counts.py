"""Counters of the handlers of all calls, shown by `GET /healthz`."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Counters of handlers; each is written by one thread only, so that no increment is lost.

    `calls` have a handler now, and `waiting` of their events wait; since the start, `failed` methods (and
    constructors) raised, `dropped` events were not told because too many waited, `hung_up` calls were ended for
    that, `stuck` handlers were given up because they did not return, and `stalls` of the loop were noticed.
    """

    calls: int = 0
    waiting: int = 0
    failed: int = 0
    dropped: int = 0
    hung_up: int = 0
    stuck: int = 0
    stalls: int = 0
