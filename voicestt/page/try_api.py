"""The page's "Try it": opens the sockets, and ends them when the server stops."""

from functools import partial
from typing import Final
from weakref import WeakSet

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import NOT_FOUND

from voicestt.config.settings import Settings
from voicestt.page.try_call import TryCall
from voicestt.page.try_limits import CALLS_FIRST, TryLimits
from voicestt.page.try_socket import TryResource, TrySocket
from voicestt.page.visit import Endpoint, PageError, Visit
from voicestt.recognisers.port import CallRecogniser
from voicestt.server.http_answers import headers_of

_UPGRADE_REQUIRED: Final = 426


class TryApi:
    """Opens tries for those who may act; `recogniser` is that of the calls."""

    def __init__(
        self, clock: IReactorTime, settings: Settings, recogniser: CallRecogniser, limits: TryLimits
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._make = partial(TryCall, clock, settings, recogniser)
        self._open: WeakSet[TrySocket] = WeakSet()

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoint."""
        return [Endpoint("GET", "/try", self._answer, for_viewers=False, is_socket=True)]

    def stop(self) -> None:
        """End all tries: their last words are told while there is time."""
        for socket in list(self._open):
            socket.finish("the server is stopping", CALLS_FIRST)

    async def _answer(self, visit: Visit) -> TryResource:
        """Open a socket."""
        if not self._limits.is_on:
            raise PageError(NOT_FOUND, "There is nothing to try here: PAGE_TRY_MINUTES=0.")
        if (headers_of(visit.request)("upgrade") or "").lower() != "websocket":
            raise PageError(_UPGRADE_REQUIRED, "This path speaks WebSocket only.", {"upgrade": "websocket"})
        socket = TrySocket(self._clock, visit.csrf, self._limits, self._make)
        self._open.add(socket)
        return TryResource(socket)
