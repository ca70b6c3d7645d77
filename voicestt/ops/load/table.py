"""Formats the table of `voicestt load` and the verdict under it."""

import math
from collections.abc import Sequence

from voicestt.ops.load.figures import LoadResult, percentile
from voicestt.ops.tables import table

HEADINGS = (
    "calls",
    "CPU ms per call-s",
    "RSS KB per call",
    "threads",
    "partial delay ms p50/p95/p99",
    "final delay ms p50/p95",
    "lost B",
    "doubled B",
    "closed",
    "caller late ms",
)
LEGEND = (
    "CPU, RSS and threads are the server's; RSS is beyond that of the idle server. Delays are from the frame that",
    "fills a word's batch (150 ms of audio) to the delivered event; partials are the first of each utterance.",
    "'caller late' is how late a frame was ever sent: where that is much, this machine was too busy to judge.",
)
_UNKNOWN = "-"
_MOST_FAULTS = 20


def cells(figures: LoadResult) -> tuple[str, ...]:
    """Format one row."""
    cost, delays, account = figures.cost, figures.delays, figures.bytes
    return (
        str(figures.calls),
        f"{cost.cpu_ms:.2f}" if cost else _UNKNOWN,
        f"{cost.rss_kb:.0f}" if cost else _UNKNOWN,
        str(cost.threads) if cost else _UNKNOWN,
        milliseconds(delays.partials, 0.5, 0.95, 0.99) if delays else _UNKNOWN,
        milliseconds(delays.finals, 0.5, 0.95) if delays else _UNKNOWN,
        str(account.lost) if account else _UNKNOWN,
        str(account.doubled) if account else _UNKNOWN,
        f"{figures.closed} of {figures.calls}",
        f"{1000 * figures.caller_late:.0f}",
    )


def _of_a_track(figures: LoadResult) -> str:
    return f"{figures.cost.cpu_ms / figures.tracks:.2f}" if figures.cost else _UNKNOWN


def milliseconds(values: Sequence[float], *shares: float) -> str:
    """Format percentiles of seconds in milliseconds."""
    found = [percentile(values, share) for share in shares]
    return "/".join(_UNKNOWN if math.isnan(value) else f"{1000 * value:.0f}" for value in found)


def report(loads: Sequence[LoadResult]) -> list[str]:
    """Format all lines; the last ones are the verdict."""
    headings: tuple[str, ...] = HEADINGS
    rows = [cells(figures) for figures in loads]
    if any(figures.tracks > 1 for figures in loads):
        headings = (*headings, "CPU ms per track-s")
        rows = [(*row, _of_a_track(figures)) for row, figures in zip(rows, loads, strict=True)]
    return [
        *table(headings, rows, right=True),
        "",
        *LEGEND,
        "",
        *verdict(loads),
    ]


def verdict(loads: Sequence[LoadResult]) -> list[str]:
    """List the faults, or say that there were none."""
    faults = [f"FAULT, {figures.calls} calls: {words}" for figures in loads for words in figures.faults]
    if faults:
        more = [f"... and {len(faults) - _MOST_FAULTS} more"] if len(faults) > _MOST_FAULTS else []
        return [*faults[:_MOST_FAULTS], *more]
    if any(figures.bytes is None for figures in loads):
        return ["Every call was closed properly. What became of its bytes only the server there knows."]
    again = sum(figures.bytes.again for figures in loads if figures.bytes)
    seams = [f"{again} bytes were sent to a second stream too, when streams changed."] if again else []
    if any(figures.tracks > 1 for figures in loads):
        seams.append("Every word of every voice was told once, in order, under its own track.")
    return [*seams, "Every byte of every call arrived once and in its place; every call was closed properly."]
