"""Ends of this process that twistd does not know: with an exit code of its own, and by force."""

import atexit
import os
import sys
import threading

from twisted.logger import Logger

_log = Logger("voicestt.tap")  # operators look for its line there


def end_with_an_error() -> None:
    """Make this process end with exit code 1, once it ends."""
    # twistd has no exit code for a service that could not start: this is the last thing that it does.
    atexit.register(_leave, 1)


def end_after(seconds: float) -> None:
    """End this process after so long, if it is still there."""
    # A thread that nobody can end, such as one that resolves a name, would keep the process from ending.
    timer = threading.Timer(seconds, _end_by_force)
    timer.daemon = True
    timer.start()


def _end_by_force() -> None:
    _log.error(
        "The server's stop took longer than SHUTDOWN_SECONDS, because something hangs: the process is ended by "
        "force. What is in the journal is delivered after the next start."
    )
    _leave(1)


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
