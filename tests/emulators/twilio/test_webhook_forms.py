from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.emulators.twilio.webhook_forms import incoming_call, stream_status, timestamp

SIDS = Sids("AC1", "CA1", "MZ1")


def test_the_incoming_call_names_its_parties() -> None:
    form = incoming_call(SIDS)
    assert (form["CallSid"], form["AccountSid"], form["Direction"], form["CallStatus"]) == (
        "CA1",
        "AC1",
        "inbound",
        "ringing",
    )
    assert form["From"] == form["Caller"] != form["To"] == form["Called"]


def test_a_stream_without_a_name_goes_by_its_sid() -> None:
    form = stream_status(SIDS, "stream-started", None, 0)
    assert form == {
        "AccountSid": "AC1",
        "CallSid": "CA1",
        "StreamEvent": "stream-started",
        "StreamName": "MZ1",
        "StreamSid": "MZ1",
        "Timestamp": "1970-01-01T00:00:00.000000000Z",
    }
    assert stream_status(SIDS, "stream-stopped", "desk", 0)["StreamName"] == "desk"


@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999_999))
def test_timestamps_keep_every_nanosecond(seconds: int, nanoseconds: int) -> None:
    assert timestamp(seconds * 1_000_000_000 + nanoseconds).endswith(f".{nanoseconds:09d}Z")
