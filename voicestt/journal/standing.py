"""How the deliveries to a destination and the journal itself stand, for whoever looks after the server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """What waits for a destination in the journal, of this process. `oldest_at`: seconds since 1970."""

    waiting: int = 0
    oldest_at: float | None = None
    laid_aside: int = 0


@dataclass(frozen=True, slots=True)
class JournalState:
    """`is_written`: what is put is in the database soon. If not: `since` when (seconds since 1970), and `why`.

    `waiting` events in memory take about `waiting_bytes`; `lost` had to go, because too many waited.
    `in_file` wait in this process's spill file.
    """

    is_written: bool
    waiting: int
    waiting_bytes: int
    lost: int
    since: float | None = None
    why: str | None = None
    in_file: int = 0
