"""Twisted's HTTP client without its two log lines for each connection, and with a tolerance for long heads."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from voicestt.delivery.long_heads import with_short_heads


def quiet_agent(reactor: Any, pool: HTTPConnectionPool, connect_seconds: float) -> Agent:
    """Creates an Agent that connects within `connect_seconds`; with HTTPS it trusts the machine's certificates."""
    agent: Agent = Agent.usingEndpointFactory(reactor, _Endpoints(reactor, connect_seconds), pool)
    return agent


@implementer(IAgentEndpointFactory)
class _Endpoints:
    def __init__(self, reactor: Any, seconds: float) -> None:
        self._reactor = reactor
        self._policy = BrowserLikePolicyForHTTPS()
        self._seconds = seconds

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        """Creates the endpoint of a URI."""
        endpoint: Any = HostnameEndpoint(self._reactor, uri.host, uri.port, timeout=self._seconds)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), endpoint)
        return _Quiet(endpoint)


@implementer(IStreamClientEndpoint)
class _Quiet:
    """An endpoint that connects without the lines "Starting factory" and "Stopping factory"."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: Any) -> Deferred[IProtocol]:
        """Connects as the endpoint does, with a quiet factory."""
        factory.noisy = False
        connected: Deferred[Any] = self._endpoint.connect(with_short_heads(factory))
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)
