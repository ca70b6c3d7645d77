"""Runs checks one after the other; each waits for those that it needs and has a time limit."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as NoAnswerInTime
from twisted.internet.interfaces import IReactorTime

from voicestt.ops.gonogo.report import (
    CheckOutcome,
    Finding,
    Found,
    failed,
)

Run = Callable[[], Coroutine[Any, Any, Found]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a run.

    `title` says in words what is true when it is `ok`. `needs` are the keys of earlier checks without which it
    means nothing: if one of them is not `ok` it is skipped, so that only the cause is a failure. `twilio` is the
    number that Twilio's Debugger shows where it fails on a live call. `seconds` is its time limit.
    """

    key: str
    title: str
    run: Run
    needs: tuple[str, ...] = ()
    twilio: int | None = None
    seconds: float = 30.0


async def examine(
    clock: IReactorTime, checks: Sequence[Check], tell: Callable[[Finding], None]
) -> tuple[Finding, ...]:
    """Run all checks in their order and tell each finding as it comes; never raise for what a check does."""
    findings: dict[str, Finding] = {}
    causes: dict[str, Finding] = {}
    for check in checks:
        missing = next(
            (findings[key] for key in check.needs if findings[key].outcome is not CheckOutcome.OK), None
        )
        if missing is None:
            found = await _try(clock, check)
        else:
            causes[check.key] = cause = causes.get(missing.key, missing)
            found = _without(cause)
        twilio = found.twilio or check.twilio
        findings[check.key] = Finding(check.key, check.title, found.outcome, found.figure, found.advice, twilio)
        tell(findings[check.key])
    return tuple(findings.values())


async def _try(clock: IReactorTime, check: Check) -> Found:
    try:
        return await Deferred.fromCoroutine(check.run()).addTimeout(check.seconds, clock)
    except (NoAnswerInTime, CancelledError):
        return failed(
            f"no result within {check.seconds:.0f} s",
            "Something waits without end: see the server's log, try again.",
        )
    except Exception as problem:  # noqa: BLE001 - a check that breaks is a finding, whatever broke it
        # Only the kind of the problem: its words may quote what the check was given, a key for example.
        return failed(
            f"the check itself broke ({type(problem).__name__})",
            "This is a mistake of voicestt gonogo and not of the server: run it again, and report it.",
        )


def _without(cause: Finding) -> Found:
    if cause.outcome is CheckOutcome.UNSEEN:
        return Found(CheckOutcome.UNSEEN, cause.figure)
    return Found(CheckOutcome.SKIPPED, f"waits for: {cause.check}")
