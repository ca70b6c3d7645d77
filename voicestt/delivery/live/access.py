"""Access to the live events, checked before anything else is done for a request."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import parse_qs

from twisted.logger import Logger
from twisted.web.http import BAD_REQUEST, FORBIDDEN, NOT_FOUND, SERVICE_UNAVAILABLE, UNAUTHORIZED, Request

from voicestt.delivery.live.filter import BadQuestion, EventFilter, asked_of
from voicestt.delivery.live.hub import MOST_LISTENERS, EventHub
from voicestt.delivery.live.tokens import BadTokenRequest, TokenScope, wish_in
from voicestt.runtime.times import rfc3339

FOR_EVERY_PAGE: Final = {b"access-control-allow-origin": b"*", b"cache-control": b"no-store"}
"""Headers of every answer: pages of any host may ask, as the token decides, and no cache may keep the answer."""

TO_PREFLIGHT: Final = {
    **FOR_EVERY_PAGE,
    b"access-control-allow-methods": b"GET",
    b"access-control-allow-headers": b"Authorization, Last-Event-ID, Cache-Control",
    b"access-control-max-age": b"86400",
}
"""Headers of the answer to a browser that asks whether its page may send a token in a header."""

_SCHEME = "bearer"
_PARAMETER = "access_token"
_MOST_FIELDS = 200
_CHALLENGE = b'Bearer realm="voicestt"'


class NotAdmitted(Exception):
    """A request that is to be answered with `code`, `headers` and these words."""

    def __init__(self, code: int, words: str, headers: Mapping[bytes, bytes] | None = None) -> None:
        super().__init__(words)
        self.code = code
        self.headers = {**FOR_EVERY_PAGE, **(headers or {})}


class FeedAccess:
    """Admits listeners to `hub`, None if there is none.

    `refuse` is called for requests without the right token, to count and log them.
    """

    _log = Logger()

    def __init__(self, hub: EventHub | None, refuse: Callable[[Request, str, str], object]) -> None:
        self._hub = hub
        self._refuse = refuse
        self._has_complained = False

    def admit(self, request: Request) -> tuple[EventHub, EventFilter]:
        """Check a request, and return the event hub and the filter that it asks for.

        Raises:
            NotAdmitted: when the request lacks the token, cannot be understood, or comes at a wrong time.
        """
        hub = self.open()
        query = request.uri.partition(b"?")[2].decode("ascii", "replace")
        brought = presented(_header(request, b"authorization"), query)
        narrow = self._scope_of(hub, brought)
        if narrow is None:
            raise self._wrong_token(request, brought)
        try:
            asked = narrow(asked_of(query, _header(request, b"last-event-id")))
        except BadQuestion as problem:
            raise NotAdmitted(BAD_REQUEST, str(problem)) from None
        if hub.is_stopping:
            raise NotAdmitted(SERVICE_UNAVAILABLE, "The server is stopping.", {b"retry-after": b"5"})
        if hub.is_full:
            words = f"There are {MOST_LISTENERS} listeners already."
            raise NotAdmitted(SERVICE_UNAVAILABLE, words, {b"retry-after": b"30"})
        return hub, asked

    def issue(self, request: Request) -> Mapping[str, object]:
        """Make a token for one call or number, for whoever has EVENTS_TOKEN itself; return the answer's fields.

        Raises:
            NotAdmitted: when the request lacks the token, or its body cannot be understood.
        """
        hub = self.open()
        brought = presented(_header(request, b"authorization"), "")
        if not hub.opens_to(brought) or hub.tokens is None:
            raise self._wrong_token(request, brought)
        try:
            wish = wish_in(json.loads(b"" if request.content is None else request.content.read()))
            token, until = hub.tokens.make(**wish)
        except BadTokenRequest as problem:
            raise NotAdmitted(BAD_REQUEST, str(problem)) from None
        except (ValueError, RecursionError):
            raise NotAdmitted(BAD_REQUEST, "The body is no JSON object.") from None
        return {"token": token, "expires": rfc3339(until)}

    @staticmethod
    def _scope_of(hub: EventHub, brought: str | None) -> Callable[[EventFilter], EventFilter] | None:
        """Return what narrows a filter to what a token opens; None for a token that opens nothing."""
        if hub.opens_to(brought):
            return _everything
        scope = None if brought is None or hub.tokens is None else hub.tokens.read(brought)
        if scope is None or hub.tokens is None:
            return None
        return partial(_narrowed, scope, hub.tokens.seconds_left(scope))

    def open(self) -> EventHub:
        """Return the event hub.

        Raises:
            NotAdmitted: when there is none, or it has no token.
        """
        if self._hub is not None and self._hub.has_token:
            return self._hub
        if not self._has_complained:
            self._has_complained = True
            self._log.warn(
                "Somebody asked for the live events and was answered 404, as everybody is: EVENTS_TOKEN is not "
                "set. What to do: set it to a secret and start again, if they should be listened to."
            )
        raise NotAdmitted(NOT_FOUND, "There is nothing here.")

    def _wrong_token(self, request: Request, brought: str | None) -> NotAdmitted:
        what = "missing" if brought is None else "wrong"
        self._refuse(
            request,
            f"A listener of the live events was refused with 401: its token is {what}.",
            "Either it is a stranger, or it does not have this server's EVENTS_TOKEN.",
        )
        challenge = _CHALLENGE if brought is None else _CHALLENGE + b', error="invalid_token"'
        return NotAdmitted(UNAUTHORIZED, "The token is missing or wrong.", {b"www-authenticate": challenge})


def _everything(asked: EventFilter) -> EventFilter:
    return asked


def _narrowed(scope: TokenScope, seconds: float, asked: EventFilter) -> EventFilter:
    calls = asked.calls
    if scope.call is not None:
        if not calls <= {scope.call}:
            raise NotAdmitted(FORBIDDEN, "This token is for another call.")
        calls = frozenset({scope.call})
    return replace(asked, calls=calls, number=scope.number, seconds=seconds)


def _header(request: Request, name: bytes) -> str | None:
    value = request.requestHeaders.getRawHeaders(name)
    return value[-1].decode("utf-8", "replace") if value else None


def presented(authorization: str | None, query: str) -> str | None:
    """Return the token of a request; the one in the header wins over the one in the query.

    Another kind of Authorization is not ours: a proxy in front may have asked for it. Source: RFC 6750: in the
    header Authorization (section 2.1), or as `access_token` in the query (section 2.3), which is for browsers:
    their EventSource and WebSocket send no header of one's own.
    """
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() == _SCHEME:
        return token.strip()
    try:
        values = parse_qs(query, max_num_fields=_MOST_FIELDS).get(_PARAMETER)
    except ValueError:
        return None
    return values[-1] if values else None
