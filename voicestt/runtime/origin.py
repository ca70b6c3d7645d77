"""Removal of a WebSocket's Origin header, which does not matter where a signature or a token is asked for."""

from twisted.web.http import Request

_HEADERS = ("origin", "sec-websocket-origin")  # RFC 6455, and the draft before it


def forget_origin(request: Request) -> None:
    """Remove the origin from a request that was admitted already.

    Autobahn would refuse some: `null`, which browsers send for a page from a file or a sandboxed frame, `file://`,
    and what has no host in it.
    """
    for header in _HEADERS:
        request.requestHeaders.removeHeader(header)
