"""Twisted's HTTP client, without two lines in the log for each connection, and for answers with any head."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from voicestt.delivery.long_heads import with_short_heads


def quiet_agent(reactor: Any, pool: HTTPConnectionPool, connect_seconds: float) -> Agent:
    """An Agent that connects within `connect_seconds`, for HTTPS to whom the machine trusts."""
    agent: Agent = Agent.usingEndpointFactory(reactor, _Endpoints(reactor, connect_seconds), pool)
    return agent


@implementer(IAgentEndpointFactory)
class _Endpoints:
    def __init__(self, reactor: Any, seconds: float) -> None:
        self._reactor = reactor
        self._policy = BrowserLikePolicyForHTTPS()
        self._seconds = seconds

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        """Where a URI leads."""
        endpoint: Any = HostnameEndpoint(self._reactor, uri.host, uri.port, timeout=self._seconds)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), endpoint)
        return _Quiet(endpoint)


@implementer(IStreamClientEndpoint)
class _Quiet:
    """Connects without the factory's "Starting factory" and "Stopping factory"."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: Any) -> Deferred[IProtocol]:
        """As the endpoint does."""
        factory.noisy = False
        connected: Deferred[Any] = self._endpoint.connect(with_short_heads(factory))
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)
