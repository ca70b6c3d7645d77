"""The fleet as the page shows it, and the flag, which a page turns for all processes that work together."""

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.web.http import BAD_REQUEST, NOT_FOUND, SERVICE_UNAVAILABLE

from voicestt.fleet.flag import FLAG_CHANNEL, FLAG_KEY, GIVE_ORDER
from voicestt.fleet.fleet import Fleet
from voicestt.fleet.membership import ALIVE_KEY, LIST, MEMBERS_KEY, members_of
from voicestt.fleet.port import FleetAway
from voicestt.page.visit import Endpoint, PageError, Visit
from voicestt.server.control.flag import State, TurnableFlag

_BY: Final = "the page"
_FOLLOWS_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.05
_AWAY: Final = "Redis does not answer just now: each process works on alone, and nobody knows of the others."


class FlagApi:
    """Shows and turns ENABLE_STREAMING_STT: that of the `fleet` where there is one, else this process's own."""

    def __init__(self, clock: IReactorTime, switch: TurnableFlag, fleet: Fleet) -> None:
        self._clock = clock
        self._switch = switch
        self._fleet = fleet

    @property
    def endpoints(self) -> list[Endpoint]:
        """The two endpoints."""
        return [Endpoint("GET", "/api/flag", self._show), Endpoint("POST", "/api/flag", self._turn)]

    async def _show(self, _visit: Visit) -> Mapping[str, Any]:
        state = self._switch.state
        return {
            "streaming": state.is_on,
            "calls": state.live,
            "streaming_calls": state.streaming,
            "single_shot_calls": state.single_shot,
            "processes": self._fleet.processes if self._fleet.link.is_up else 1,
            "ordered": state.ordered,
        }

    async def _turn(self, visit: Visit) -> Mapping[str, Any]:
        wanted = visit.body.get("streaming")
        if not isinstance(wanted, bool):
            raise PageError(BAD_REQUEST, "`streaming` is true or false.")
        before = self._switch.state
        words = await self._turn_all(wanted) if self._fleet.link.is_up else self._switch.turn(wanted, _BY)
        after = self._switch.state
        return {"streaming": after.is_on, "moved": _moved(before, after), "message": words}

    async def _turn_all(self, wanted: bool) -> str:
        """Give the fleet an order, and wait until this process has followed it."""
        try:
            await self._fleet.link.run(GIVE_ORDER, [FLAG_KEY], ["on" if wanted else "off", _BY])
        except FleetAway:
            raise PageError(SERVICE_UNAVAILABLE, _AWAY) from None
        self._fleet.link.publish(FLAG_CHANNEL, b"")
        give_up = self._clock.seconds() + _FOLLOWS_SECONDS
        while self._switch.state.is_on != wanted and self._clock.seconds() < give_up:
            await deferLater(self._clock, _LOOK_SECONDS)
        count = self._fleet.processes
        return f"ENABLE_STREAMING_STT={wanted} for the fleet ({_BY}); it has {count} processes"


class FleetApi:
    """Shows the processes of the `fleet`, if there is one."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoint."""
        return [Endpoint("GET", "/api/fleet", self._show)]

    async def _show(self, _visit: Visit) -> Mapping[str, Any]:
        if self._fleet.redis is None:
            raise PageError(NOT_FOUND, "This server works alone: there is no fleet.")
        try:
            reply = await self._fleet.link.run(LIST, [MEMBERS_KEY, ALIVE_KEY])
        except FleetAway:
            raise PageError(SERVICE_UNAVAILABLE, _AWAY) from None
        return {"processes": [member.json for member in members_of(reply)]}


def _moved(before: State, after: State) -> int:
    """Count the calls here that follow: those that leave streaming have left, those that return will."""
    if before.is_on == after.is_on:
        return 0
    return before.single_shot if after.is_on else before.streaming - after.streaming
