"""The TwiML of a user who streams both sides of a call to the server: `<Start><Stream track="both_tracks">`."""

from urllib.parse import urlsplit
from xml.sax.saxutils import quoteattr

from voicestt.emulators.twilio.call_values import CallUpdate, ServerTarget
from voicestt.emulators.twilio.caller import CallControl
from voicestt.emulators.twilio.placed import PlacedCall
from voicestt.emulators.twilio.webhook_forms import INBOUND
from voicestt.twilio.twiml import STREAM_STATUS, media_url, webhook_url


def both_tracks_twiml(target: ServerTarget) -> str:
    """Write the document: both tracks of the call to the server's media path."""
    host = urlsplit(target.public_url).netloc
    stream, status = quoteattr(media_url(host)), quoteattr(webhook_url(host, STREAM_STATUS))
    return (
        f'<Response><Start><Stream url={stream} track="both_tracks" statusCallback={status}/></Start></Response>'
    )


def call_with_both_tracks(target: ServerTarget) -> CallControl:
    """Make the control of a call whose webhook is the user's: the server gets its stream, and is not asked."""
    return CallControl(placed=PlacedCall(INBOUND, CallUpdate(twiml=both_tracks_twiml(target))))
