"""The server's health: now, and minute by minute over an hour or a day; and its destinations."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.web.http import BAD_REQUEST

from voicestt.page.masking import OwnText
from voicestt.page.visit import Endpoint, PageError, Visit
from voicestt.runtime.times import rfc3339
from voicestt.server.health import HealthReport
from voicestt.server.minute_history import MinuteFigures, MinuteHistory
from voicestt.server.pipeline import DestinationState, EventPipeline
from voicestt.server.siblings import Siblings

SPANS: Final[Mapping[str, int]] = {"hour": 60, "day": 1_440}
PRICES: Final[Mapping[str, float]] = {"v1": 0.024, "v2": 0.016}
"""Google's prices of a minute in US dollars that were known when this was written, see docs/cost.md."""


class HealthApi:
    """Shows how the server is; `minute_price` is Google's, in US dollars. `now` is in seconds since 1970.

    `siblings` answer for all workers, as at /healthz; the figures of the minutes are this process's.
    """

    def __init__(
        self,
        report: HealthReport,
        history: MinuteHistory,
        pipeline: EventPipeline,
        minute_price: float,
        now: Callable[[], float],
        siblings: Siblings | None = None,
    ) -> None:
        self._report = report
        self._siblings = siblings
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
        own = {**self._report.json, "feed": self._pipeline.hub.counters}
        return {
            "now": own if self._siblings is None else await self._siblings.health(own),
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
