"""Twilio's two kinds of request to a server: the incoming call and the stream's status callbacks."""

from typing import Any
from urllib.parse import urlsplit

from voicestt.emulators.twilio import webhook_forms
from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.signatures import signed_headers
from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.emulators.twilio.twiml import StreamNoun, parse_twiml
from voicestt.emulators.twilio.web_requests import Answer, post_form, web_agent


class WebhookClient:
    """Posts the signed forms of one call: signed over the public URLs, sent to the server's address."""

    def __init__(self, reactor: Any, target: ServerTarget, sids: Sids) -> None:
        self._reactor = reactor
        self._target = target
        self._sids = sids
        self._agent = web_agent(reactor)
        self.first_status = 0

    async def incoming_call(self) -> StreamNoun:
        """Announces the call; raises `CallRefused` where Twilio would not go on."""
        answer = await self._post(self._target.public_url, webhook_forms.incoming_call(self._sids))
        self.first_status = answer.status
        if answer.status != 200:
            raise CallRefused(f"the webhook {self._target.webhook_path} answered {answer.status}", 11200)
        return parse_twiml(answer.content_type, answer.body)

    async def stream_status(self, stream: StreamNoun, event: str, unix_ns: int) -> int:
        """Reports `event` to the stream's status callback and returns the answer's status.

        Raises `CallRefused` with 15003 when that is an error, with 11200 when no answer comes.
        """
        form = webhook_forms.stream_status(self._sids, event, stream.name, unix_ns)
        answer = await self._post(stream.status_callback or "", form)
        if answer.status >= 400:
            raise CallRefused(f"the status callback {event} was answered with {answer.status}", 15003)
        return answer.status

    async def _post(self, public_url: str, form: dict[str, str]) -> Answer:
        headers = signed_headers(self._target.auth_token, public_url, form)
        headers["Host"] = urlsplit(public_url).netloc
        return await post_form(self._reactor, self._agent, self._target.reached_at(public_url), form, headers)
