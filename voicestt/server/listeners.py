"""The listening sockets of a server: its own, or those that a worker inherits from its supervisor."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger

from voicestt.runtime.reactor import FullReactor
from voicestt.server.monitoring import Monitoring
from voicestt.workers.link import WorkerLink

_METRICS = -1  # the last of the endpoints
_log = Logger("voicestt.server.service.VoiceService")  # operators look for these lines there


class Listeners:
    """Listens on `endpoints`, and on `metrics_endpoint` with the metrics only; `host` is PUBLIC_HOST."""

    def __init__(
        self,
        reactor: FullReactor,
        host: str,
        endpoints: Sequence[str],
        metrics_endpoint: str | None,
        link: WorkerLink | None = None,
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._endpoints = endpoints
        self._metrics_endpoint = metrics_endpoint
        self._link = link
        self._ports: list[IListeningPort] = []

    @property
    def addresses(self) -> list[Any]:
        """The addresses that are listened on."""
        return [port.getHost() for port in self._ports]

    async def listen(self, site: IProtocolFactory) -> None:
        """Listen for calls."""
        for index, endpoint in enumerate(self._endpoints):
            self._ports.append(await self._listen(index, endpoint, site))
            _log.info("Listening on {endpoint} for https://{host}", endpoint=endpoint, host=self._host)

    async def listen_for_metrics(self, monitoring: Monitoring) -> None:
        """Listen for Prometheus, where the metrics have an address of their own."""
        if self._metrics_endpoint is not None:
            self._ports.append(await self._listen(_METRICS, self._metrics_endpoint, monitoring.site()))
            _log.info("Metrics are on {endpoint}, at /metrics", endpoint=self._metrics_endpoint)

    async def stop(self) -> None:
        """Stop listening; connections that there are go on."""
        ports, self._ports = self._ports, []
        for port in ports:
            stopped: Any = port.stopListening()
            if isinstance(stopped, Deferred):
                await stopped

    async def _listen(self, index: int, endpoint: str, site: IProtocolFactory) -> IListeningPort:
        if self._link is not None:
            return await self._link.listen(index, endpoint, site)
        port: IListeningPort = await serverFromString(self._reactor, endpoint).listen(site)
        return port
