"""Twilio's REST API for the calls of this process: places a call, shows one, and updates or ends a live one.

Source: Twilio's "Call resource" (`Url`, `Method`, `FallbackUrl`, `Twiml`, `Status`), "Twilio API requests"
(basic authentication with account SID and auth token), errors 20003, 20404, 20429, 21205, 21220.
"""

import hmac
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from klein import Klein
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.web.http import Request
from twisted.web.server import Site

from voicestt.emulators.twilio.call_values import CallUpdate
from voicestt.emulators.twilio.caller import CallControl
from voicestt.emulators.twilio.placed import ApiError, course_of, ordered, problem_with_course, problem_with_order
from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.runtime.reactor import TcpReactor

_CALL: Final = "/2010-04-01/Accounts/<account_sid>/Calls/<call_sid>.json"
_CALLS: Final = "/2010-04-01/Accounts/<account_sid>/Calls.json"


_UNAUTHORISED: Final = ApiError(401, 20003, "Authenticate")
_NOT_IN_PROGRESS: Final = ApiError(400, 21220, "Call is not in-progress. Cannot redirect.")
REFUSALS: Final[Mapping[int, ApiError]] = {
    401: _UNAUTHORISED,
    404: ApiError(404, 20404, "The requested resource was not found"),
    429: ApiError(429, 20429, "Too many requests"),
    500: ApiError(500, 20500, "An internal server error has occurred"),
    503: ApiError(503, 20503, "Service unavailable"),
}
"""The errors that can be asked for, by HTTP status."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request that came: its method, the SIDs of its path (no call's for a call to place), and its form."""

    method: str
    account_sid: str
    call_sid: str
    form: Mapping[str, str] = field(repr=False)


class TwilioRestApi:
    """The API on a port of its own; without an `auth_token` every password is right.

    `requests` are all that came, in order. A call that is over is answered with 404 (20404), or with 400 (21220),
    which Twilio documents for it too, if `keeps_calls`.
    """

    app = Klein()

    def __init__(self, auth_token: str | None = None, *, keeps_calls: bool = False) -> None:
        self._auth_token = auth_token
        self._keeps_calls = keeps_calls
        self._calls: dict[str, CallControl] = {}
        self._refusals: deque[ApiError] = deque()
        self._holds = False
        self._placed: DeferredQueue[CallControl] = DeferredQueue()
        self._reactor: TcpReactor | None = None
        self._port: Any = None
        self.requests: list[ApiRequest] = []

    def listen(self, reactor: TcpReactor, port: int = 0, interface: str = "127.0.0.1") -> None:
        """Begin to listen; port 0 is any that is free. Raises twisted's CannotListenError."""
        self._reactor = reactor
        self._port = reactor.listenTCP(port, cast("Any", Site(self.app.resource())), interface=interface)

    @property
    def url(self) -> str:
        """The value of the server's TWILIO_API_URL."""
        here = self._port.getHost()
        return f"http://{here.host}:{here.port}"

    async def close(self) -> None:
        """Stop listening."""
        await self._port.stopListening()

    def new_call(self) -> CallControl:
        """Make the control of a call that is about to be placed, and knows it from now on."""
        control = CallControl()
        self._calls[control.call_sid] = control
        return control

    def next_placed(self) -> "Deferred[CallControl]":
        """Await the next call that somebody places here; it rings until it is run."""
        return self._placed.get()

    def refuse(self, status: int, count: int = 1) -> None:
        """Answer the next `count` requests with an error of `REFUSALS`."""
        self._refusals.extend([REFUSALS[status]] * count)

    def hold(self, holds: bool = True) -> None:
        """Answer no request as long as it `holds`."""
        self._holds = holds

    @app.route(_CALL, methods=["GET", "POST"])
    def call(self, request: Request, account_sid: str, call_sid: str) -> bytes | Deferred[bytes]:
        """Show the call, or updates it first."""
        asked = ApiRequest(request.method.decode(), account_sid, call_sid, _form(request))
        self.requests.append(asked)
        if self._holds:
            return Deferred()
        control = self._calls.get(call_sid)
        error = self._refused(request, asked, control)
        if error is not None or control is None:
            return _answer(request, error or REFUSALS[404])
        update = _update(asked.form) if asked.method == "POST" else None
        if update is not None and self._reactor is not None:
            self._reactor.callLater(0, control.update, update)  # Twilio answers first and acts then
        return _resource(request, control)

    @app.route(_CALLS, methods=["POST"])
    def create(self, request: Request, account_sid: str) -> bytes | Deferred[bytes]:
        """Place a call, which whoever awaits `next_placed` answers."""
        asked = ApiRequest("POST", account_sid, "", _form(request))
        self.requests.append(asked)
        if self._holds:
            return Deferred()
        error = self._refused_at_all(request, asked) or problem_with_order(asked.form)
        if error is not None:
            return _answer(request, error)
        control = CallControl(Sids(account=account_sid), ordered(asked.form))
        self._calls[control.call_sid] = control
        self._placed.put(control)
        return _resource(request, control, 201)

    def _refused_at_all(self, request: Request, asked: ApiRequest) -> ApiError | None:
        if self._refusals:
            return self._refusals.popleft()
        return None if self._is_authorised(request, asked.account_sid) else _UNAUTHORISED

    def _refused(self, request: Request, asked: ApiRequest, control: CallControl | None) -> ApiError | None:
        at_all = self._refused_at_all(request, asked)
        if at_all is not None:
            return at_all
        if control is None or control.sids.account != asked.account_sid:
            return REFUSALS[404]
        return self._refused_update(asked.form, control) if asked.method == "POST" else None

    def _refused_update(self, form: Mapping[str, str], control: CallControl) -> ApiError | None:
        if control.status == "completed":
            return _NOT_IN_PROGRESS if self._keeps_calls else REFUSALS[404]
        return problem_with_course(form)

    def _is_authorised(self, request: Request, account_sid: str) -> bool:
        user, password = request.getUser(), request.getPassword()
        right = self._auth_token is None or hmac.compare_digest(password, self._auth_token.encode())
        return right and user == account_sid.encode()


def _form(request: Request) -> dict[str, str]:
    fields = cast(Mapping[bytes, list[bytes]], request.args or {})
    return {name.decode(): values[0].decode() for name, values in fields.items()}


def _update(form: Mapping[str, str]) -> CallUpdate | None:
    """Read the update; None for a form that changes nothing of the call's course."""
    if form.get("Status") == "completed":
        return CallUpdate()
    if "Url" not in form and "Twiml" not in form:
        return None
    return course_of(form)


def _resource(request: Request, control: CallControl, status: int = 200) -> bytes:
    sids = control.sids
    return _json(
        request,
        status,
        {
            "sid": sids.call,
            "account_sid": sids.account,
            "api_version": "2010-04-01",
            "direction": control.parties.direction,
            "from": control.parties.caller,
            "to": control.parties.called,
            "status": control.status,
            "uri": f"/2010-04-01/Accounts/{sids.account}/Calls/{sids.call}.json",
        },
    )


def _answer(request: Request, error: ApiError) -> bytes:
    more = f"https://www.twilio.com/docs/errors/{error.code}"
    body = {"code": error.code, "message": error.message, "more_info": more, "status": error.status}
    return _json(request, error.status, body)


def _json(request: Request, status: int, value: Mapping[str, object]) -> bytes:
    body = json.dumps(value).encode()
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"application/json")
    request.setHeader(b"content-length", str(len(body)).encode())
    return body
