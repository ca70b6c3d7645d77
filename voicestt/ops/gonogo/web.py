"""One HTTP request and its whole answer, unchanged: its headers show the proxies.

The standard library's client in a thread: it shows Content-Length as it was sent, follows nothing and repairs
nothing.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from twisted.internet.threads import deferToThreadPool

from voicestt.runtime.reactor import FullReactor

ANSWER_SECONDS = 15.0
"""The seconds that Twilio waits for an answer."""

_LARGEST_ANSWER = 1_000_000
_DAY = 86_400
_FORM = "application/x-www-form-urlencoded; charset=UTF-8"

_T = TypeVar("_T")


class NoAnswer(Exception):
    """No HTTP answer came; the message says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: header names in lower case, `seconds` from the first byte sent to the last one received."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters, "" where there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_page(self) -> bool:
        """True for HTML, which a browser would show."""
        return self.media_type == "text/html" or self.body.lstrip()[:15].lower().startswith(
            (b"<!doctype", b"<html")
        )


async def in_thread(reactor: FullReactor, blocking: Callable[[], _T]) -> _T:
    """Run `blocking` in a thread of the reactor's pool and return or raise as it does."""
    result: _T = await deferToThreadPool(reactor, reactor.getThreadPool(), blocking)
    return result


async def ask(
    reactor: FullReactor,
    url: str,
    host: str,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send a GET of `url`, or a POST of `form`, for the public `host`; raise `NoAnswer`."""
    return await in_thread(reactor, lambda: _ask(url, host, form, headers or {}))


def _ask(url: str, host: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> Reply:
    parts = urlsplit(url)
    connection = connection_to(url)
    sent = {"Host": host, "User-Agent": "TwilioProxy/1.1", "Accept": "*/*", **headers}
    if form is not None:
        sent["Content-Type"] = _FORM
    began = time.monotonic()
    try:
        body = None if form is None else urlencode(form)
        connection.request(
            "GET" if form is None else "POST", parts.path + f"?{parts.query}" * bool(parts.query), body, sent
        )
        answer = connection.getresponse()
        content = answer.read(_LARGEST_ANSWER)
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise NoAnswer(words_of(problem)) from problem
    finally:
        connection.close()
    found = {name.lower(): value for name, value in answer.getheaders()}
    return Reply(answer.status, found, content, time.monotonic() - began)


def connection_to(url: str) -> http.client.HTTPConnection:
    """Make a connection for requests to `url`, not yet opened."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(parts.netloc, timeout=ANSWER_SECONDS, context=context)
    return http.client.HTTPConnection(parts.netloc, timeout=ANSWER_SECONDS)


def certificate_of(host: str, port: int, seconds: float = ANSWER_SECONDS) -> Any:
    """Read a server's certificate as `getpeercert` gives it; blocks, and raises as `ssl` does for a bad one."""
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), timeout=seconds) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return secure.getpeercert()


def days_left(certificate: Any, now: float) -> float:
    """Count the days that a certificate (as `getpeercert` gives it) is valid after `now` (seconds since 1970)."""
    return (ssl.cert_time_to_seconds(certificate["notAfter"]) - now) / _DAY


def words_of(problem: Exception, seconds: float = ANSWER_SECONDS) -> str:
    """Say in few words why a connection with a time limit of `seconds` failed."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {problem.verify_message}"
    if isinstance(problem, TimeoutError):
        return f"nothing came within {seconds:.0f} s"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return str(problem) or type(problem).__name__
