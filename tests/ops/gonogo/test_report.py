import json

import pytest

from voicestt.ops.gonogo.report import (
    CheckOutcome,
    Finding,
    against,
    as_json,
    exit_code,
    progress_line,
    table,
    verdict,
)

GOOD = Finding("a.good", "it is good", CheckOutcome.OK, "12 ms")
UNSEEN = Finding("b.unseen", "it cannot be seen", CheckOutcome.UNSEEN, "not from here", twilio=12100)
SKIPPED = Finding("c.skipped", "it must be proved", CheckOutcome.SKIPPED, "", "Give a clip.")
BAD = Finding("d.bad", "it is as it should be", CheckOutcome.FAILED, "a page", "Ask the proxy.", 12100)


@pytest.mark.parametrize(
    ("findings", "wanted", "code"),
    [
        ([GOOD], "GO", 0),
        ([GOOD, UNSEEN], "GO", 0),
        ([GOOD, SKIPPED], "NO-GO: 1 of 2", 1),
        ([GOOD, UNSEEN, SKIPPED, BAD], "NO-GO: 2 of 4", 1),
        ([], "NO-GO: 0 of 0", 1),
    ],
)
def test_the_verdict_and_the_exit_code_of_findings(findings: list[Finding], wanted: str, code: int) -> None:
    assert (verdict(findings), exit_code(findings)) == (wanted, code)


def test_the_verdict_names_the_failed_checks() -> None:
    assert against([GOOD, BAD, UNSEEN, SKIPPED]) == [BAD, SKIPPED]


def test_only_what_is_wrong_says_what_twilio_would_show() -> None:
    assert BAD.what_to_do == "Ask the proxy. Twilio's Debugger shows 12100."
    assert UNSEEN.what_to_do == ""


def test_a_wide_table_has_everything_beside_each_other() -> None:
    assert table([GOOD, BAD], 120) == [
        "check                  result  figure  what to do",
        "it is good             ok      12 ms",
        "it is as it should be  FAIL    a page  Ask the proxy. Twilio's Debugger shows 12100.",
    ]


def test_a_narrow_table_has_the_advice_below_its_check() -> None:
    assert table([GOOD, BAD], 60) == [
        "check                  result  figure",
        "    what to do",
        "it is good             ok      12 ms",
        "it is as it should be  FAIL    a page",
        "    Ask the proxy. Twilio's Debugger shows 12100.",
    ]


@pytest.mark.parametrize("width", [40, 80, 100, 160, 300])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = Finding(
        "e", "a check with many words in it " * 4, CheckOutcome.FAILED, "figure/" * 20, "advice " * 40, 1
    )
    lines = table([GOOD, long], width)
    assert max(map(len, lines)) <= max(width, 66)
    assert "".join(lines).count("advice") == 40


def test_a_line_of_progress() -> None:
    assert progress_line(GOOD) == "      ok  it is good (12 ms)"
    assert progress_line(SKIPPED) == " skipped  it must be proved"


def test_the_report_as_json() -> None:
    said = json.loads(as_json([GOOD, BAD]))
    assert (said["verdict"], said["against"], said["of"]) == ("NO-GO", 1, 2)
    assert said["checks"][1] == {
        "key": "d.bad",
        "check": "it is as it should be",
        "result": "failed",
        "figure": "a page",
        "what_to_do": "Ask the proxy.",
        "twilio_error": 12100,
    }
    assert json.loads(as_json([GOOD]))["verdict"] == "GO"
