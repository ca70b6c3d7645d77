"""Who writes into a journal, and whether it still runs: what a killed process left, another takes over.

No clocks of two processes are compared, for one may jump: a lease's age is how long its `seen_at`, whatever it
says, has not changed, by the clock of whoever looks. And a process that is there on this host is alive.
"""

import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from voicestt.journal.tables import instances

GONE_SECONDS = 60.0
"""An instance on another host whose row did not change for so long is gone."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a host: `started` tells it from an earlier one of the same number, "" where nobody knows.

    `host` is one boot of one machine, seen from within one container: elsewhere the number is another process's.
    """

    host: str
    pid: int
    started: str


def this_process() -> Process:
    """The one that runs this."""
    parts = (socket.gethostname(), _text("/proc/sys/kernel/random/boot_id"), _link("/proc/self/ns/pid"))
    return Process(" ".join(filter(None, parts)), os.getpid(), _started(os.getpid()))


def is_running(process: Process, here: Process) -> bool:
    """Whether `process`, which is on this host, runs."""
    if process.pid == here.pid:
        # Where nobody knows when a process started, one of our own number was an earlier one.
        return bool(here.started) and process.started == here.started
    try:
        os.kill(process.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return not process.started or _started(process.pid) == process.started


@dataclass(frozen=True, slots=True)
class Instance:
    """A row of the table."""

    id: str
    process: Process
    seen_at: float
    has_ended: bool


class Lease:
    """This journal's own row, and a look at those of others."""

    def __init__(self, process: Process, seconds: Callable[[], float] = time.monotonic) -> None:
        self.id = uuid.uuid4().hex
        self._process = process
        self._seconds = seconds
        self._changed: dict[str, tuple[float, float]] = {}  # what `seen_at` was, and since when, by our own clock

    def begin(self, connection: Connection, now: float) -> None:
        """Writes the row."""
        here = self._process
        row = {"id": self.id, "host": here.host, "pid": here.pid, "started": here.started, "seen_at": now}
        connection.execute(insert(instances), row)

    def renew(self, connection: Connection, now: float, figures: str | None = None) -> bool:
        """Says that we live, and how our deliveries stand. False: another took us for dead, and has our calls'
        deliveries now."""
        mine = update(instances).where(instances.c.id == self.id)
        if connection.execute(mine.values(seen_at=now, figures=figures)).rowcount:
            return True
        self.begin(connection, now)
        return False

    def end(self, connection: Connection, now: float) -> None:
        """Says that we are through: whoever comes may take over what is left."""
        mine = update(instances).where(instances.c.id == self.id)
        connection.execute(mine.values(ended_at=now, figures=None))

    def others(self, connection: Connection) -> list[Instance]:
        """Everybody else."""
        rows = connection.execute(select(instances).where(instances.c.id != self.id))
        found = [_instance(row) for row in rows]
        now = self._seconds()
        before = self._changed
        self._changed = {}
        for other in found:
            seen_at, since = before.get(other.id, (None, now))
            self._changed[other.id] = (other.seen_at, since if seen_at == other.seen_at else now)
        return found

    def is_gone(self, other: Instance, *, by_age: bool) -> bool:
        """Whether one of `others` will never write again. `by_age`: whose row does not change counts as gone."""
        if other.has_ended:
            return True
        here = self._process
        if other.process.host == here.host:
            return not is_running(other.process, here)
        _seen_at, since = self._changed[other.id]
        return by_age and self._seconds() - since >= GONE_SECONDS

    @staticmethod
    def take_over(connection: Connection, other: Instance) -> bool:
        """Whether we, and nobody else, are the one who takes over what the other left."""
        # Who was not gone after all has been seen since.
        this = (instances.c.id == other.id) & (instances.c.seen_at == other.seen_at)
        return bool(connection.execute(delete(instances).where(this)).rowcount)


def _instance(row: Any) -> Instance:
    return Instance(row.id, Process(row.host, row.pid, row.started), row.seen_at, row.ended_at is not None)


def _started(pid: int) -> str:
    # proc(5): field 22 of stat, in clock ticks since boot. The second, a name, may hold anything up to its ")".
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    was_killed = fields[:1] in (["Z"], ["X"])  # and its parent has not looked yet
    return fields[19] if len(fields) > 19 and not was_killed else ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
