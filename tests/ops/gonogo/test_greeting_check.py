from pathlib import Path

import pytest

from tests.ops.gonogo.run_contexts import run_context
from voicestt.audio import mulaw
from voicestt.emulators.twilio.call_values import CallReport
from voicestt.ops.gonogo.greeting_check import Wanted, _wanted, judged
from voicestt.ops.gonogo.report import CheckOutcome

OK, FAILED = CheckOutcome.OK, CheckOutcome.FAILED
CHIME = bytes(range(1, 251)) * 20  # 625 ms
REST = mulaw.SILENCE * 8_000
HERE = 0.5


def report(
    heard: bytes = CHIME, after: float | None = 0.02, received: bytes | None = None, cleared: bool = False
) -> CallReport:
    return CallReport(
        "CA1",
        "MZ1",
        seconds=4.5,
        first_frame_at=10.0,
        first_heard_at=None if after is None else 10.0 + after,
        heard_audio=mulaw.SILENCE * 160 + heard + REST,
        received_audio=heard if received is None else received,
        cleared_at=(10.5,) if cleared else (),
    )


@pytest.mark.parametrize(
    ("wanted", "heard", "outcome", "figure"),
    [
        (Wanted(CHIME), report(), OK, "625 ms of it, first after 20 ms"),
        (Wanted(b""), report(b"", None), OK, "GREETING=off"),
        (Wanted(b""), report(CHIME, 2.0), OK, "GREETING=off"),  # the handler has spoken
        (Wanted(CHIME), report(b"", None), FAILED, "nothing was heard"),
        (Wanted(CHIME), report(after=0.6), FAILED, "first after 600 ms"),
        (Wanted(CHIME), report(CHIME[:2_000]), FAILED, "250 ms were heard, and not the 625 ms of the greeting"),
        (Wanted(CHIME), report(b"\x01" * 6_000), FAILED, "750 ms were heard, and not the 625 ms of the greeting"),
        (Wanted(CHIME), report(CHIME[:2_000], cleared=True), OK, "first after 20 ms, cut off by the handler"),
        (
            Wanted(CHIME),
            report(CHIME[:800] + REST + CHIME[800:], received=CHIME),
            OK,
            "625 ms of it, first after 20 ms, with gaps",
        ),
        (Wanted(CHIME * 20), report(CHIME * 8), OK, "first after 20 ms, cut off by the end of this call"),
        (Wanted(CHIME, exact=False), report(b"\x01" * 4_500), OK, "625 ms of it, first after 20 ms"),
        (
            Wanted(CHIME, exact=False),
            report(b"\x01" * 2_000),
            FAILED,
            "250 ms were heard, and not the 625 ms of the greeting",
        ),
        (None, report(b"\x01" * 2_000), OK, "first after 20 ms"),
        (None, report(b"", None), FAILED, "nothing was heard"),
    ],
)
def test_the_greeting_is_judged_by_the_first_audio_that_the_caller_hears(
    wanted: Wanted | None, heard: CallReport, outcome: CheckOutcome, figure: str
) -> None:
    found = judged(heard, wanted, HERE)
    assert (found.outcome, found.figure) == (outcome, figure)


def test_a_greeting_that_is_a_little_late_is_said_to_be() -> None:
    found = judged(report(after=0.2), Wanted(CHIME), HERE)
    assert (found.outcome, "within 100 ms" in found.advice) == (OK, True)
    assert judged(report(after=0.09), Wanted(CHIME), HERE).advice == ""


def test_the_greeting_is_made_as_the_server_makes_it(tmp_path: Path) -> None:
    chime = _wanted(run_context(tmp_path).settings)
    assert chime is not None
    assert (len(chime.audio), chime.exact) == (5_120, True)
    assert _wanted(run_context(tmp_path, GREETING="off").settings) == Wanted(b"")
    speaking = run_context(
        tmp_path, GREETING="good day", TTS_ENGINE="espeak-ng", TTS_LANGUAGE="en-US", GREETING_MAX_MS="3000"
    )
    spoken = _wanted(speaking.settings)
    assert spoken is not None
    assert (len(spoken.audio) > 2_000, spoken.exact) == (True, False)
    file = tmp_path / "hello.ulaw"
    file.write_bytes(CHIME)
    assert _wanted(run_context(tmp_path, GREETING=str(file)).settings) == Wanted(CHIME)


def test_a_greeting_whose_file_is_elsewhere_is_not_known_here(tmp_path: Path) -> None:
    assert _wanted(run_context(tmp_path, GREETING="/nowhere/hello.wav").settings) is None
    assert _wanted(run_context(tmp_path, GREETING="a text, and nobody to speak it").settings) is None
