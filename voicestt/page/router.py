"""The router of all paths below `/page`: nobody without a login, no POST without a CSRF token, and safe headers.

The rules stand here once, for all endpoints; what an endpoint may answer is in `voicestt.page.visit`.
"""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from klein import Klein
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import (
    BAD_REQUEST,
    FORBIDDEN,
    INTERNAL_SERVER_ERROR,
    NO_CONTENT,
    NOT_FOUND,
    UNAUTHORIZED,
    UNSUPPORTED_MEDIA_TYPE,
    Request,
)
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from werkzeug.exceptions import HTTPException

from voicestt.page.headers import SAFETY, is_from_elsewhere, is_https, is_own_origin, set_headers
from voicestt.page.logins import Login, Logins, cookie_in
from voicestt.page.masking import masked
from voicestt.page.visit import Endpoint, PageError, PageReply, Role, Visit
from voicestt.server.bounded_http import no_stranger
from voicestt.server.http_answers import answer, headers_of, json_answer
from voicestt.server.metrics.page import Refuse

CSRF_HEADER: Final = "x-csrf-token"
_MOST_FIELDS: Final = 50
_JSON: Final = "application/json"
_NO_LOGIN: Final = "Log in: nobody is logged in here, or the login is over."
_NOT_OURS: Final = "This did not come from the page: its CSRF token is missing or wrong. Load the page again."
_ELSEWHERE: Final = "This came from another site's page, and is refused."
_TO_LOOK_ONLY: Final = "This is for those who may act: you are logged in to look at only."


class PageRouter:
    """Answers below `/page` by `endpoints`; `refuse` counts and logs what is refused."""

    _log = Logger()

    def __init__(self, logins: Logins, public_host: str, endpoints: Iterable[Endpoint], refuse: Refuse) -> None:
        self._logins = logins
        self._public_host = public_host
        self._refuse = refuse
        self._app = Klein()
        self._app.handle_errors(PageError)(self._say_error)
        self._app.handle_errors(HTTPException)(self._say_not_found)
        self._app.handle_errors(Exception)(self._say_failure)
        for endpoint in endpoints:
            self._add(endpoint)

    @property
    def resource(self) -> IResource:
        """The resource of all paths below `/page`."""
        return cast(IResource, self._app.resource())

    def open_path(self, method: str, path: str, function: Any) -> None:
        """Add a path for those without a login: `function` gets the request, and returns what Klein takes."""

        def run(request: Request, **parts: str) -> Any:
            set_headers(request, SAFETY)
            if request.method == b"POST" and is_from_elsewhere(request):
                raise PageError(FORBIDDEN, _ELSEWHERE)
            return function(request, **parts)

        self._app.route(path, methods=[method], endpoint=f"{method} {path}")(run)

    def login_of(self, request: Request) -> Login | None:
        """Return the login of a request, None if it has none."""
        is_secure = is_https(request, self._public_host)
        return self._logins.of_cookie(cookie_in(headers_of(request)("cookie"), is_secure=is_secure))

    def body_of(self, request: Request) -> dict[str, Any]:
        """Read the JSON object of a POST, which no form of another site's page can send.

        Raises:
            PageError: where it is none.
        """
        kind = (headers_of(request)("content-type") or "").partition(";")[0].strip().lower()
        if kind != _JSON:
            raise PageError(UNSUPPORTED_MEDIA_TYPE, f"A POST to the page is {_JSON}.")
        try:
            body = json.loads(b"{}" if request.content is None else request.content.read() or b"{}")
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise PageError(BAD_REQUEST, "The body is no JSON object.")
        return body

    def _add(self, endpoint: Endpoint) -> None:
        async def run(request: Request, **parts: str) -> Any:
            set_headers(request, SAFETY)
            visit = self._admit(request, endpoint)
            return self._told(visit, await endpoint.answer(visit, **parts))

        name = f"{endpoint.method} {endpoint.path}"
        self._app.route(endpoint.path, methods=[endpoint.method], endpoint=name)(run)

    def _admit(self, request: Request, endpoint: Endpoint) -> Visit:
        login = self.login_of(request)
        if login is None:
            raise PageError(UNAUTHORIZED, _NO_LOGIN)
        if is_from_elsewhere(request) or (endpoint.is_socket and not is_own_origin(request, self._public_host)):
            raise self._refused(request, _ELSEWHERE)
        body: dict[str, Any] = {}
        if endpoint.method != "GET":
            if not self._logins.is_csrf_of(login, headers_of(request)(CSRF_HEADER)):
                raise self._refused(request, _NOT_OURS)
            body = self.body_of(request)
        if login.role is Role.VIEW and not endpoint.may_view:
            raise self._refused(request, _TO_LOOK_ONLY)
        no_stranger(request)
        return Visit(request, login.role, login.csrf, login.expires, _query(request), body)

    def _refused(self, request: Request, words: str) -> PageError:
        hint = "Somebody who may only look asked by hand, or a page of another site asked in somebody's name."
        self._refuse(request, "A request to the page was refused with 403.", hint)
        return PageError(FORBIDDEN, words)

    def _told(self, visit: Visit, value: Any) -> Any:
        request = visit.request
        if IResource.providedBy(value):
            return value
        if value is None:
            request.setResponseCode(NO_CONTENT)
            return b""
        if isinstance(value, PageReply):
            content = visit.shown(value.content) if isinstance(value.content, str) else value.content
            set_headers(request, value.headers)
            data = content.encode() if isinstance(content, str) else content
            return answer(request, value.code, value.content_type, data)
        shown = value if visit.may_act else masked(value)
        return answer(request, 200, _JSON, json.dumps(shown, ensure_ascii=False).encode("utf-8", "replace"))

    def _say_error(self, request: IRequest, failure: Failure) -> bytes:
        problem = cast(PageError, failure.value)
        set_headers(cast(Request, request), problem.headers)
        return _error(cast(Request, request), problem.code, str(problem))

    def _say_not_found(self, request: IRequest, failure: Failure) -> bytes:
        code = getattr(failure.value, "code", NOT_FOUND)
        return _error(cast(Request, request), code if code >= BAD_REQUEST else NOT_FOUND, "There is nothing here.")

    def _say_failure(self, request: IRequest, failure: Failure) -> bytes:
        self._log.failure("The page could not answer; calls are untouched.", failure)
        words = "The server could not answer; its log says why. Calls are untouched."
        return _error(cast(Request, request), INTERNAL_SERVER_ERROR, words)


def _error(request: Request, code: int, words: str) -> bytes:
    set_headers(request, SAFETY)
    return json_answer(request, code, {"error": words or HTTPStatus(code).phrase})


def _query(request: Request) -> dict[str, str]:
    query = request.uri.partition(b"?")[2].decode("ascii", "replace")
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise PageError(BAD_REQUEST, f"There are more than {_MOST_FIELDS} parameters.") from None
