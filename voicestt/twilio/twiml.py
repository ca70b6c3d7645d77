"""The paths of this server, named once, and the TwiML that sends a call's audio to it."""

import re
from xml.sax.saxutils import escape

INCOMING_CALL = "/webhook/incoming_call"
STREAM_STATUS = "/webhook/stream_status"
MEDIA = "/ws/twilio-media"
HEALTH = "/healthz"
READY = "/readyz"
METRICS = "/metrics"
EVENTS = "/events"
LIVE = "/ws/live"
TOKENS = "/tokens"

CONTENT_TYPE = "text/xml; charset=utf-8"

_DOCUMENT = """\
<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Connect>
    <Stream url="wss://{host}{media}"
            track="inbound_track"
            statusCallbackEvent="start mark stop"
            statusCallback="https://{host}{status}"
            />
  </Connect>
{after}</Response>
"""
_REDIRECT = """\
  <Redirect method="POST">{url}</Redirect>
"""
_LATER = """\
<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Pause length="{seconds}"/>
{redirect}</Response>
"""

HANG_UP = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Hangup/>
</Response>
"""
"""The answer for a call that was hung up here and comes back nevertheless."""


def media_url(public_host: str) -> str:
    """Return the URL at which Twilio opens the WebSocket, and which it signs."""
    return f"wss://{public_host}{MEDIA}"


def webhook_url(public_host: str, path: str) -> str:
    """Return the URL of `path` to which Twilio posts, and which it signs."""
    return f"https://{public_host}{path}"


def incoming_call_url(public_host: str, query: str) -> str:
    """Return the URL at which Twilio asks for a call that comes back."""
    return f"{webhook_url(public_host, INCOMING_CALL)}?{query}"


def connect_stream(public_host: str, comes_back: str = "") -> bytes:
    """Return the answer to an incoming call: `<Connect><Stream>`, byte for byte the same for every call.

    `comes_back` is the query with which the call asks again when its stream is over, in a `<Redirect>`; none
    without it. Source: Twilio's "TwiML Voice: <Stream>". Nothing may stand before `<?xml` (Twilio's error 12100).
    """
    after = _redirect(public_host, comes_back) if comes_back else ""
    return _DOCUMENT.format(host=public_host, media=MEDIA, status=STREAM_STATUS, after=after).encode()


def without_redirect(document: bytes, public_host: str) -> bytes:
    """Return the answer to a new call without the `<Redirect>` with which it comes back."""
    any_time = re.escape(_redirect(public_host, "again=1&since=0")).replace("since=0", "since=[0-9]+")
    return re.sub(any_time.encode(), b"", document)


def ask_later(public_host: str, seconds: int, query: str) -> bytes:
    """Return the answer that lets a live call ask again after `seconds` of silence."""
    return _LATER.format(seconds=seconds, redirect=_redirect(public_host, query)).encode()


def _redirect(public_host: str, query: str) -> str:
    return _REDIRECT.format(url=escape(incoming_call_url(public_host, query)))
