"""The port of the page at `/`: what the server's router asks of it, and what the page is given of the server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twisted.web.http import Request
from twisted.web.resource import IResource

from voicestt.config.settings import Settings
from voicestt.fleet.fleet import Fleet
from voicestt.runtime.reactor import FullReactor
from voicestt.server.calls import Calls
from voicestt.server.connections import Visitors
from voicestt.server.control.flag import TurnableFlag
from voicestt.server.health import HealthReport
from voicestt.server.metrics.page import MetricsPage
from voicestt.server.minute_history import MinuteHistory
from voicestt.server.pipeline import EventPipeline
from voicestt.server.recordings import ServerRecordings
from voicestt.server.siblings import Siblings


@dataclass(frozen=True, slots=True)
class ServerParts:
    """The parts of a started server that the page shows, and acts on; `siblings` are those of a worker."""

    reactor: FullReactor
    settings: Settings
    calls: Calls
    pipeline: EventPipeline
    report: HealthReport
    history: MinuteHistory
    switch: TurnableFlag
    visitors: Visitors
    fleet: Fleet
    recordings: ServerRecordings
    metrics: MetricsPage
    siblings: Siblings | None = None


class BrowserPage(Protocol):
    """The page of one server, for browsers."""

    @property
    def resource(self) -> IResource:
        """The resource of all paths below `/page`."""
        ...

    def shell(self, request: Request) -> bytes:
        """Answer `GET /`."""
        ...

    async def stop(self) -> None:
        """End what was begun for those who look, and the page's threads."""
        ...


MakePage = Callable[[ServerParts], BrowserPage | None]
"""Makes the page of a server that starts; None where its settings switch it off."""


def no_page(_parts: ServerParts) -> None:
    """Make no page."""
