"""The paths of this server, named once, and the TwiML that sends a call's audio to it."""

INCOMING_CALL = "/webhook/incoming_call"
STREAM_STATUS = "/webhook/stream_status"
MEDIA = "/ws/twilio-media"
HEALTH = "/healthz"
EVENTS = "/events"
LIVE = "/ws/live"

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
</Response>
"""


def media_url(public_host: str) -> str:
    """Returns the URL at which Twilio opens the WebSocket, and which it signs."""
    return f"wss://{public_host}{MEDIA}"


def webhook_url(public_host: str, path: str) -> str:
    """Returns the URL of `path` to which Twilio posts, and which it signs."""
    return f"https://{public_host}{path}"


def connect_stream(public_host: str) -> bytes:
    """Returns the answer to an incoming call: `<Connect><Stream>`, byte for byte the same for every call.

    Source: Twilio's "TwiML Voice: <Stream>". Nothing may stand before `<?xml` (Twilio's error 12100).
    """
    return _DOCUMENT.format(host=public_host, media=MEDIA, status=STREAM_STATUS).encode()
