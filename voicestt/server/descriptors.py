"""How many files and sockets the process may have open: as many as the system lets it."""

import resource
import sys

from twisted.logger import Logger

_log = Logger()


def raise_descriptors() -> int:
    """Raises the soft limit to the hard one, says so, and returns what holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as problem:
            _log.warn(
                "This process may have {soft} descriptors (calls, connections, files), and raising that to {hard} "
                "failed ({problem}). What to do: `ulimit -n`, or LimitNOFILE of systemd, if calls fail.",
                soft=soft,
                hard=hard,
                problem=str(problem),
            )
            return soft
    _log.info("[CFG] {hard} descriptors (calls, connections, files); {soft} before.", hard=hard, soft=soft)
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard
