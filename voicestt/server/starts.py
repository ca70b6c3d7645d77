"""The check of Twilio's `start` against the webhooks' record of the call, and the call's description from both."""

import re
from typing import Final

from voicestt.call.facts import CallDescription
from voicestt.journal.former import FormerStream
from voicestt.server.call_registry import CallRecord
from voicestt.twilio.media_stream import StartDetails

_IS_SID: Final = re.compile(r"[!-~]{1,64}")  # Twilio's are 34 letters and digits; bare UUIDs have been seen
_NO_PAST: Final = FormerStream("")


class Refused(Exception):
    """The error of a call that is not taken; the text says why."""


def describe(details: StartDetails, record: CallRecord, former: FormerStream | None = None) -> CallDescription:
    """Describe the call of Twilio's `start`, with the webhooks' record of it, and its `former` stream's.

    Raises:
        Refused: when it is not one that can be taken.
    """
    past = former or _NO_PAST
    if not details.media_format.is_mulaw:
        raise Refused("its audio is not audio/x-mulaw, 8000 Hz, one channel")
    if not _IS_SID.fullmatch(details.call_sid) or not _IS_SID.fullmatch(details.stream_sid or "none"):
        raise Refused("its CallSid or its StreamSid is no identifier")
    return CallDescription(
        call_sid=details.call_sid,
        stream_sid=details.stream_sid,
        account_sid=record.account_sid or details.account_sid,
        caller=record.caller or past.caller,
        called=record.called or past.called,
        parameters=details.custom_parameters,
        continues=past.session or None,
        utterances=past.utterances,
        memory=past.memory,
        listens_in="outbound" in details.tracks,
    )


def must_be_known(details: StartDetails, record: CallRecord, *, is_live: bool) -> None:
    """Raise Refused unless a webhook announced this call for this one socket (REQUIRE_KNOWN_CALL).

    `is_live` if the call has a live stream already.
    """
    if not record.announced:
        raise Refused("no webhook announced this CallSid in the last five minutes (REQUIRE_KNOWN_CALL=true)")
    if record.account_sid is not None and record.account_sid != details.account_sid:
        raise Refused("the webhook announced this CallSid for another account (REQUIRE_KNOWN_CALL=true)")
    if is_live:
        raise Refused("this CallSid has a live stream already (REQUIRE_KNOWN_CALL=true)")
    if record.is_used_up:
        raise Refused(
            "a socket has used this CallSid's announcement already, and no webhook has announced it again "
            "(REQUIRE_KNOWN_CALL=true)"
        )
