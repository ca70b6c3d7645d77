from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ops.gonogo.run_contexts import findings_of, outcomes, run_context
from tests.recognisers.on_reactor import on_reactor
from voicestt.emulators.google.script import Script, Utterance
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.ops.gonogo.recogniser_checks import date_in, recogniser_checks
from voicestt.ops.gonogo.report import CheckOutcome, Finding
from voicestt.ops.gonogo.web import Reply

OK, FAILED, SKIPPED, UNSEEN = CheckOutcome.OK, CheckOutcome.FAILED, CheckOutcome.SKIPPED, CheckOutcome.UNSEEN


@pytest.fixture
def google() -> Iterator[LocalGoogle]:
    with LocalGoogle(ScriptEngine(Script((Utterance("hello", 0.5, 1.0),))), faults="") as service:
        yield service


async def found(
    folder: Path, google: LocalGoogle, model: str = "default", language: str = "en-US"
) -> dict[str, Finding]:
    here = run_context(
        folder,
        GCP_STT_ENDPOINT=google.target,
        GCP_STT_INSECURE="true",
        GCP_STT_MODEL=model,
        GCP_STT_LANGUAGE=language,
    )
    return await findings_of(recogniser_checks(here))


def three(findings: dict[str, Finding]) -> list[CheckOutcome]:
    return [findings[f"recogniser.{name}"].outcome for name in ("reached", "key", "pair")]


@on_reactor
async def test_a_pair_that_google_refuses_names_the_pair_that_will_be_used(
    tmp_path: Path, google: LocalGoogle
) -> None:
    findings = await found(tmp_path, google, "phone_call", "he-IL")
    assert three(findings) == [OK, OK, OK]
    assert findings["recogniser.pair"].figure == "default with iw-IL will be used"
    assert "phone_call" in findings["recogniser.pair"].advice
    assert findings["recogniser.clock"].outcome is UNSEEN


@on_reactor
async def test_a_pair_that_is_taken_is_named(tmp_path: Path, google: LocalGoogle) -> None:
    findings = await found(tmp_path, google, "phone_call")
    assert findings["recogniser.pair"].figure == "phone_call with en-US"


@on_reactor
async def test_a_model_that_nobody_knew_to_be_refused_is_found_out(tmp_path: Path, google: LocalGoogle) -> None:
    findings = await found(tmp_path, google, "no_such")
    assert findings["recogniser.pair"].outcome is OK
    assert findings["recogniser.pair"].figure == "default with en-US will be used"


@pytest.mark.parametrize(
    ("fault", "wanted", "advice"),
    [
        ("error UNAVAILABLE", [FAILED, SKIPPED, SKIPPED], "firewall"),
        ("credentials", [OK, FAILED, SKIPPED], "Make a new key"),
        ("error PERMISSION_DENIED", [OK, FAILED, SKIPPED], "Cloud Speech Client"),
        ("error RESOURCE_EXHAUSTED", [OK, FAILED, SKIPPED], "quota"),
        ('error INVALID_ARGUMENT "Bad language."', [OK, OK, FAILED], "GCP_STT_LANGUAGE"),
    ],
)
@on_reactor
async def test_each_refusal_fails_the_check_that_it_belongs_to(
    tmp_path: Path, google: LocalGoogle, fault: str, wanted: list[CheckOutcome], advice: str
) -> None:
    google.set_faults(f"all: {fault}")
    findings = await found(tmp_path, google)
    assert three(findings) == wanted
    (bad,) = [finding for finding in findings.values() if finding.outcome is FAILED]
    assert advice in bad.advice


@on_reactor
async def test_the_embedded_recogniser_is_proved_by_the_call(tmp_path: Path) -> None:
    findings = await findings_of(recogniser_checks(run_context(tmp_path, STT_ENGINE="embedded")))
    assert set(outcomes(findings).values()) == {UNSEEN}


def test_the_date_of_an_answer() -> None:
    assert date_in(Reply(200, {"date": "Thu, 01 Jan 1970 00:01:00 GMT"})) == 60.0
    for headers in ({}, {"date": "yesterday"}):
        with pytest.raises(ValueError, match=r"."):
            date_in(Reply(200, headers))
