"""The limit on the process's open files and sockets, raised as far as the system allows."""

import resource
import sys

from twisted.logger import Logger

_log = Logger()


def raise_descriptors() -> int:
    """Raise the soft limit to the hard one, log it, and return the limit that holds now."""
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
