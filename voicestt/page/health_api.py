"""The server's health: now, and minute by minute over an hour or a day; its flag, its fleet, its destinations."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from twisted.web.http import BAD_REQUEST, NOT_FOUND

from voicestt.page.masking import OwnText
from voicestt.page.visit import Endpoint, PageError, Visit
from voicestt.runtime.times import rfc3339
from voicestt.server.control.flag import FlagSwitch, State
from voicestt.server.health import HealthReport
from voicestt.server.minute_history import MinuteFigures, MinuteHistory
from voicestt.server.pipeline import DestinationState, EventPipeline

SPANS: Final[Mapping[str, int]] = {"hour": 60, "day": 1_440}
PRICES: Final[Mapping[str, float]] = {"v1": 0.024, "v2": 0.016}
"""Google's prices of a minute in US dollars that were known when this was written, see docs/cost.md."""

_BY: Final = "the page"


class Fleet(Protocol):
    """The server processes that work together."""

    def processes(self) -> Awaitable[Sequence[Mapping[str, Any]]]:
        """Return what is known of each process, as JSON."""
        ...


class HealthApi:
    """Shows how the server is; `minute_price` is Google's, in US dollars. `now` is in seconds since 1970."""

    def __init__(
        self,
        report: HealthReport,
        history: MinuteHistory,
        pipeline: EventPipeline,
        minute_price: float,
        now: Callable[[], float],
    ) -> None:
        self._report = report
        self._history = history
        self._pipeline = pipeline
        self._minute_price = minute_price
        self._now = now

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoint."""
        return [Endpoint("GET", "/api/health", self._health)]

    async def _health(self, visit: Visit) -> Mapping[str, Any]:
        span = visit.query.get("span") or "hour"
        if span not in SPANS:
            raise PageError(BAD_REQUEST, "`span` is hour or day.")
        destinations = self._pipeline.destinations
        return {
            "now": {**self._report.json, "feed": self._pipeline.hub.counters},
            "span": span,
            "minutes": [self._minute(each) for each in self._history.last(SPANS[span])],
            "destinations": [self._destination(name, state) for name, state in destinations.items()],
        }

    def _minute(self, figures: MinuteFigures) -> dict[str, object]:
        delay, lag = figures.delay.milliseconds, figures.lag.milliseconds
        return {
            "at": rfc3339(figures.at),
            "calls": figures.calls,
            **{f"delay_{name}": delay[name] for name in ("p50", "p95", "p99")},
            "reactor_lag_ms": lag["p99"],
            "streams": figures.streams,
            "rotations": figures.rotations,
            "failures": figures.failures,
            "lost_seconds": round(figures.lost_seconds, 1),
            "google_seconds": round(figures.google_seconds, 1),
            "cost": round(figures.google_seconds / 60 * self._minute_price, 5),
        }

    def _destination(self, name: str, state: DestinationState) -> dict[str, object]:
        figures, standing = state.figures, state.standing
        oldest = None if standing.oldest_at is None else round(max(0.0, self._now() - standing.oldest_at), 1)
        return {
            "name": OwnText(name),
            "state": "down" if figures.is_down else "ok",
            "backlog": standing.waiting,
            "dead": standing.dead_lettered,
            "oldest_s": oldest,
            "last_error": figures.last_error,
        }


class FlagApi:
    """Shows and turns ENABLE_STREAMING_STT; a page asks first, and is told how many calls follow."""

    def __init__(self, switch: FlagSwitch) -> None:
        self._switch = switch

    @property
    def endpoints(self) -> list[Endpoint]:
        """The two endpoints."""
        return [Endpoint("GET", "/api/flag", self._show), Endpoint("POST", "/api/flag", self._turn)]

    async def _show(self, _visit: Visit) -> Mapping[str, Any]:
        state = self._switch.state
        calls = {"calls": state.live, "streaming_calls": state.streaming, "single_shot_calls": state.single_shot}
        return {"streaming": state.is_on, **calls}

    async def _turn(self, visit: Visit) -> Mapping[str, Any]:
        wanted = visit.body.get("streaming")
        if not isinstance(wanted, bool):
            raise PageError(BAD_REQUEST, "`streaming` is true or false.")
        before = self._switch.state
        words = self._switch.turn(wanted, _BY)
        after = self._switch.state
        return {"streaming": after.is_on, "moved": _moved(before, after), "message": words}


def _moved(before: State, after: State) -> int:
    """Count the calls that follow: those that leave streaming have left, those that return will."""
    if before.is_on == after.is_on:
        return 0
    return before.single_shot if after.is_on else before.streaming - after.streaming


class FleetApi:
    """Shows the processes of a fleet, if there is one."""

    def __init__(self, fleet: Fleet | None) -> None:
        self._fleet = fleet

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoint."""
        return [Endpoint("GET", "/api/fleet", self._show)]

    async def _show(self, _visit: Visit) -> Mapping[str, Any]:
        if self._fleet is None:
            raise PageError(NOT_FOUND, "This server works alone: there is no fleet.")
        return {"processes": list(await self._fleet.processes())}
