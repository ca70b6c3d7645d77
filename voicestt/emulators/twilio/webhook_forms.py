"""The forms that Twilio posts: the incoming call and the stream's status callbacks.

The numbers are of the 555-01xx kind that belongs to nobody.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from voicestt.emulators.twilio.twilio_messages import Sids

CALLER = "+15555550100"
CALLED = "+15555550199"


@dataclass(frozen=True, slots=True)
class Parties:
    """The two ends of a call, and who rang: inbound, or outbound-api; `answered_by` is Twilio's `AnsweredBy`."""

    caller: str = field(default=CALLER, repr=False)
    called: str = field(default=CALLED, repr=False)
    direction: str = "inbound"
    answered_by: str | None = None


INBOUND = Parties()


def incoming_call(sids: Sids) -> dict[str, str]:
    """Make the fields of the first webhook."""
    return call_form(sids, "ringing")


def call_form(sids: Sids, status: str, parties: Parties = INBOUND) -> dict[str, str]:
    """Make the fields that every webhook of a call has; empty ones, as for many callers, are sent and signed too.

    `status` is the call's: ringing, in-progress, completed.
    """
    return {
        "AccountSid": sids.account,
        "ApiVersion": "2010-04-01",
        "CallSid": sids.call,
        "CallStatus": status,
        "Called": parties.called,
        "Caller": parties.caller,
        "CallerCity": "",
        "CallerCountry": "US",
        "Direction": parties.direction,
        "From": parties.caller,
        "FromCity": "",
        "FromCountry": "US",
        "To": parties.called,
        "ToCity": "",
        "ToCountry": "US",
        **({} if parties.answered_by is None else {"AnsweredBy": parties.answered_by}),
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
