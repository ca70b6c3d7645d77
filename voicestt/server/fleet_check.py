"""Checks of the fleet for /healthz: is this process alone, and do calls wait for a stream?"""

from collections.abc import Iterable

from voicestt.fleet.fleet import Fleet
from voicestt.server.health import Problem


class FleetCheck:
    """Checks the link to the fleet, and the leases of Google's streams."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def __call__(self) -> Iterable[Problem]:
        """Find what is wrong now."""
        redis, leases = self._fleet.redis, self._fleet.leases
        if redis is not None and not redis.is_up:
            # No address and no words of Redis: anybody may read this.
            text = f"the fleet's Redis has been away for {redis.away_for:.0f} s: this process goes on alone"
            yield Problem("fleet", text)
        if leases is not None and leases.waiting:
            text = f"{leases.waiting} calls are not streamed, as {leases.reason}"
            yield Problem("streams", text)
