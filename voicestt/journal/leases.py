"""Leases of the processes that write into a journal, by which a dead process is found and its work taken over.

The clocks of two processes are never compared, as one may jump: a lease's age is the time for which its `seen_at`,
whatever its value, has not changed, by the clock of the process that looks. A process that runs on this host
counts as alive.
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
"""Time without a change of its row after which an instance on another host is gone."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a host.

    `started` tells it from an earlier one of the same number, "" where that is unknown. `host` is one boot of one
    machine, seen from within one container: elsewhere the number is another process's.
    """

    host: str
    pid: int
    started: str


def this_process() -> Process:
    """Identify the current process."""
    parts = (socket.gethostname(), _text("/proc/sys/kernel/random/boot_id"), _link("/proc/self/ns/pid"))
    return Process(" ".join(filter(None, parts)), os.getpid(), _started(os.getpid()))


def is_running(process: Process, here: Process) -> bool:
    """Return True if `process`, which must be on this host, is running."""
    if process.pid == here.pid:
        # If start times are unknown, a process with our own number was an earlier one.
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
    """A row of the table of instances: another process and its lease."""

    id: str
    process: Process
    seen_at: float
    has_ended: bool


class Lease:
    """This process's own lease, and a view of the leases of others."""

    def __init__(self, process: Process, seconds: Callable[[], float] = time.monotonic) -> None:
        self.id = uuid.uuid4().hex
        self._process = process
        self._seconds = seconds
        self._changed: dict[str, tuple[float, float]] = {}  # what `seen_at` was, and since when, by our own clock

    def begin(self, connection: Connection, now: float) -> None:
        """Insert the row of this lease."""
        here = self._process
        row = {"id": self.id, "host": here.host, "pid": here.pid, "started": here.started, "seen_at": now}
        connection.execute(insert(instances), row)

    def renew(self, connection: Connection, now: float, figures: str | None = None) -> bool:
        """Renew the lease, with the current figures of our deliveries.

        False if the row was gone: another process took us for dead, and delivers our calls' events now. A new row
        is inserted then.
        """
        mine = update(instances).where(instances.c.id == self.id)
        if connection.execute(mine.values(seen_at=now, figures=figures)).rowcount:
            return True
        self.begin(connection, now)
        return False

    def end(self, connection: Connection, now: float) -> None:
        """Mark the lease as ended, so that any other process may take over what is left."""
        mine = update(instances).where(instances.c.id == self.id)
        connection.execute(mine.values(ended_at=now, figures=None))

    def others(self, connection: Connection) -> list[Instance]:
        """Read the leases of all other processes, and note which have changed."""
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
        """Return True if one of `others` will never write again.

        `by_age`: a process on another host whose row has not changed for `GONE_SECONDS` counts as gone.
        """
        if other.has_ended:
            return True
        here = self._process
        if other.process.host == here.host:
            return not is_running(other.process, here)
        _seen_at, since = self._changed[other.id]
        return by_age and self._seconds() - since >= GONE_SECONDS

    @staticmethod
    def take_over(connection: Connection, other: Instance) -> bool:
        """Delete the other's lease; True if this process, and nobody else, is the one that takes over from it."""
        # An instance that was not gone after all has changed its `seen_at`.
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
