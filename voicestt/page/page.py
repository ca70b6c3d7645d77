"""The page of a server, composed of its parts and their endpoints."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from typing import cast

from twisted.logger import Logger
from twisted.web.http import Request
from twisted.web.resource import IResource

import voicestt
from voicestt.ops.processes import ProcessReactor
from voicestt.page.call_recordings import CallRecordings
from voicestt.page.calls_api import CallsApi
from voicestt.page.destinations_api import DestinationsApi
from voicestt.page.fleet_api import FlagApi, FleetApi
from voicestt.page.gonogo_api import GoNoGoApi
from voicestt.page.headers import SAFETY, set_headers
from voicestt.page.health_api import PRICES, HealthApi
from voicestt.page.live_api import LiveApi
from voicestt.page.live_calls import LiveCalls
from voicestt.page.live_elsewhere import Elsewhere, live_elsewhere
from voicestt.page.login_api import LoginApi
from voicestt.page.logins import Logins, LoginTries, logins_of
from voicestt.page.queries import JournalQueries
from voicestt.page.recordings_api import RecordingApi
from voicestt.page.router import PageRouter
from voicestt.page.static_files import INDEX, StaticFiles
from voicestt.page.try_api import TryApi
from voicestt.page.try_limits import TryLimits
from voicestt.page.try_metrics import TryFamilies
from voicestt.page.visit import Endpoint, PageError
from voicestt.runtime.histogram import Percentiles
from voicestt.server.connections import UNKNOWN
from voicestt.server.http_answers import headers_of, text_answer
from voicestt.server.page_port import ServerParts

_log = Logger()

Environment = Callable[[], Mapping[str, str]]
"""Gives the variables of the server as they are now."""


class ServerPage:
    """The page of the server of `parts`, for those whom `logins` lets in."""

    def __init__(
        self,
        parts: ServerParts,
        logins: Logins,
        environment: Environment,
        static: StaticFiles | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._parts = parts
        self._static = static or StaticFiles()
        self._queries = JournalQueries(parts.reactor, parts.settings.journal_url)
        reactor = cast(ProcessReactor, parts.reactor)
        self._gonogo = GoNoGoApi(reactor, environment, now, lambda: parts.calls.why_not_ready)
        self._recordings = RecordingApi(parts.reactor, lambda: parts.recordings.library)
        self._tries = TryLimits(
            parts.settings.page_try_minutes, parts.reactor.seconds, lambda: parts.calls.why_not_ready
        )
        parts.metrics.add(TryFamilies(self._tries))
        self._try = TryApi(parts.reactor, parts.settings, parts.calls.recogniser, self._tries)
        self._live = LiveCalls(lambda: parts.switch.state.is_on)
        self._now = now
        parts.pipeline.hub.watch(self._live.take)
        login = self._login_api(logins)
        endpoints = [*login.endpoints, *self._endpoints()]
        self._router = PageRouter(logins, parts.settings.public_host, endpoints, self._refuse)
        login.add_to(self._router)
        self._router.open_path("GET", "/static/<path:name>", self._static.answer)

    @property
    def resource(self) -> IResource:
        """The resource of all paths below `/page`."""
        return self._router.resource

    def shell(self, request: Request) -> bytes:
        """Answer `GET /` with the page's frame, which asks for a password or shows itself."""
        set_headers(request, SAFETY)
        try:
            return self._static.answer(request, INDEX)
        except PageError:
            return text_answer(request, 404, "This installation lacks the page's files: install voicestt again.")

    async def stop(self) -> None:
        """End what the page has begun."""
        self._gonogo.stop()
        self._queries.stop()
        self._recordings.stop()
        self._try.stop()

    def _endpoints(self) -> list[Endpoint]:
        parts, pipeline = self._parts, self._parts.pipeline
        live = LiveApi(
            self._now,
            pipeline.hub,
            self._live,
            self._elsewhere if pipeline.journal is not None else None,
            self._delays,
            parts.settings.language,
            hides_numbers=parts.settings.journal_redact in {"numbers", "all"},
        )
        price = parts.settings.google_minute_price
        price = PRICES[parts.settings.api] if price is None else price
        apis = (
            live,
            CallsApi(self._queries, parts.settings.language, CallRecordings(lambda: parts.recordings.library)),
            HealthApi(parts.report, parts.history, pipeline, price, self._now, parts.siblings),
            FlagApi(parts.reactor, parts.switch, parts.fleet),
            FleetApi(parts.fleet),
            DestinationsApi(self._queries, lambda: pipeline.destinations),
            self._gonogo,
            self._recordings,
            self._try,
        )
        return [endpoint for api in apis for endpoint in api.endpoints]

    def _login_api(self, logins: Logins) -> LoginApi:
        parts = self._parts
        tries = LoginTries(parts.reactor.seconds)
        host = parts.settings.public_host
        return LoginApi(logins, tries, host, self._address_of, self._refuse, self._about)

    def _about(self) -> Mapping[str, object]:
        parts = self._parts
        return {
            "version": voicestt.__version__,
            "record": parts.settings.record,
            "fleet": parts.fleet.redis is not None,
            "streaming": parts.switch.state.is_on,
            "journal": parts.pipeline.journal is not None,
            "try": self._tries.is_on,
        }

    async def _elsewhere(self) -> Elsewhere:
        own = self._live.sessions
        return await self._queries.read(lambda connection: live_elsewhere(connection, own))

    def _delays(self, streams: Collection[str]) -> Mapping[str, Percentiles]:
        live = self._parts.calls.live
        return {call.stream_sid: call.added_delay for call in live if call.stream_sid in streams}

    def _address_of(self, request: Request) -> str:
        peer = str(getattr(request.getClientAddress(), "host", UNKNOWN))
        return self._parts.visitors.client(peer, headers_of(request)("x-forwarded-for"))

    def _refuse(self, request: Request, kind: str, hint: str) -> None:
        self._parts.calls.refusals.count(kind, self._address_of(request), hint)


def page_of(parts: ServerParts, environment: Environment = lambda: os.environ) -> ServerPage | None:
    """Make the page of a server whose variables `environment` gives; None where it has no password."""
    logins = logins_of(parts.settings)
    if logins is None:
        return None
    opens = "PAGE_PASSWORD" if parts.settings.page_password else "EVENTS_TOKEN"
    _log.info(
        "The page is at https://{host}/, and {opens} opens it.", host=parts.settings.public_host, opens=opens
    )
    return ServerPage(parts, logins, environment)
