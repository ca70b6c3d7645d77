"""The command line of a worker: that of its supervisor, in the foreground, and without what only one can do."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def interpreter_and_script() -> list[str]:
    """Return how this process was started: the interpreter, its own options, and the script or module.

    To be called before a daemon changes its folder: a script's path may be relative.
    """
    before, (script, *_) = sys.orig_argv[1 : -len(sys.argv)], sys.orig_argv[-len(sys.argv) :]
    is_module = before[-1:] in (["-m"], ["-c"])
    return [sys.executable, *before, script if is_module else os.path.abspath(script)]


def worker_command(began: Sequence[str], twistd: Mapping[str, Any] | None, ours: Sequence[str]) -> list[str]:
    """Return a worker's command line, of what began the supervisor, its twistd options and `ours`.

    The folder, the user and the file mode mask are inherited. A log file is the supervisor's: two processes cannot
    rotate one.
    """
    options = ["--nodaemon", "--pidfile="]
    twistd = twistd or {}
    if twistd.get("reactor"):
        options += ["--reactor", str(twistd["reactor"])]
    if twistd.get("syslog"):
        options += ["--syslog", "--prefix", str(twistd.get("prefix") or "twisted")]
    return [*began, *options, "voicestt", *ours]
