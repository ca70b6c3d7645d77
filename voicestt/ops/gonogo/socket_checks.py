"""Checks of the media WebSocket's handshake, with exactly the headers that Twilio sends."""

import re
from urllib.parse import urlsplit

from voicestt.emulators.twilio.media_socket import (
    SUBPROTOCOL,
    Closed,
    SocketEvents,
    open_media_socket,
)
from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.signatures import HEADER, signature
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.network_checks import ANSWERS
from voicestt.ops.gonogo.report import Found, failed, ok
from voicestt.ops.gonogo.run_context import RunContext
from voicestt.ops.gonogo.settings_checks import READ, SIGNED
from voicestt.ops.gonogo.web import NoAnswer, ask
from voicestt.twilio import twiml

NO_PAGE, OPENS = "socket.no_page", "socket.opens"
_WRONG_TOKEN = "0" * 32
_STATUS = re.compile(r"answered with '([^']+)'")


def socket_checks(context: RunContext) -> list[Check]:
    """Make the checks of the path and of its WebSocket handshake."""
    url = twiml.media_url
    opens = (NO_PAGE, OPENS)
    return [
        Check(NO_PAGE, "no page stands before the WebSocket", lambda: _no_page(context), (READ, ANSWERS), 31920),
        Check(OPENS, "101 with no subprotocol, as Twilio asks", lambda: _opens(context), (NO_PAGE,), 31920),
        Check("socket.subprotocol", f"101 with {SUBPROTOCOL} offered", lambda: _selects(context), opens, 31920),
        Check(
            "socket.slash",
            "the signature over the URL + / is good",
            lambda: _slash(context),
            (*opens, SIGNED),
            31920,
        ),
        Check(
            "socket.forged",
            "a wrong signature is refused",
            lambda: _forged(context, url(context.host)),
            (*opens, SIGNED),
        ),
    ]


async def _no_page(context: RunContext) -> Found:
    """Check that no web page answers a plain GET at the path, also with a slash or a query added."""
    for path in (twiml.MEDIA, twiml.MEDIA + "/", twiml.MEDIA + "?page=1"):
        try:
            reply = await ask(context.reactor, context.url + path, context.host)
        except NoAnswer as problem:
            return failed(str(problem), "See the log of the server and of the proxy before it.")
        if reply.is_page or reply.status < 400:
            advice = (
                f"A web page (a front end's catch-all route, a static site, a login page) answers at {path}, "
                "so Twilio gets HTML instead of a socket. Let the proxy pass /ws/ and /webhook/ to this "
                "server first."
            )
            return failed(f"{path} answers {reply.status} {reply.media_type}".rstrip(), advice)
    return ok(f"{reply.status}, {reply.media_type}")


async def _opens(context: RunContext) -> Found:
    began = context.monotonic()
    try:
        subprotocol = await _shake_hands(context, _signature(context, ""))
    except CallRefused as refused:
        return failed(_short(refused), _why_refused(refused), refused.problem.code)
    if subprotocol is not None:
        advice = (
            "Twilio offered none, so it hangs up on an answer that names one: something changes the handshake."
        )
        return failed(f"it selected {subprotocol}", advice)
    return ok(f"101, {(context.monotonic() - began) * 1000:.0f} ms")


async def _selects(context: RunContext) -> Found:
    try:
        subprotocol = await _shake_hands(context, _signature(context, ""), offer=True)
    except CallRefused as refused:
        return failed(_short(refused), _why_refused(refused))
    if subprotocol != SUBPROTOCOL:
        advice = "Something between takes the header Sec-WebSocket-Protocol away: see the proxy."
        return failed(f"it selected {subprotocol or 'none'}", advice)
    return ok("101, selected")


async def _slash(context: RunContext) -> Found:
    try:
        await _shake_hands(context, _signature(context, "/"))
    except CallRefused as refused:
        return failed(
            _short(refused), "Twilio may sign the URL with a slash at its end; the server must take both."
        )
    return ok("101")


async def _forged(context: RunContext, url: str) -> Found:
    try:
        await _shake_hands(context, {HEADER: signature(_WRONG_TOKEN, url)})
    except CallRefused as refused:
        words = str(refused)
        if "403" in words:
            return ok("403")
        return failed(_short(refused), "It should be refused with 403: something else than the server refuses it.")
    return failed("101", "Anybody can stream audio to this server. Set TWILIO_VALIDATE=true and start it again.")


def _signature(context: RunContext, ending: str) -> dict[str, str]:
    token = next(iter(context.settings.twilio_auth_tokens), None)
    return {} if token is None else {HEADER: signature(token, twiml.media_url(context.host) + ending)}


async def _shake_hands(context: RunContext, headers: dict[str, str], offer: bool = False) -> str | None:
    """Shake hands and return the subprotocol that the server selected; raise `CallRefused`."""
    url = twiml.media_url(context.host)
    events = SocketEvents(_nothing, _gone)
    reached = context.target.reached_at(url)
    socket = await open_media_socket(context.reactor, reached, urlsplit(url).netloc, headers, events, offer)
    selected = socket.subprotocol
    socket.say_goodbye()
    await events.closed
    return selected


def _nothing(_payload: bytes, _is_binary: bool) -> None:
    pass


def _gone(_closed: Closed) -> None:
    pass


def _short(refused: CallRefused) -> str:
    """Shorten a refusal to the status line where one came."""
    status = _STATUS.search(refused.problem.message)
    return status[1] if status else refused.problem.message[:80]


def _why_refused(refused: CallRefused) -> str:
    words = str(refused)
    if "403" in words:
        return (
            "TWILIO_AUTH_TOKEN and PUBLIC_HOST must be the running server's own, and those of the Twilio console."
        )
    if refused.problem.code in {31901, 31902}:
        return "Nothing takes the connection: the server is down, or a firewall or proxy is before it."
    return "The proxy before the server does not pass WebSockets: switch them on (Upgrade must get through)."
