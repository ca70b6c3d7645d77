"""Measures how long the words stand still at a seam and at a failover, against calls that nothing befalls.

    python tests/bench/seams.py --calls 10

Callers say four words a second to the real server, which streams to a local Google service that fails on demand.
For each kind of trouble, in milliseconds (p50/p95 over the calls):

- gap: the longest time in a call between two lines of EVENTS_FILE;
- more: that, less the same of calls without trouble;
- after notice: from when the server knew of it (the stream failed, or was given up) to the next line;
- new words: from that moment to the first line with a word that had not been delivered before.
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started as a file, `tests` is not on the path

from tests.end_to_end.faults_rig import (
    Plan,
    Stage,
    Told,
    stage,
    talk,
)
from voicestt.emulators.google.script import Script
from voicestt.emulators.twilio.running import run_with_reactor
from voicestt.ops.load.figures import percentile

SECONDS = 12.0
MONOLOGUE = talk(44, 0.3, 11.3)
SENTENCES = talk(16, 0.3, 4.3, repeat=5.4)
STRIKE = "after 6.1 s of audio"
SEAM_BY_LIMIT = {"STT_SOFT_LIMIT_SECONDS": "6", "STT_HARD_LIMIT_SECONDS": "6"}
SEAM_AT_FINAL = {"STT_SOFT_LIMIT_SECONDS": "4", "STT_HARD_LIMIT_SECONDS": "30"}
HEADINGS = ("trouble", "calls", "gap", "more", "after notice", "new words")


@dataclass(frozen=True)
class Trouble:
    """A trouble that befalls a call. `against` is the row without trouble that has the same words."""

    name: str
    said: Script
    against: str
    fault: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


QUIET_SPEECH, QUIET_SENTENCES = "none, without a pause", "none, sentences"
TROUBLES = (
    Trouble(QUIET_SPEECH, MONOLOGUE, QUIET_SPEECH),
    Trouble(QUIET_SENTENCES, SENTENCES, QUIET_SENTENCES),
    Trouble("seam at a final", SENTENCES, QUIET_SENTENCES, settings=SEAM_AT_FINAL),
    Trouble("seam within a word", MONOLOGUE, QUIET_SPEECH, settings=SEAM_BY_LIMIT),
    Trouble("UNAVAILABLE", MONOLOGUE, QUIET_SPEECH, f"error UNAVAILABLE {STRIKE}"),
    Trouble("RESOURCE_EXHAUSTED", SENTENCES, QUIET_SENTENCES, f"error RESOURCE_EXHAUSTED {STRIKE}"),
    Trouble("connection cut", SENTENCES, QUIET_SENTENCES, f"cut {STRIKE}"),
    Trouble("hang (watchdog 2 s)", SENTENCES, QUIET_SENTENCES, f"hang {STRIKE}", {"STT_SILENT_SECONDS": "2"}),
    Trouble("credentials", SENTENCES, QUIET_SENTENCES, f"credentials {STRIKE}"),
)


def longest_gap(told: Told) -> float:
    """Between two lines, partial or final."""
    times = [event["t"] for event in told.events]
    gaps: list[float] = [later - earlier for earlier, later in itertools.pairwise(times)]
    return max(gaps)


def noticed_at(told: Told) -> float | None:
    """When the call's first stream was over for the server; None when nothing failed."""
    failed = [
        stream.record["ended"]
        for stream in told.streams
        if stream.record["method"] == "StreamingRecognize" and stream.record["how"] != "OK"
    ]
    return min(failed, default=None)


def until_next(told: Told, moment: float, *, new: bool) -> float:
    """From `moment` to the next line, or to the next with a word that is `new`."""
    known = {word for event in told.events if event["t"] <= moment for word in event["text"].split()}
    later = (event for event in told.events if event["t"] > moment)
    return next(
        (event["t"] - moment for event in later if not new or set(event["text"].split()) - known), float("nan")
    )


async def perform(trouble: Trouble, calls: int, folder: Path) -> list[Told]:
    """Calls with this trouble, all at once; what became of each."""
    with stage(folder, trouble.said, **trouble.settings) as run:
        if trouble.fault:
            run.fail([f"streams 1-{calls} streaming: {trouble.fault}"])
        await run.call([Plan(1 + index, SECONDS) for index in range(calls)])
        run.wait_until_idle()
        return [_checked(run, 1 + index) for index in range(calls)]


def _checked(run: Stage, number: int) -> Told:
    told = run.told(number)
    told.check()
    return told


def row(trouble: Trouble, tolds: list[Told], quiet: dict[str, float]) -> list[str]:
    """The figures as text; `quiet` keeps the p50 of the longest gap of calls without trouble."""
    gaps = [longest_gap(told) for told in tolds]
    quiet.setdefault(trouble.name, percentile(gaps, 0.5))
    more = [gap - quiet[trouble.against] for gap in gaps]
    moments = [(told, moment) for told in tolds if (moment := noticed_at(told)) is not None]
    has_failed = bool(trouble.fault)
    notice = [until_next(told, moment, new=False) for told, moment in moments if has_failed]
    words = [until_next(told, moment, new=True) for told, moment in moments if has_failed]
    return [trouble.name, str(len(tolds)), *(_figures(values) for values in (gaps, more, notice, words))]


def _figures(values: list[float]) -> str:
    return "/".join(f"{1000 * percentile(values, share):.0f}" for share in (0.5, 0.95)) if values else "-"


async def measure(_reactor: Any, calls: int) -> None:
    """All rows, printed as they come."""
    print(" | ".join(HEADINGS), flush=True)
    quiet: dict[str, float] = {}
    for trouble in TROUBLES:
        with tempfile.TemporaryDirectory() as folder:
            tolds = await perform(trouble, calls, Path(folder))
        print(" | ".join(row(trouble, tolds, quiet)), flush=True)
    print("Every word of every call came once and in order.")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="The gap in delivered words at a seam and at a failover.")
    parser.add_argument("--calls", type=int, default=10)
    options = parser.parse_args()
    run_with_reactor(lambda reactor: measure(reactor, options.calls))
    return 0


if __name__ == "__main__":
    sys.exit(main())
