"""This process as a member of its fleet: how it is, in what `voicestt fleet` shows, and what it does when told."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

import voicestt
from voicestt.config.settings import Settings
from voicestt.fleet.flag import FlagOrder
from voicestt.fleet.fleet import Fleet, FleetParts
from voicestt.fleet.stream_leases import StreamLeases
from voicestt.recognisers.modes import Flag
from voicestt.runtime.deadline import Deadline
from voicestt.runtime.reactor import ReactorLike
from voicestt.server.call_counts import ActiveCalls
from voicestt.server.calls import Calls
from voicestt.server.control.flag import FlagSwitch
from voicestt.server.pipeline import EventPipeline

_FOR_LEAVING: Final = 0.3  # of the time that is left to a stop


class FleetMember:
    """The `fleet`, and this process in it; `drain` stops the process, and says in words what that means."""

    def __init__(self, reactor: ReactorLike, settings: Settings, drain: Callable[[], str]) -> None:
        self._since = time.time()
        self._drain = drain
        self._switch: FlagSwitch | None = None
        self._calls: Calls | None = None
        self._pipeline: EventPipeline | None = None
        parts = FleetParts(self._about, self._ordered, self._back, lambda _by: drain())
        self.fleet = Fleet(reactor, settings.fleet_url, streams_of(settings), parts)

    @property
    def leases(self) -> StreamLeases | None:
        """The leases of Google's streams; None where any number may be open."""
        return self.fleet.leases

    @property
    def health(self) -> Mapping[str, object]:
        """Counts for the health check, which anybody may read: no host and no name."""
        fleet, leases = self.fleet, self.fleet.leases
        health: dict[str, object] = {}
        if fleet.redis is not None:
            order = fleet.order
            health["fleet"] = {
                "is_up": fleet.link.is_up,
                "processes": fleet.processes,
                "flag": None if order is None else order.state,
                **self._joint,
            }
        if leases is not None:
            health["streams"] = _streams(leases)
        return health

    @property
    def _joint(self) -> Mapping[str, object]:
        """The counts of what is known and told of calls in the fleet."""
        joint: dict[str, object] = {}
        if self._calls is not None and self._calls.fleet_counts is not None:
            joint["calls"] = asdict(self._calls.fleet_counts)
        if self._pipeline is not None:
            joint["live_events"] = asdict(self._pipeline.feed.counts)
        return joint

    def switch_of(self, flag: Flag, active_calls: ActiveCalls) -> FlagSwitch:
        """Make the switch of the flag, which follows the fleet's."""
        self._switch = FlagSwitch(flag, active_calls, lambda: self.fleet.link.is_up)
        return self._switch

    def describe(self, calls: Calls, pipeline: EventPipeline) -> None:
        """Tell the fleet of these from now on."""
        self._calls, self._pipeline = calls, pipeline

    async def start(self) -> None:
        """Join the fleet, and follow its flag before the first call.

        Raises:
            CannotJoin: where that could never work.
        """
        await self.fleet.start()

    async def stop(self, deadline: Deadline) -> None:
        """Leave the fleet."""
        await self.fleet.stop(deadline.part(_FOR_LEAVING))

    def _ordered(self, order: FlagOrder) -> None:
        if self._switch is not None:
            self._switch.follow(order)

    def _back(self) -> None:
        if self._switch is not None:
            self._switch.fleet_is_back()

    def _about(self) -> dict[str, object]:
        """Describe this process; no value is a number or a word of a caller."""
        about: dict[str, object] = {"version": voicestt.__version__, "since": round(self._since, 3)}
        if self._switch is not None:
            state = self._switch.state
            about["flag"] = state.is_on
            about["order"] = self.fleet.order.number if self.fleet.order else 0
            about |= {"streaming": state.streaming, "single_shot": state.single_shot}
        if self._calls is not None:
            about |= {"calls": len(self._calls), "lag_ms": round(self._calls.admission.lag * 1000, 1)}
            about["draining"] = self._calls.is_draining
        if self._pipeline is not None:
            about["journal"] = _journal(self._pipeline)
        if self.leases is not None:
            about["streams"] = _streams(self.leases)
        return about


def streams_of(settings: Settings) -> int | None:
    """Return the quota that this process goes by: the fleet's, or its share among the workers of its server."""
    if settings.google_streams is None or settings.fleet_url is not None:
        return settings.google_streams
    return max(1, settings.google_streams // settings.workers)


def _streams(leases: StreamLeases) -> dict[str, object]:
    return {
        "quota": leases.quota,
        "in_use": leases.in_use,
        "limit": leases.limit,
        "waiting": leases.waiting,
        "is_alone": leases.is_alone,
    }


def _journal(pipeline: EventPipeline) -> str:
    journal = pipeline.journal
    if journal is None:
        return "off"
    return "ok" if journal.state.is_written else "down"
