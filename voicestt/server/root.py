"""The root resource before the router: answers malformed requests, which Klein could only fail on."""

import re
from urllib.parse import unquote_to_bytes

from twisted.web.http import BAD_REQUEST, NOT_FOUND
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

_NOTHING = b"There is nothing here.\n"
_BAD = b"This is no request that can be understood.\n"
_TARGET = re.compile(rb"/[!-~]*")  # origin-form, RFC 9112 section 3.2.1
_HOST = re.compile(rb"[A-Za-z0-9._~-]{1,255}(:[0-9]{0,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{0,5})?")


class Root(Resource):
    """Passes well-formed requests to `router`: scanners send targets and hosts that are not."""

    isLeaf = True  # noqa: N815 - Twisted's

    def __init__(self, router: IResource) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._router = router

    def render(self, request: Request) -> bytes | int:
        """Answer the request, by the router if it is well-formed."""
        if not _TARGET.fullmatch(request.uri) or not _is_host(request):
            return _answer(request, BAD_REQUEST, _BAD)
        if not _is_text(unquote_to_bytes(request.path)):
            return _answer(request, NOT_FOUND, _NOTHING)
        answer: bytes | int = self._router.render(request)
        return answer


def _answer(request: Request, code: int, words: bytes) -> bytes:
    request.setResponseCode(code)
    request.setHeader(b"content-type", b"text/plain; charset=utf-8")
    request.setHeader(b"content-length", str(len(words)).encode())
    return b"" if request.method == b"HEAD" else words


def _is_host(request: Request) -> bool:
    hosts = request.requestHeaders.getRawHeaders(b"host", [])
    return len(hosts) <= 1 and all(_HOST.fullmatch(host) for host in hosts)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
