"""The router: Twilio's webhooks, the health check, the events, and the WebSocket's path."""

from collections.abc import Callable, Mapping
from typing import Protocol, cast

from klein import Klein
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import FORBIDDEN, NO_CONTENT, NOT_FOUND, SERVICE_UNAVAILABLE, Request
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from werkzeug.exceptions import HTTPException

from voicestt.config import digests
from voicestt.delivery.live.access import TO_PREFLIGHT, FeedAccess, NotAdmitted
from voicestt.delivery.live.hub import EventHub
from voicestt.delivery.live.sse import EventStream
from voicestt.delivery.live.websocket import LiveResource
from voicestt.runtime.escaping import escaped
from voicestt.server.bounded_http import no_stranger, visitor_of
from voicestt.server.busy import UNAVAILABLE, CallAnswer
from voicestt.server.call_registry import CallRegistry
from voicestt.server.calls import Calls
from voicestt.server.connections import UNKNOWN, Visitors
from voicestt.server.forms import Form, first, parsed
from voicestt.server.health import HealthReport
from voicestt.server.http_answers import answer as http_answer
from voicestt.server.http_answers import asks_for_websocket, headers_of, json_answer, text_answer, upgrade_required
from voicestt.server.metrics.page import MetricsPage
from voicestt.server.page_port import BrowserPage
from voicestt.server.placed_calls import LEAVES, announcement, leaves_machine
from voicestt.server.returns import Returns
from voicestt.server.siblings import Siblings
from voicestt.twilio import twiml
from voicestt.twilio.signatures import SignatureCheck

_LONGEST_STATUS = 200
_LONGEST_SID = 64
PAGE = "/page/"
NO_PAGE = "There is no page here: PAGE_PASSWORD switches it on."
_FORM = b"application/x-www-form-urlencoded"


class Announced(Protocol):
    """Is told of each call that a webhook announced."""

    def __call__(self, call_sid: str, *, comes_back: bool) -> None:
        """Take note of the call."""


class Routes:
    """All paths of the server; `media` is the resource of the WebSocket's path.

    `hub` is what may be listened to with a token; `health` answers the health check, `metrics` Prometheus.
    """

    app = Klein()
    _log = Logger()

    def __init__(
        self,
        public_host: str,
        signatures: SignatureCheck,
        registry: CallRegistry,
        calls: Calls,
        media: IResource,
        digest_answers: Callable[[str], digests.Answer] | None = None,
        hub: EventHub | None = None,
        health: HealthReport | None = None,
        visitors: Visitors | None = None,
        busy: CallAnswer = UNAVAILABLE,
        returns: Returns | None = None,
        metrics: MetricsPage | None = None,
        announced: Announced | None = None,
        siblings: Siblings | None = None,
        page: BrowserPage | None = None,
        busy_of: Callable[[str | None], CallAnswer | None] = lambda _called: None,
    ) -> None:
        self._public_host = public_host
        self._signatures = signatures
        self._registry = registry
        self._calls = calls
        self._media = media
        self._digest_answers = digest_answers
        self._hub = hub
        self._health = health or HealthReport(calls)
        self._visitors = Visitors(1_000_000, 1_000_000) if visitors is None else visitors  # empty ones are false
        self._busy, self._busy_of = busy, busy_of
        self._metrics = metrics
        self._refusals = calls.refusals
        self._access = FeedAccess(hub, self._refuse)
        self._announced, self._siblings = announced, siblings
        self._page = page
        self._returns = returns or Returns(public_host, calls, busy)

    @app.route(twiml.INCOMING_CALL, methods=["GET", "POST"])
    @app.route(twiml.INCOMING_CALL + "/", methods=["GET", "POST"])
    def incoming_call(self, request: Request) -> "bytes | Deferred[bytes]":
        """Connect the call's audio to this server and note its numbers; answer as BUSY says if it is not taken."""
        form = self._signed_form(request, "https")
        if form is None:
            return _refusal(request)
        returns = self._returns.read(request.uri)
        if returns is not None:
            answered = self._returns.answer(returns, first(form, "CallSid") or "")
            return answered.addCallback(lambda answer: self._answer_call(request, form, answer))
        if leaves_machine(request.uri, form):
            return self._answer_call(request, form, LEAVES)
        if not self._calls.takes(first(form, "CallSid") or ""):
            return self._answer_call(request, form, self._busy_of(first(form, "To")) or self._busy)
        return self._answer_call(request, form, self._returns.first)

    def _answer_call(self, request: Request, form: Form, answer: CallAnswer) -> "bytes | Deferred[bytes]":
        call_sid = first(form, "CallSid")
        if answer.connects and call_sid:
            numbers = first(form, "From"), first(form, "To")
            account_sid = first(form, "AccountSid")
            self._registry.announce(call_sid, *numbers, account_sid=account_sid, comes_back=answer.comes_back)
            words = announcement(form, comes_back=answer.comes_back)
            if self._announced is not None:
                self._announced(call_sid, comes_back=answer.comes_back)
            self._log.info("{words}", words=words, log_system=escaped(call_sid, _LONGEST_SID))
        body = http_answer(request, answer.code, answer.content_type, answer.body)
        return self._registry.told(body) if answer.connects else body

    @app.route(twiml.STREAM_STATUS, methods=["GET", "POST"])
    @app.route(twiml.STREAM_STATUS + "/", methods=["GET", "POST"])
    def stream_status(self, request: Request) -> bytes:
        """Note a stream's status, which Twilio reports."""
        form = self._signed_form(request, "https")
        if form is None:
            return _refusal(request)
        self._note_status(form)
        request.setResponseCode(NO_CONTENT)
        return b""

    @app.route(twiml.MEDIA)
    @app.route(twiml.MEDIA + "/")
    def media(self, request: Request) -> bytes | IResource:
        """Open the media WebSocket, if the request asks for one and is signed."""
        if not asks_for_websocket(request):
            return upgrade_required(request)
        if not self._signatures.accepts(self._url(request, "wss"), headers_of(request)):
            self._refuse(request, "A WebSocket was refused with 403: its signature is missing or wrong.", _HINT)
            return text_answer(request, FORBIDDEN, "The signature is missing or wrong.")
        if self._calls.is_stopping:
            return text_answer(request, SERVICE_UNAVAILABLE, "The server is stopping.")
        visitor = visitor_of(request)
        if visitor is not None:
            visitor.pin()
        return self._media

    @app.route(twiml.HEALTH, methods=["GET"])
    @app.route(twiml.HEALTH + "/", methods=["GET"])
    def health(self, request: Request) -> "Deferred[bytes]":
        """Answer a platform's health check: always 200, `status` and `reasons` say how the server is."""
        own = {**self._health.json, **({} if self._hub is None else {"feed": self._hub.counters})}
        answering = succeed(own) if self._siblings is None else self._siblings.health(own)
        return answering.addCallback(lambda answer: json_answer(request, 200, answer))

    @app.route(twiml.READY, methods=["GET"])
    @app.route(twiml.READY + "/", methods=["GET"])
    def ready(self, request: Request) -> bytes:
        """Answer a balancer: 200 while new calls are taken here, 503 with the reason while they are not."""
        why_not = self._calls.why_not_ready
        code = 200 if why_not is None else SERVICE_UNAVAILABLE
        return json_answer(request, code, {"ready": why_not is None, "reason": why_not})

    @app.route(twiml.METRICS, methods=["GET"])
    @app.route(twiml.METRICS + "/", methods=["GET"])
    def metrics(self, request: Request) -> "bytes | Deferred[bytes]":
        """Answer Prometheus, if it has the token."""
        if self._metrics is None:
            return text_answer(request, NOT_FOUND, "There is nothing here.")
        return self._metrics.answer(request, self._refuse)

    @app.route(digests.PATH, methods=["POST"])
    def settings_digests(self, request: Request) -> bytes:
        """Answer `voicestt gonogo --public`: a digest of each setting, keyed and salted (`config.digests`)."""
        form = self._signed_form(request, "https")
        if form is None or self._digest_answers is None:
            return text_answer(request, FORBIDDEN, "The signature is missing or wrong.")
        answer = self._digest_answers(first(form, digests.NONCE) or "")
        return json_answer(request, 200, answer)

    @app.route(twiml.EVENTS, methods=["GET", "OPTIONS"])
    @app.route(twiml.EVENTS + "/", methods=["GET", "OPTIONS"])
    def events(self, request: Request) -> bytes | IResource:
        """Stream the events live, as server-sent events, to those who have the token."""
        try:
            if request.method == b"OPTIONS":
                return self._preflight(request)
            admitted = self._access.admit(request)
        except NotAdmitted as refusal:
            return _not_admitted(request, refusal)
        no_stranger(request)
        return EventStream(*admitted)

    @app.route(twiml.LIVE, methods=["GET"])
    @app.route(twiml.LIVE + "/", methods=["GET"])
    def live(self, request: Request) -> bytes | IResource:
        """Stream the events live, by WebSocket, to those who have the token."""
        try:
            hub, asked = self._access.admit(request)
        except NotAdmitted as refusal:
            return _not_admitted(request, refusal)
        if not asks_for_websocket(request):
            return upgrade_required(request)
        no_stranger(request)
        return LiveResource(hub, asked)

    @app.route(twiml.TOKENS, methods=["POST"])
    def tokens(self, request: Request) -> bytes:
        """Make a short-lived token for one call or number, for those who have the token for all."""
        try:
            return json_answer(request, 200, self._access.issue(request))
        except NotAdmitted as refusal:
            return _not_admitted(request, refusal)

    @app.route("/", methods=["GET"])
    def shell(self, request: Request) -> bytes:
        """Show the page, or say how it is switched on."""
        if request.path != b"/":  # "//" is routed here too
            return text_answer(request, NOT_FOUND, "There is nothing here.")
        return text_answer(request, NOT_FOUND, NO_PAGE) if self._page is None else self._page.shell(request)

    @app.route(PAGE.rstrip("/"))
    @app.route(PAGE, branch=True)
    def page(self, request: Request) -> bytes | IResource:
        """Leave all paths below `/page/` to the page, and none besides."""
        if self._page is None:
            return text_answer(request, NOT_FOUND, "There is nothing here.")
        return self._page.resource

    @app.handle_errors(HTTPException)
    def not_found(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a path or a method that does not exist."""
        return text_answer(
            cast(Request, request), getattr(failure.value, "code", NOT_FOUND), "There is nothing here."
        )

    def _signed_form(self, request: Request, scheme: str) -> Form | None:
        """Return the form of a signed request; None if the signature is not Twilio's."""
        body = b"" if request.content is None else request.content.read()
        is_form = (request.getHeader(b"content-type") or b"").split(b";")[0].strip().lower() == _FORM
        text = body.decode("utf-8", "replace")
        form = parsed(text) if is_form else {}
        signed = form if is_form or not text else text
        if not self._signatures.accepts(self._url(request, scheme), headers_of(request), signed):
            self._refuse(request, "A webhook was refused with 403: its signature is missing or wrong.", _HINT)
            return None
        return form or parsed(request.uri.partition(b"?")[2].decode("ascii", "replace"))

    def _refuse(self, request: Request, kind: str, hint: str) -> None:
        peer = str(getattr(request.getClientAddress(), "host", UNKNOWN))
        forwarded = headers_of(request)("x-forwarded-for")
        self._refusals.count(kind, self._visitors.client(peer, forwarded), hint)

    def _preflight(self, request: Request) -> bytes:
        self._access.open()
        request.setResponseCode(NO_CONTENT)
        _set_headers(request, TO_PREFLIGHT)
        return b""

    def _url(self, request: Request, scheme: str) -> str:
        return f"{scheme}://{self._public_host}{request.uri.decode('ascii', 'replace')}"

    def _note_status(self, form: Form) -> None:
        call_sid = first(form, "CallSid") or "unknown call"
        status = " ".join(filter(None, (first(form, "StreamEvent"), first(form, "StreamError")))) or "no event"
        status = escaped(status[:_LONGEST_STATUS])
        self._registry.note_status(call_sid, status)
        self._log.info(
            "Twilio's stream status: {status}", status=status, log_system=escaped(call_sid, _LONGEST_SID)
        )


_HINT = (
    "Either it was not Twilio, or TWILIO_AUTH_TOKEN is not this account's, or PUBLIC_HOST is not the name in the "
    "Twilio console."
)


def _set_headers(request: Request, headers: Mapping[bytes, bytes]) -> None:
    for name, value in headers.items():
        request.setHeader(name, value)


def _not_admitted(request: Request, refusal: NotAdmitted) -> bytes:
    _set_headers(request, refusal.headers)
    return text_answer(request, refusal.code, str(refusal))


def _refusal(request: Request) -> bytes:
    return text_answer(request, FORBIDDEN, "The signature is missing or wrong.")
