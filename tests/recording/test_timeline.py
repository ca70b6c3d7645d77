from hypothesis import given
from hypothesis import strategies as st

from tests.recording.made import SECOND, tone
from voicestt.audio import mulaw
from voicestt.recording.timeline import CALLER, OURS, CallTimeline, Piece

FRAME = 160


def frames(timeline: CallTimeline, count: int, at: float = 0.0, first: int = 0) -> list[Piece]:
    """Frames that come each 20 ms, with Twilio's timestamps."""
    return [
        timeline.caller(at + n * 0.02, tone(FRAME), (first + n) * FRAME, str((first + n) * 20))
        for n in range(count)
    ]


def test_the_callers_audio_lies_as_it_came_whenever_it_came() -> None:
    timeline = CallTimeline()
    late = [timeline.caller(9.0, tone(FRAME), n * FRAME, str(n * 20)) for n in range(3)]
    assert [piece.start for piece in late] == [0, 160, 320]


def test_a_gap_that_twilio_tells_of_is_a_gap() -> None:
    timeline = CallTimeline()
    frames(timeline, 5)
    piece = timeline.caller(1.1, tone(FRAME), 5 * FRAME, "1100")
    assert piece.start == round(1.1 * SECOND)


def test_a_timestamp_that_cannot_be_is_no_gap() -> None:
    timeline = CallTimeline()
    frames(timeline, 5)
    assert timeline.caller(0.1, tone(FRAME), 5 * FRAME, "99999999").start == 5 * FRAME
    assert timeline.caller(0.12, tone(FRAME), 6 * FRAME, None).start == 6 * FRAME


def test_what_we_say_lies_where_the_caller_was_and_what_follows_behind_it() -> None:
    timeline = CallTimeline()
    frames(timeline, 50)
    assert timeline.ours(1.0, tone(800)) == Piece(OURS, SECOND, tone(800))
    assert timeline.ours(1.01, tone(800)).start == SECOND + 800
    assert timeline.ours(3.0, tone(800)).start == 3 * SECOND


def test_the_greeting_before_the_first_frame_lies_at_the_beginning() -> None:
    timeline = CallTimeline()
    assert timeline.ours(100.0, tone(800)).start == 0
    frames(timeline, 5, at=100.2)
    assert timeline.ours(100.22, tone(800)).start == 800
    assert timeline.zero == 100.2


def test_a_clear_cuts_what_was_not_heard_and_nothing_else() -> None:
    timeline = CallTimeline()
    frames(timeline, 50)
    timeline.ours(1.0, tone(1_600))
    assert timeline.cut(1.1) == Piece(OURS, SECOND + 800, mulaw.SILENCE * 800)
    assert timeline.cut(1.2) is None
    assert timeline.ours(1.2, tone(160)).start == round(1.2 * SECOND)


def test_first_frames_that_came_late_do_not_shift_what_we_say_for_ever() -> None:
    """The call's start waited for the journal, so a second of frames came at once."""
    timeline = CallTimeline()
    for n in range(50):
        timeline.caller(11.0, tone(FRAME), n * FRAME, str(n * 20))
    frames(timeline, 50, at=11.0, first=50)
    assert timeline.ours(12.0, tone(160)).start == 2 * SECOND


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["caller", "ours", "cut"]), st.floats(0, 0.5), st.integers(1, 1_600), st.booleans()
        ),
        max_size=60,
    )
)
def test_no_track_ever_overlaps_itself(acts: list[tuple[str, float, int, bool]]) -> None:
    timeline, at, position = CallTimeline(), 0.0, 0
    ends = {CALLER: 0, OURS: 0}
    for act, pause, length, has_time in acts:
        at += pause
        if act == "caller":
            piece: Piece | None = timeline.caller(
                at, tone(length), position, str(int(at * 1000)) if has_time else None
            )
            position += length
        elif act == "ours":
            piece = timeline.ours(at, tone(length))
        else:
            piece = timeline.cut(at)
            if piece is not None:
                assert piece.start + len(piece.audio) == ends[OURS]
                ends[OURS] = piece.start
                continue
        if piece is not None:
            assert piece.start >= ends[piece.track]
            ends[piece.track] = piece.start + len(piece.audio)


def test_the_callee_lies_in_the_place_of_what_we_play_by_the_time_of_the_call() -> None:
    timeline = CallTimeline()
    frames(timeline, 50)
    late = [timeline.callee(1.0 + n * 0.02, tone(FRAME), n * FRAME, str(1000 + n * 20)) for n in range(3)]
    assert [(piece.track, piece.start) for piece in late] == [(OURS, SECOND + n * FRAME) for n in range(3)]


def test_a_callee_who_comes_first_begins_the_time_of_the_call() -> None:
    timeline = CallTimeline()
    assert timeline.callee(5.0, tone(FRAME), 0, "52").start == 0
    assert timeline.caller(7.0, tone(FRAME), 0, "2052").start == 2 * SECOND
    assert timeline.zero == 5.0
