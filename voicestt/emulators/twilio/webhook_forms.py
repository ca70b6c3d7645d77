"""The forms that Twilio posts: the incoming call and the stream's status callbacks.

The numbers are of the 555-01xx kind that belongs to nobody.
"""

from datetime import UTC, datetime

from voicestt.emulators.twilio.twilio_messages import Sids

CALLER = "+15555550100"
CALLED = "+15555550199"


def incoming_call(sids: Sids) -> dict[str, str]:
    """Make the fields of the first webhook."""
    return call_form(sids, "ringing")


def call_form(sids: Sids, status: str) -> dict[str, str]:
    """Make the fields that every webhook of a call has; empty ones, as for many callers, are sent and signed too.

    `status` is the call's: ringing, in-progress, completed.
    """
    return {
        "AccountSid": sids.account,
        "ApiVersion": "2010-04-01",
        "CallSid": sids.call,
        "CallStatus": status,
        "Called": CALLED,
        "Caller": CALLER,
        "CallerCity": "",
        "CallerCountry": "US",
        "Direction": "inbound",
        "From": CALLER,
        "FromCity": "",
        "FromCountry": "US",
        "To": CALLED,
        "ToCity": "",
        "ToCountry": "US",
    }


def stream_status(sids: Sids, event: str, stream_name: str | None, unix_ns: int) -> dict[str, str]:
    """Make the fields of a status callback; `event` is stream-started, stream-stopped or stream-error."""
    return {
        "AccountSid": sids.account,
        "CallSid": sids.call,
        "StreamEvent": event,
        "StreamName": stream_name or sids.stream,
        "StreamSid": sids.stream,
        "Timestamp": timestamp(unix_ns),
    }


def timestamp(unix_ns: int) -> str:
    """Format ISO 8601 with nanoseconds, as Twilio does (Python's own parser does not read it)."""
    seconds, nanoseconds = divmod(unix_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
