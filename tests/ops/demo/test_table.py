from tests.ops.demo.made import EVENTS, STREAM, placed
from voicestt.emulators.twilio.problems import CallProblem
from voicestt.ops.demo.judgement import judge
from voicestt.ops.demo.table import report

GOOD = judge(placed(), EVENTS, [STREAM])
BAD = judge(placed(CallProblem("it rained")), [], [])


def test_a_good_demonstration_ends_with_what_worked() -> None:
    lines = report([GOOD])
    assert lines[:4] == ["", "goforward", "  spoken: go forward ten meters", "  heard:  Go forward. 10 meters"]
    row = next(line for line in lines if line.startswith("goforward  "))
    assert " ".join(row.split()) == "goforward 0 of 4 200 ms 3 200/200 ms 1500 ms 160 160"
    assert lines[-1] == (
        "It works: 1 call was taken and closed cleanly, 0.0% of 4 words wrong, the first partial 200 ms after "
        "the voice began (median), no byte lost."
    )


def test_a_failed_one_names_every_problem_and_ends_with_the_first() -> None:
    lines = report([GOOD, BAD])
    assert sum(line.startswith("PROBLEM: goforward") for line in lines) == 4
    assert lines[-1].startswith("The demonstration failed: goforward: it rained (and 4 more)")
    assert "  heard:  (nothing)" in lines
    assert any("not as sent" in line and "-/- ms" in line for line in lines)


def test_words_that_nobody_wrote_down_are_not_compared() -> None:
    lines = report([judge(placed(text=None), EVENTS, [STREAM]), GOOD])
    assert "  spoken: (nobody wrote it down)" in lines
    assert "2 calls were taken" in lines[-1]
    assert "the words were not compared" in report([judge(placed(text=None), EVENTS, [STREAM])])[-1]
