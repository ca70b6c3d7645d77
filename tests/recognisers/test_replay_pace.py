import pytest

from voicestt.recognisers.port import RecogniserError
from voicestt.recognisers.replay_pace import FAST, SLOW, ReplayPace


@pytest.mark.parametrize(
    "error",
    [
        RecogniserError("RESOURCE_EXHAUSTED", "quota"),
        RecogniserError("OUT_OF_RANGE", "Audio data is being streamed too fast. Please stream at real time."),
    ],
)
def test_a_refusal_slows_the_process_down_for_good(error: RecogniserError) -> None:
    pace = ReplayPace()
    assert pace.speed == FAST
    pace.failed(error)
    assert pace.speed == SLOW
    pace.failed(error)
    assert (pace.speed, pace.step(hurries=True)) == (SLOW, 2_400)


def test_other_errors_do_not() -> None:
    pace = ReplayPace()
    pace.failed(RecogniserError("UNAVAILABLE", "no route"))
    assert pace.speed == FAST


def test_a_step_fits_into_one_of_google_s_messages() -> None:
    assert ReplayPace().step(hurries=True) * 2 <= 25_600


def test_where_nobody_waits_it_is_slow() -> None:
    assert ReplayPace().step(hurries=False) == 2_400
