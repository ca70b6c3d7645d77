"""What stands before the router: requests that Klein could only answer with a traceback in the log."""

from urllib.parse import unquote_to_bytes

from twisted.web.http import NOT_FOUND
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

_NOTHING = b"There is nothing here.\n"


class Root(Resource):
    """Hands every request on to `router`, but those whose path or host is no UTF-8: scanners send such."""

    isLeaf = True  # noqa: N815 - Twisted's

    def __init__(self, router: IResource) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._router = router

    def render(self, request: Request) -> bytes | int:
        """Twisted asks for the answer."""
        if _is_text(request.getHeader(b"host") or b"") and _is_text(unquote_to_bytes(request.path)):
            answer: bytes | int = self._router.render(request)
            return answer
        request.setResponseCode(NOT_FOUND)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        request.setHeader(b"content-length", str(len(_NOTHING)).encode())
        return _NOTHING


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
