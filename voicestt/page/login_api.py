"""Logging in and out, and what the page learns of its login."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from twisted.logger import Logger
from twisted.web.http import BAD_REQUEST, NO_CONTENT, UNAUTHORIZED, Request

from voicestt.page.headers import is_https
from voicestt.page.logins import Logins, LoginTries, set_cookie
from voicestt.page.router import PageRouter
from voicestt.page.visit import Endpoint, PageError, Visit
from voicestt.runtime.times import rfc3339
from voicestt.server.metrics.page import Refuse

_WRONG = "The password is wrong."
_HINT = "Either somebody mistypes it, or somebody tries passwords: after five in a minute an address must wait."


class LoginApi:
    """Logs people in by `logins`; `address_of` gives a request's client, by which `tries` are counted.

    `about` are the facts of this server that the page shows to whoever is logged in.
    """

    _log = Logger()

    def __init__(
        self,
        logins: Logins,
        tries: LoginTries,
        public_host: str,
        address_of: Callable[[Request], str],
        refuse: Refuse,
        about: Callable[[], Mapping[str, object]],
    ) -> None:
        self._logins = logins
        self._tries = tries
        self._public_host = public_host
        self._address_of = address_of
        self._refuse = refuse
        self._about = about

    def add_to(self, router: PageRouter) -> None:
        """Add the path for those who have no login yet."""
        router.open_path("POST", "/login", lambda request: self._log_in(request, router.body_of(request)))

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoints for those who have."""
        return [
            Endpoint("GET", "/api/session", self._session),
            Endpoint("POST", "/logout", self._log_out, for_viewers=True),
        ]

    def _log_in(self, request: Request, body: Mapping[str, Any]) -> bytes:
        address = self._address_of(request)
        seconds = self._tries.wait(address)
        if seconds:
            words = f"There were too many wrong passwords from your address: wait {seconds} s."
            raise PageError(HTTPStatus.TOO_MANY_REQUESTS, words, {"retry-after": str(seconds)})
        password = body.get("password")
        if not isinstance(password, str):
            raise PageError(BAD_REQUEST, "A login is an object with `password`.")
        login = self._logins.log_in(password)
        if login is None:
            self._tries.failed(address)
            self._refuse(request, "A login at the page was refused with 401: its password is wrong.", _HINT)
            raise PageError(UNAUTHORIZED, _WRONG)
        self._log.info(
            "Somebody logged in at the page ({role}), from {address}.", role=login.role.value, address=address
        )
        self._set_cookie(request, login.cookie, self._logins.seconds)
        request.setResponseCode(NO_CONTENT)
        return b""

    async def _log_out(self, visit: Visit) -> None:
        self._set_cookie(visit.request, "", 0)

    def _set_cookie(self, request: Request, value: str, seconds: int) -> None:
        cookie = set_cookie(value, seconds, is_secure=is_https(request, self._public_host))
        request.responseHeaders.addRawHeader(b"set-cookie", cookie.encode())

    async def _session(self, visit: Visit) -> dict[str, object]:
        """Return the role, the CSRF token and the end of the login, and what this server can do."""
        return {"role": visit.role.value, "csrf": visit.csrf, "expires": rfc3339(visit.expires), **self._about()}
