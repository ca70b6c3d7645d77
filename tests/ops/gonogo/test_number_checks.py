"""GO/NO-GO tries what each number of NUMBERS_FILE asks for, with the service that calls would ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ops.gonogo.run_contexts import findings_of, run_context
from tests.recognisers.on_reactor import on_reactor
from voicestt.emulators.google.script import Script, Utterance
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.ops.gonogo.number_checks import number_checks
from voicestt.ops.gonogo.report import CheckOutcome, Finding

GOOD = '["+97231234567"]\nlanguage = "he-IL"\nmodel = "default"\nhints = ["Shure"]\n["*"]\nlanguage = "en-US"\n'


@pytest.fixture
def google() -> Iterator[LocalGoogle]:
    with LocalGoogle(ScriptEngine(Script((Utterance("hello", 0.5, 1.0),))), faults="") as service:
        yield service


async def found(folder: Path, google: LocalGoogle, text: str) -> Finding:
    file = folder / "numbers.toml"
    file.write_text(text, "utf-8")
    here = run_context(
        folder,
        GCP_STT_ENDPOINT=google.target,
        GCP_STT_INSECURE="true",
        GCP_STT_MODEL="default",
        NUMBERS_FILE=str(file),
    )
    (finding,) = (await findings_of(list(number_checks(here, ())))).values()
    return finding


def test_without_a_file_there_is_no_such_check(tmp_path: Path) -> None:
    assert number_checks(run_context(tmp_path), ()) == []


@on_reactor
async def test_all_that_is_taken_is_go(tmp_path: Path, google: LocalGoogle) -> None:
    finding = await found(tmp_path, google, GOOD)
    assert finding.outcome is CheckOutcome.OK
    assert finding.figure == "2 numbers and profiles, 2 different requests"


@on_reactor
async def test_what_is_refused_is_named_by_its_line_and_never_by_its_number(
    tmp_path: Path, google: LocalGoogle
) -> None:
    google.set_faults('next: error INVALID_ARGUMENT "speech_contexts: none here"')
    text = GOOD + '["+1*"]\nmodel = "no_such"\ndenoise = true\n[profile.short]\nlanguage = "a1"\n'
    finding = await found(tmp_path, google, text.replace('"a1"', '"ar-IL"'))
    assert finding.outcome is CheckOutcome.FAILED
    assert "line 1: Google refuses hints with default and iw-IL" in finding.advice
    assert "line 7: Google refuses no_such with iw-IL; default will be used" in finding.advice or (
        "line 7: the denoiser will not be asked for" in finding.advice
    )
    assert "1234567" not in finding.advice
