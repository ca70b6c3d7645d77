from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from voicestt.ops.gonogo.examination import Check, Run, examine
from voicestt.ops.gonogo.report import (
    CheckOutcome,
    Finding,
    Found,
    failed,
    ok,
    unseen,
)


def giving(found: Found) -> Run:
    async def run() -> Found:
        return found

    return run


async def _break() -> Found:
    raise ValueError("the key is s3cret")


async def _hang() -> Found:
    return await Deferred[Found]()


def examined(clock: Clock, *checks: Check) -> tuple[list[Finding], "Deferred[Sequence[Finding]]"]:
    told: list[Finding] = []
    return told, Deferred.fromCoroutine(examine(clock, checks, told.append))


def outcomes(told: list[Finding]) -> list[tuple[str, CheckOutcome]]:
    return [(finding.key, finding.outcome) for finding in told]


def test_checks_are_told_in_their_order_as_they_come(clock: Clock) -> None:
    told, done = examined(clock, Check("a", "A", giving(ok("1"))), Check("b", "B", giving(failed("2", "mend it"))))
    assert told == [
        Finding("a", "A", CheckOutcome.OK, "1"),
        Finding("b", "B", CheckOutcome.FAILED, "2", "mend it"),
    ]
    assert done.result == tuple(told)


def test_a_check_that_needs_a_failed_one_is_skipped_and_names_the_cause(clock: Clock) -> None:
    told, _ = examined(
        clock,
        Check("a", "A is so", giving(failed("", "mend it"))),
        Check("b", "B", giving(ok()), needs=("a",)),
        Check("c", "C", giving(ok()), needs=("b",)),
        Check("d", "D", giving(ok())),
    )
    assert outcomes(told) == [
        ("a", CheckOutcome.FAILED),
        ("b", CheckOutcome.SKIPPED),
        ("c", CheckOutcome.SKIPPED),
        ("d", CheckOutcome.OK),
    ]
    assert [told[1].figure, told[2].figure] == ["waits for: A is so"] * 2


def test_a_check_that_needs_an_unseen_one_is_unseen_too(clock: Clock) -> None:
    told, _ = examined(
        clock, Check("a", "A", giving(unseen("from here"))), Check("b", "B", giving(ok()), needs=("a",))
    )
    assert (told[1].outcome, told[1].figure) == (CheckOutcome.UNSEEN, "from here")


def test_a_check_that_breaks_is_a_failed_check_that_quotes_nothing(clock: Clock) -> None:
    told, _ = examined(clock, Check("a", "A", _break), Check("b", "B", giving(ok())))
    assert outcomes(told) == [("a", CheckOutcome.FAILED), ("b", CheckOutcome.OK)]
    assert "ValueError" in told[0].figure
    assert "s3cret" not in told[0].figure + told[0].advice


def test_a_check_that_takes_too_long_is_a_failed_check(clock: Clock) -> None:
    told, _ = examined(clock, Check("a", "A", _hang, seconds=7), Check("b", "B", giving(ok())))
    clock.advance(6.9)
    assert told == []
    clock.advance(0.2)
    assert outcomes(told) == [("a", CheckOutcome.FAILED), ("b", CheckOutcome.OK)]
    assert told[0].figure == "no result within 7 s"


def test_a_check_may_know_twilios_number_better(clock: Clock) -> None:
    told, _ = examined(
        clock,
        Check("a", "A", giving(failed("", "", 12300)), twilio=11200),
        Check("b", "B", giving(failed("", "")), twilio=11200),
    )
    assert [finding.twilio for finding in told] == [12300, 11200]
