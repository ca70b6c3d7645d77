"""Formats the demonstration's results: a block for each call, a table, and a verdict."""

from collections.abc import Sequence

from voicestt.ops.demo.judgement import (
    Judged,
    all_problems,
    percentile,
    total_errors,
)
from voicestt.ops.tables import table

_HEADINGS = (
    "call",
    "words wrong",
    "first partial",
    "partials",
    "gaps p50/p95",
    "final after",
    "bytes sent",
    "received",
)


def report(calls: Sequence[Judged]) -> list[str]:
    """Format all lines; the last one is the verdict."""
    return [
        *(line for call in calls for line in _words(call)),
        "",
        *table(_HEADINGS, [_cells(call) for call in calls]),
        "",
        "first partial: after the first voiced frame was sent; final after: since the last voiced frame ended;",
        "gaps: between successive partials of an utterance (the debounce is 180 ms); bytes are mu-law.",
        *(f"PROBLEM: {problem}" for problem in all_problems(calls)),
        _verdict(calls),
    ]


def _words(call: Judged) -> list[str]:
    return [
        "",
        f"{call.placed.voice.name}",
        f"  spoken: {call.placed.voice.text or '(nobody wrote it down)'}",
        f"  heard:  {call.heard or '(nothing)'}",
    ]


def _cells(call: Judged) -> tuple[str, ...]:
    errors = f"{call.errors.wrong} of {call.errors.spoken}" if call.errors else "unknown"
    gaps = f"{_ms(percentile(call.gaps, 0.5))}/{_ms(percentile(call.gaps, 0.95))} ms"
    return (
        call.placed.voice.name,
        errors,
        f"{_ms(call.first_partial)} ms",
        str(call.partials),
        gaps,
        f"{_ms(call.last_final)} ms",
        str(call.placed.report.bytes_sent),
        "not as sent" if call.received is None else str(call.received),
    )


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f}"


def _verdict(calls: Sequence[Judged]) -> str:
    problems = all_problems(calls)
    if problems:
        return f"The demonstration failed: {problems[0]}" + (
            f" (and {len(problems) - 1} more)" if problems[1:] else ""
        )
    errors = total_errors(calls)
    first = [call.first_partial for call in calls if call.first_partial is not None]
    words = f"{errors.rate:.1%} of {errors.spoken} words wrong" if errors.spoken else "the words were not compared"
    taken = "1 call was" if len(calls) == 1 else f"{len(calls)} calls were"
    return (
        f"It works: {taken} taken and closed cleanly, {words}, the first partial "
        f"{_ms(percentile(first, 0.5))} ms after the voice began (median), no byte lost."
    )
