from pathlib import Path

import pytest

from tests.ops.gonogo.run_contexts import findings_of, run_context
from tests.recognisers.on_reactor import on_reactor
from voicestt.emulators.twilio.call_values import CallReport
from voicestt.emulators.twilio.problems import CallProblem
from voicestt.ops.demo.judgement import RecordedEvent
from voicestt.ops.gonogo.call_checks import call_checks
from voicestt.ops.gonogo.listening import HeardCall, Recording, broken, find_recording
from voicestt.ops.gonogo.report import CheckOutcome, Finding
from voicestt.ops.gonogo.run_context import RunContext, Where

REPORT = CallReport("CA1", "MZ1", voice_began_at=10.0, voice_ended_at=12.0)
FINAL = RecordedEvent("CA1", True, "one two three four", 12.5)


def partial(text: str, at: float) -> RecordedEvent:
    return RecordedEvent("CA1", False, text, at)


def heard(*events: RecordedEvent, text: str | None = "one two three four") -> HeardCall:
    return HeardCall(Recording(b"\xff", "clip", text), REPORT, list(events))


async def one(context: RunContext, key: str, heard: HeardCall) -> Finding:
    (check,) = [check for check in call_checks(context, heard) if check.key == key]
    return (await findings_of([check]))[key]


@pytest.fixture
def here(tmp_path: Path) -> RunContext:
    return run_context(tmp_path, EVENTS_FILE=str(tmp_path / "events"))


@on_reactor
async def test_words_are_compared_with_what_was_said(here: RunContext) -> None:
    found = await one(here, "call.words", heard(FINAL))
    assert (found.outcome, found.figure) == (CheckOutcome.OK, "0 of 4 wrong (0%)")
    wrong = await one(here, "call.words", heard(RecordedEvent("CA1", True, "one too tree four", 12.5)))
    assert (wrong.outcome, wrong.figure) == (CheckOutcome.FAILED, "2 of 4 wrong (50%)")
    assert "one too tree four" in wrong.advice
    assert (await one(here, "call.words", heard(FINAL, text=None))).outcome is CheckOutcome.SKIPPED


@on_reactor
async def test_partials_closer_than_the_debounce_are_a_failure(here: RunContext) -> None:
    good = heard(partial("one", 10.5), partial("one two", 10.7), partial("one two three", 10.9), FINAL)
    assert (await one(here, "call.cadence", good)).figure == "p50 200 ms, p95 200 ms, debounce 180 ms"
    bad = heard(partial("one", 10.5), partial("one two", 10.6), FINAL)
    assert (await one(here, "call.cadence", bad)).outcome is CheckOutcome.FAILED
    assert (await one(here, "call.cadence", heard(partial("one", 10.5), FINAL))).outcome is CheckOutcome.SKIPPED


def test_a_late_goodbye_did_not_break_the_call() -> None:
    late, lost = CallProblem("the WebSocket was not closed properly", 31924), CallProblem("it broke", 31903)
    assert broken(CallReport("CA1", "MZ1", problems=(late,))) is None
    assert broken(CallReport("CA1", "MZ1", problems=(late, lost))) is lost


@on_reactor
async def test_late_words_are_a_failure(here: RunContext) -> None:
    assert (await one(here, "call.latency", heard(partial("one", 10.5), FINAL))).outcome is CheckOutcome.OK
    late_partial = await one(here, "call.latency", heard(partial("one", 13.0), FINAL))
    late_final = await one(
        here, "call.latency", heard(partial("one", 10.5), RecordedEvent("CA1", True, "x", 16.0))
    )
    assert [late_partial.outcome, late_final.outcome] == [CheckOutcome.FAILED] * 2
    assert late_final.figure == "first partial 500 ms, final 4000 ms"


@on_reactor
async def test_no_final_is_a_failure_and_no_way_to_see_one_is_not(tmp_path: Path, here: RunContext) -> None:
    assert (await one(here, "call.final", heard())).outcome is CheckOutcome.FAILED
    blind = await one(run_context(tmp_path), "call.final", heard(FINAL))
    assert (blind.outcome, "EVENTS_FILE" in blind.advice) == (CheckOutcome.SKIPPED, True)
    outside = await one(run_context(tmp_path, Where.PUBLIC, EVENTS_FILE="/x"), "call.final", heard(FINAL))
    assert (outside.outcome, outside.figure) == (CheckOutcome.UNSEEN, "not seen from outside")


@on_reactor
async def test_a_real_recogniser_needs_a_recording_in_its_language(tmp_path: Path) -> None:
    found = await one(run_context(tmp_path, GCP_STT_LANGUAGE="he-IL"), "call.recording", HeardCall())
    assert found.outcome is CheckOutcome.SKIPPED
    assert "--clip FILE --text" in found.advice
    assert "pocketsphinx" not in found.advice


@on_reactor
async def test_a_recording_that_cannot_be_read_is_a_failure(here: RunContext, tmp_path: Path) -> None:
    here.clip = tmp_path / "bad.wav"
    here.clip.write_bytes(b"")
    found = await one(here, "call.recording", HeardCall())
    assert (found.outcome, "bad.wav" in found.advice) == (CheckOutcome.FAILED, True)


def test_a_recording_of_ones_own_and_a_stand_in_need_nothing_installed(tmp_path: Path) -> None:
    clip = tmp_path / "hello.ulaw"
    clip.write_bytes(b"\x00\x80" * 800)
    real = run_context(tmp_path).settings
    assert find_recording(real, clip, "hello") == Recording(b"\x00\x80" * 800, "hello.ulaw", "hello")
    stand_in = run_context(tmp_path, GCP_STT_ENDPOINT="127.0.0.1:1", GCP_STT_INSECURE="true").settings
    made = find_recording(stand_in, None, None)
    assert made is not None
    assert len(made.audio) == 24_000
