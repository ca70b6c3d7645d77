"""Twilio's requests to a server: the incoming call, the documents that follow, the stream's status callbacks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from voicestt.emulators.twilio import webhook_forms
from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.signatures import signed_headers
from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.emulators.twilio.twiml import Fetch, StreamNoun, Verb, parse_document
from voicestt.emulators.twilio.web_requests import Answer, send_form, web_agent

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class TwimlDocument:
    """The verbs of a fetched document, and the public URL it came from."""

    url: str
    verbs: tuple[Verb, ...]


async def given_document(url: str, twiml: str) -> TwimlDocument:
    """Reads a document that needs no fetching, as if it came from `url`; raises `CallRefused`."""
    return TwimlDocument(url, parse_document("text/xml", twiml.encode()))


class WebhookClient:
    """Sends the signed forms of one call: signed over the public URLs, sent to the server's address."""

    def __init__(self, reactor: Any, target: ServerTarget, sids: Sids) -> None:
        self._reactor = reactor
        self._target = target
        self._sids = sids
        self._agent = web_agent(reactor)
        self.first_status = 0

    async def incoming_call(self) -> TwimlDocument:
        """Announces the call; raises `CallRefused` where Twilio would not go on."""
        return await self._document(
            self._target.public_url, "POST", webhook_forms.call_form(self._sids, "ringing")
        )

    async def follow(self, base: str, fetch: Fetch) -> TwimlDocument:
        """Asks for the next document of the live call; `base` is the URL of the document that named it.

        Raises `CallRefused` as `incoming_call` does.
        """
        form = webhook_forms.call_form(self._sids, "in-progress") | dict(fetch.fields)
        return await self._document(urljoin(base, fetch.url), fetch.method, form)

    async def stream_status(self, stream: StreamNoun, sids: Sids, event: str, unix_ns: int) -> int:
        """Reports `event` to the stream's status callback and returns the answer's status.

        Raises `CallRefused` with 15003 when that is an error, with 11200 when no answer comes.
        """
        form = webhook_forms.stream_status(sids, event, stream.name, unix_ns)
        answer = await self._send(stream.status_callback or "", "POST", form)
        if answer.status >= 400:
            raise CallRefused(f"the status callback {event} was answered with {answer.status}", 15003)
        return answer.status

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
