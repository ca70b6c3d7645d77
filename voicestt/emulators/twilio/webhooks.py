"""Twilio's requests to a server: the incoming call, the documents that follow, the stream's status callbacks."""

# ruff: noqa: N802 (camelCase is Twisted's)

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlencode, urljoin, urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as NoAnswerInTime
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.error import TimeoutError as TwistedTimeout
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from voicestt.emulators.twilio import webhook_forms
from voicestt.emulators.twilio.call_values import CallUpdate, ServerTarget
from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.signatures import signed_headers
from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.emulators.twilio.twiml import Fetch, StreamNoun, Verb, parse_document
from voicestt.emulators.twilio.webhook_forms import INBOUND, Parties
from voicestt.runtime.reactor import FullReactor

CONNECT_SECONDS = 5
ANSWER_SECONDS = 15
_FAILURES = (
    ConnectError,
    DNSLookupError,
    ConnectionClosed,
    TwistedTimeout,
    ResponseFailed,
    ResponseNeverReceived,
    NoAnswerInTime,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an HTTP request."""

    status: int
    content_type: str | None
    body: bytes


@implementer(IBodyProducer)
class _KnownBody:
    """A request body that is known in advance."""

    def __init__(self, form: Mapping[str, str]) -> None:
        self._body = urlencode(form).encode("ascii")
        self.length = len(self._body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass


class _Body(Protocol):
    """Collects an answer's body (twisted.web's readBody warns about transports that are Agent's own)."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.read: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.read.called:  # given up on
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.read.callback(b"".join(self._pieces))
        else:
            self.read.errback(reason)


def web_agent(reactor: IReactorTime) -> IAgent:
    """Make an agent with Twilio's connect timeout; one connection per request."""
    return Agent(reactor, connectTimeout=CONNECT_SECONDS)


async def send_form(
    clock: IReactorTime,
    agent: IAgent,
    method: str,
    url: str,
    form: Mapping[str, str],
    headers: Mapping[str, str],
) -> Answer:
    """Send a form by POST, or the URL as it is by GET, and read the answer, all within 15 s.

    A connection that cannot be made is tried once more, as Twilio does; a request that was sent is not repeated.
    Raises `CallRefused` with 11200 when no answer comes. Source: Twilio's error 11205 ("two 5-second attempts").
    """
    sent = Headers({"Content-Type": ["application/x-www-form-urlencoded; charset=UTF-8"]} if form else {})
    sent.addRawHeader("User-Agent", "TwilioProxy/1.1")
    sent.addRawHeader("Accept", "*/*")
    for name, value in headers.items():
        sent.addRawHeader(name, value)
    asked = Deferred.fromCoroutine(_send(agent, method, url, sent, form))
    try:
        return await asked.addTimeout(ANSWER_SECONDS, clock)
    except _FAILURES as error:
        raise CallRefused(f"no answer came from {url}: {_words(error)}", 11200) from error


async def _send(agent: IAgent, method: str, url: str, headers: Headers, form: Mapping[str, str]) -> Answer:
    response = await _connected(agent, method, url, headers, form)
    content_types = response.headers.getRawHeaders("content-type")
    body = _Body()
    response.deliverBody(body)
    return Answer(response.code, content_types[0] if content_types else None, await body.read)


async def _connected(
    agent: IAgent, method: str, url: str, headers: Headers, form: Mapping[str, str], attempts: int = 2
) -> IResponse:
    request = method.encode("ascii"), url.encode("ascii"), headers, _KnownBody(form) if method == "POST" else None
    for _ in range(attempts - 1):
        with suppress(ConnectError):
            return await agent.request(*request)
    return await agent.request(*request)


def _words(error: Exception) -> str:
    reasons = getattr(error, "reasons", None)
    if isinstance(error, NoAnswerInTime):
        return f"nothing within {ANSWER_SECONDS} s"
    return str(reasons[0].value if reasons else error) or type(error).__name__


_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class TwimlDocument:
    """The verbs of a fetched document, and the public URL it came from."""

    url: str
    verbs: tuple[Verb, ...]


async def given_document(url: str, twiml: str) -> TwimlDocument:
    """Read a document that needs no fetching, as if it came from `url`; raise `CallRefused`."""
    return TwimlDocument(url, parse_document("text/xml", twiml.encode()))


class WebhookClient:
    """Sends the signed forms of one call: signed over the public URLs, sent to the server's address.

    `course` is what a call that was placed follows when it is picked up; another asks the target's webhook.
    """

    def __init__(
        self,
        reactor: FullReactor,
        target: ServerTarget,
        sids: Sids,
        parties: Parties = INBOUND,
        course: CallUpdate | None = None,
    ) -> None:
        self._reactor = reactor
        self._parties = parties
        self._course = course
        self._target = target
        self._sids = sids
        self._agent = web_agent(reactor)
        self.first_status = 0

    async def incoming_call(self) -> TwimlDocument:
        """Announce the call, or that it was picked up; raise `CallRefused` where Twilio would not go on."""
        here, course = self._target.public_url, self._course
        if course is None:
            return await self._document(here, "POST", self._form("ringing"))
        if course.fetch is None:
            return await given_document(here, course.twiml or "")
        return await self.follow(here, course.fetch)

    async def follow(self, base: str, fetch: Fetch) -> TwimlDocument:
        """Ask for the next document of the live call; `base` is the URL of the document that named it.

        Raises `CallRefused` as `incoming_call` does.
        """
        form = self._form("in-progress") | dict(fetch.fields)
        return await self._document(urljoin(base, fetch.url), fetch.method, form)

    async def stream_status(self, stream: StreamNoun, sids: Sids, event: str, unix_ns: int) -> int:
        """Report `event` to the stream's status callback and return the answer's status.

        Raises `CallRefused` with 15003 when that is an error, with 11200 when no answer comes.
        """
        form = webhook_forms.stream_status(sids, event, stream.name, unix_ns)
        answer = await self._send(stream.status_callback or "", "POST", form)
        if answer.status >= 400:
            raise CallRefused(f"the status callback {event} was answered with {answer.status}", 15003)
        return answer.status

    def _form(self, status: str) -> dict[str, str]:
        return webhook_forms.call_form(self._sids, status, self._parties)

    async def _document(self, public_url: str, method: str, form: Mapping[str, str]) -> TwimlDocument:
        answer = await self._send(public_url, method, form)
        self.first_status = self.first_status or answer.status
        if answer.status != 200:
            raise CallRefused(f"the webhook {urlsplit(public_url).path} answered {answer.status}", 11200)
        return TwimlDocument(public_url, parse_document(answer.content_type, answer.body))

    async def _send(self, public_url: str, method: str, form: Mapping[str, str]) -> Answer:
        if method == "GET":
            public_url += ("&" if urlsplit(public_url).query else "?") + urlencode(form)
            form = _NOTHING
        headers = signed_headers(self._target.auth_token, public_url, form)
        headers["Host"] = urlsplit(public_url).netloc
        url = self._target.reached_at(public_url)
        return await send_form(self._reactor, self._agent, method, url, form, headers)
