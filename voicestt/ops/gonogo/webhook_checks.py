"""Checks of Twilio's two webhooks: the TwiML, byte for byte, the status callback, and their signatures."""

import time
from collections.abc import Mapping
from typing import Any

from voicestt.emulators.twilio import webhook_forms
from voicestt.emulators.twilio.signatures import signature, signed_headers
from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.ops.demo.judgement import percentile
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.network_checks import ANSWERS
from voicestt.ops.gonogo.report import Found, failed, ok
from voicestt.ops.gonogo.run_context import RunContext
from voicestt.ops.gonogo.settings_checks import READ, SIGNED
from voicestt.ops.gonogo.web import NoAnswer, Reply, ask
from voicestt.twilio import twiml

ANSWERED, DOCUMENT = "twiml.answered", "twiml.document"
_WRONG_TOKEN = "0" * 32
_XML_TYPES = {"text/xml", "application/xml"}
_CALLBACKS = 20
_SLOWEST = 1.0

Form = Mapping[str, str]


def webhook_checks(context: RunContext) -> list[Check]:
    """Make the checks of both webhooks."""
    here, guarded = (READ, ANSWERS), (READ, ANSWERS, SIGNED)
    return [
        Check(ANSWERED, "the webhook takes a signed call", lambda: _answered(context), here, 11200),
        Check(DOCUMENT, "the TwiML is right, byte for byte", lambda: _document(context), (ANSWERED,), 12100),
        Check("twiml.unsigned", "an unsigned webhook is refused", lambda: _refused(context, None), guarded),
        Check("twiml.forged", "a wrongly signed one is refused", lambda: _refused(context, _WRONG_TOKEN), guarded),
        Check("status.answered", "the status callback gets an empty 204", lambda: _status(context), here, 15003),
    ]


async def _post(context: RunContext, path: str, form: Form, headers: Mapping[str, str] | None = None) -> Reply:
    """Post a form to `path`, signed as the account would unless `headers` are given."""
    signed = signed_headers(
        next(iter(context.settings.twilio_auth_tokens), None), twiml.webhook_url(context.host, path), form
    )
    return await ask(
        context.reactor, context.url + path, context.host, form, signed if headers is None else headers
    )


async def _answered(context: RunContext) -> Found:
    try:
        reply = await _post(context, twiml.INCOMING_CALL, webhook_forms.incoming_call(Sids()))
    except NoAnswer as problem:
        return failed(str(problem), "See the log of the server and of the proxy before it.")
    return _judged_answer(reply)


def _judged_answer(reply: Reply) -> Found:
    if reply.status == 403:
        advice = (
            "TWILIO_AUTH_TOKEN and PUBLIC_HOST must be the running server's own, and those of the Twilio console."
        )
        return failed("403", advice)
    if reply.status != 200:
        return failed(f"answered with {reply.status}", "See the log of the server and of the proxy before it.")
    if reply.media_type not in _XML_TYPES:
        advice = (
            "Something else than this server answers at the webhook's URL, or changes its answer: see the proxy."
        )
        return failed(f"Content-Type {reply.media_type or 'missing'}", advice, 12300)
    if reply.headers.get("content-length") != str(len(reply.body)):
        advice = "A proxy takes the Content-Length away or sends in pieces, which not all of Twilio's parts take."
        return failed("no true Content-Length", advice)
    return ok(f"200, {reply.media_type}, {reply.seconds * 1000:.0f} ms")


async def _document(context: RunContext) -> Found:
    reply = await _post(context, twiml.INCOMING_CALL, webhook_forms.incoming_call(Sids()))
    return judged_document(reply.body, context.host)


def judged_document(body: bytes, host: str) -> Found:
    """Judge whether `body` is the TwiML for `host`, and find the first difference."""
    wanted = twiml.connect_stream(host)
    if body == wanted:
        return ok(f"{len(body)} bytes, {twiml.media_url(host)}")
    if twiml.without_redirect(body, host) == wanted:
        return ok(f"{len(body)} bytes, {twiml.media_url(host)}, and back here when the stream is lost")
    before, mark, _ = body.partition(b"<?xml")
    if not mark:
        return failed(f"no <?xml: {body[:24]!r}", "A page or a proxy answers instead of this server's webhook.")
    if before:
        advice = "Nothing may stand before <?xml, no space and no byte order mark: see what changes it on the way."
        return failed(f"{before[:24]!r} before <?xml", advice)
    if f'url="{twiml.media_url(host)}"'.encode() not in body:
        advice = (
            f"The stream must go to {twiml.media_url(host)}: PUBLIC_HOST of the server is another, or ws for wss."
        )
        return failed("another <Stream> url", advice, 31922)
    pairs = zip(body, wanted, strict=False)
    at = next((at for at, (ours, theirs) in enumerate(pairs) if ours != theirs), min(len(body), len(wanted)))
    return failed(
        f"differs from byte {at} on", "Something changes the answer on the way: see the proxy before it."
    )


async def _refused(context: RunContext, token: str | None) -> Found:
    form = webhook_forms.incoming_call(Sids())
    url = twiml.webhook_url(context.host, twiml.INCOMING_CALL)
    headers = {} if token is None else {"X-Twilio-Signature": signature(token, url, form)}
    reply = await _post(context, twiml.INCOMING_CALL, form, headers)
    if reply.status == 403:
        return ok("403")
    advice = "Anybody can make calls to this server. Set TWILIO_VALIDATE=true there and start it again."
    return failed(f"answered with {reply.status}", advice)


async def _status(context: RunContext) -> Found:
    """Post some status callbacks of a call that does not exist, one after the other."""
    sids, times = Sids(), []
    for number in range(_CALLBACKS):
        event = "stream-stopped" if number % 2 else "stream-started"
        form: Any = webhook_forms.stream_status(sids, event, None, time.time_ns())
        try:
            reply = await _post(context, twiml.STREAM_STATUS, form)
        except NoAnswer as problem:
            return failed(str(problem), _WHY_NO_STATUS)
        if (reply.status, reply.body) != (204, b""):
            return _not_204(reply)
        times.append(reply.seconds)
    slow = percentile(times, 0.95) or 0.0
    figure = f"204, p95 {slow * 1000:.0f} ms of {_CALLBACKS}"
    if slow > _SLOWEST:
        return failed(figure, "The server or the way to it is slow: more CPU, or fewer proxies before it.")
    return ok(figure)


_WHY_NO_STATUS = (
    "The proxy before the server does not get this path through to it: let it pass /webhook/stream_status, "
    "and see whether the server still runs. Calls go on, but nobody hears of a stream's errors."
)


def _not_204(reply: Reply) -> Found:
    if reply.status >= 500:
        return failed(f"answered with {reply.status}", _WHY_NO_STATUS)
    if reply.status == 403:
        return failed("403", "TWILIO_AUTH_TOKEN and PUBLIC_HOST must be the running server's own.")
    return failed(f"{reply.status} with {len(reply.body)} bytes", "Something else answers there: see the proxy.")
