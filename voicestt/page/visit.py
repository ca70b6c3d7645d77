"""An authorised request to the page, its role, and the answers that an endpoint may give.

This is what every endpoint is made of. An endpoint is a row: a method, a path below `/page`, and an `async`
function that takes a `Visit` (and the parts of the path by name) and returns what is answered:

    dict or list    as JSON, masked for viewers by the router
    None            204
    PageReply           a text or bytes of another type; a text is masked for viewers, bytes are not
    IResource       rendered: server-sent events, a WebSocket, a file

It raises `PageError` for everything else. The router has let in nobody without a login; it has checked the CSRF
token and the role of each POST; so an endpoint cannot forget it.
"""

import enum
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.web.http import BAD_REQUEST, FORBIDDEN, Request

from voicestt.page.masking import masked

_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,18}")


class Role(enum.Enum):
    """The role of a login: to act, or to view only, and no phone numbers."""

    ACT = "act"
    VIEW = "view"


class PageError(Exception):
    """A request that is answered with `code` and `{"error": words}`; the words are for the person at the page."""

    def __init__(self, code: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self.code = code
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class PageReply:
    """An answer that is not JSON."""

    content_type: str
    content: str | bytes
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is logged in, until `expires` (seconds since 1970).

    `query` has the first value of each parameter, `body` the JSON object of a POST.
    """

    request: Request
    role: Role
    csrf: str
    expires: float
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def may_act(self) -> bool:
        """True for those who may change things, and see phone numbers."""
        return self.role is Role.ACT

    def shown(self, value: Any) -> Any:
        """Return a text or a JSON value as this visitor may see it."""
        return value if self.may_act else masked(value)

    def must_act(self, what: str) -> None:
        """Refuse a viewer; `what` begins the sentence that says so ("Searching by number").

        Raises:
            PageError: for a viewer.
        """
        if not self.may_act:
            raise PageError(FORBIDDEN, f"{what} is for those who may act: you are logged in to look at only.")

    def number(self, name: str, default: int, most: int) -> int:
        """Return the whole number of a parameter, `most` if it is more.

        Raises:
            PageError: where it is none.
        """
        text = self.query.get(name) or str(default)
        if not _WHOLE_NUMBER.fullmatch(text):
            raise PageError(BAD_REQUEST, f"`{name}` is no whole number.")
        return min(int(text), most)


Answer = Mapping[str, Any] | Sequence[Any] | PageReply | Any | None
"""What an endpoint returns, see the module."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the router's table: `path` is a rule of werkzeug's below `/page`, such as "/api/calls/<session>".

    `for_viewers`: those who may only see may ask too; where it is not said, for each GET and for no POST.
    `is_socket`: a WebSocket, whose Origin must be ours, as no browser asks for leave to open one.
    """

    method: str
    path: str
    answer: Callable[..., Awaitable[Answer]]
    for_viewers: bool | None = None
    is_socket: bool = False

    @property
    def may_view(self) -> bool:
        """True if viewers may ask."""
        return self.method == "GET" if self.for_viewers is None else self.for_viewers
