import pytest

from voicestt.emulators.twilio.tracks import INBOUND, OUTBOUND, has_frames, parse_span


def test_a_track_that_is_not_spoken_of_has_frames_all_the_time() -> None:
    assert has_frames([], INBOUND, 0.0)
    assert has_frames([parse_span("callee@3:")], INBOUND, 1.0)


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("callee@2:", [False, False, True, True]),
        ("callee@:2", [True, True, False, False]),
        ("callee@1:2.5", [False, True, True, False]),
        ("callee@0:0", [False, False, False, False]),
    ],
)
def test_a_track_has_frames_between_two_seconds(text: str, there: list[bool]) -> None:
    assert [has_frames([parse_span(text)], OUTBOUND, float(at)) for at in range(4)] == there


def test_several_spans_of_a_track_add_up() -> None:
    spans = [parse_span("callee@0:1"), parse_span("callee@2:3")]
    assert [has_frames(spans, OUTBOUND, float(at)) for at in range(4)] == [True, False, True, False]


@pytest.mark.parametrize(
    "text", ["", "callee", "callee@", "callee@3", "agent@0:1", "caller@x:", "caller@2:1", "caller@-1:2"]
)
def test_what_is_no_span_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is not SIDE@FROM:UNTIL"):
        parse_span(text)


def test_not_a_number_is_no_time() -> None:
    with pytest.raises(ValueError, match="is not SIDE@FROM:UNTIL"):
        parse_span("callee@nan:")
