"""Reads a process's CPU time, memory and threads from /proc (Linux)."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of the process, its resident kilobytes and its threads; `at` is CLOCK_MONOTONIC."""

    at: float
    cpu: float
    rss_kb: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Reads the usage of process `pid` now; raises FileNotFoundError when there is no such process."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        cpu = (int(fields[11]) + int(fields[12])) / _TICKS  # utime and stime: proc(5)
        return cls(time.monotonic(), cpu, int(status["VmRSS"].split()[0]), int(status["Threads"]))
