"""State of the journal and of the deliveries to a destination, for health checks and commands."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of this process's deliveries to one destination.

    `waiting` and `dead_lettered` count events; `oldest_at` is when the oldest that waits was written, in seconds
    since 1970.
    """

    waiting: int = 0
    oldest_at: float | None = None
    dead_lettered: int = 0


@dataclass(frozen=True, slots=True)
class JournalState:
    """The state of the journal.

    `is_written`: events get into the database. If not: `since` when (seconds since 1970), and `why`. `waiting`
    events in memory take about `waiting_bytes`; `lost` had to go, because too many waited. `in_file` wait in this
    process's spill file.
    """

    is_written: bool
    waiting: int
    waiting_bytes: int
    lost: int
    since: float | None = None
    why: str | None = None
    in_file: int = 0
