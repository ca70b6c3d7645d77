import pytest

from voicestt.ops.gonogo.report import CheckOutcome
from voicestt.ops.gonogo.webhook_checks import judged_document
from voicestt.twilio import twiml

HOST = "voice.shop.co.il"
RIGHT = twiml.connect_stream(HOST)


def test_the_document_itself_is_right() -> None:
    assert judged_document(RIGHT, HOST).outcome is CheckOutcome.OK


def test_so_is_one_whose_call_comes_back_here() -> None:
    found = judged_document(twiml.connect_stream(HOST, "again=1&since=1800000000"), HOST)
    assert found.outcome is CheckOutcome.OK
    assert "back here" in found.figure


@pytest.mark.parametrize(
    ("body", "figure", "twilio"),
    [
        (b"\n" + RIGHT, "before <?xml", None),
        (b"\xef\xbb\xbf" + RIGHT, "before <?xml", None),
        (b"<html>hello</html>", "no <?xml", None),
        (b"", "no <?xml", None),
        (twiml.connect_stream("other.shop.co.il"), "another <Stream> url", 31922),
        (RIGHT.replace(b"wss://", b"ws://"), "another <Stream> url", 31922),
        (RIGHT.replace(b"inbound_track", b"both_tracks"), "differs from byte", None),
        (twiml.connect_stream(HOST, "again=7&since=1"), "differs from byte", None),
        (RIGHT + b"\n", f"differs from byte {len(RIGHT)} on", None),
        (RIGHT[:-1], f"differs from byte {len(RIGHT) - 1} on", None),
    ],
)
def test_the_first_difference_of_another_document_is_named(body: bytes, figure: str, twilio: int | None) -> None:
    found = judged_document(body, HOST)
    assert (found.outcome, found.twilio) == (CheckOutcome.FAILED, twilio)
    assert figure in found.figure
