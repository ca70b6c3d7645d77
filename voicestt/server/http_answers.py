"""Whole answers to HTTP requests, and reading of a request's headers."""

import json
from collections.abc import Mapping

from twisted.web.http import Request

from voicestt.twilio.signatures import Headers

_UPGRADE_REQUIRED = 426


def headers_of(request: Request) -> Headers:
    """Make a header look-up for `request`; Twisted's own raises if a stranger's bytes are not UTF-8."""

    def header(name: str, /) -> str | None:
        value = request.getHeader(name.encode())
        return None if value is None else value.decode("utf-8", "replace")

    return header


def text_answer(request: Request, code: int, words: str) -> bytes:
    """Answer with a line of plain text."""
    return answer(request, code, "text/plain; charset=utf-8", words.encode() + b"\n")


def json_answer(request: Request, code: int, value: Mapping[str, object]) -> bytes:
    """Answer with a JSON object."""
    return answer(request, code, "application/json", json.dumps(value).encode())


def answer(request: Request, code: int, content_type: str, body: bytes) -> bytes:
    """Set the status and the headers of an answer; return its body."""
    # Klein answers in chunks where no length is set, which Twilio takes, but not every proxy before it.
    request.setResponseCode(code)
    request.setHeader(b"content-type", content_type.encode())
    request.setHeader(b"content-length", str(len(body)).encode())
    return body


def asks_for_websocket(request: Request) -> bool:
    """Return True if the request asks for a WebSocket."""
    return (headers_of(request)("upgrade") or "").lower() == "websocket"


def upgrade_required(request: Request) -> bytes:
    """Answer a plain request for the path of a WebSocket."""
    request.setHeader("upgrade", "websocket")
    return text_answer(request, _UPGRADE_REQUIRED, "This path speaks WebSocket only.")
