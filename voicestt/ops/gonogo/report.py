"""The results of checks, the verdict on them, and their display: values and text only.

Four outcomes. Only two of them allow GO:

- `ok`: tried, and as it must be.
- `not seen`: cannot be seen from where this run looks, and another run sees it. From outside (`--public`) these
  are the words, the log, the journal, what it delivers to and the safety net: `voicestt gonogo` without arguments
  proves them with the same settings, and the check of the digests proves that the settings are the same. A
  server started for a run delivers nothing: the others see that. A stand-in for Google has no words to compare and
  no tokens to sign. Allows GO.
- `skipped`: must be proved and could not be tried, for want of something: a recording, an EVENTS_FILE, the check
  before it. Never GO.
- `FAIL`: tried, and not as it must be. Never GO.
"""

import enum
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

_GAP = "  "
_NARROWEST_ADVICE = 36
_WIDEST_CHECK = 42
_WIDEST_FIGURE = 34
_HEADINGS = ("check", "result", "figure", "what to do")


class CheckOutcome(enum.Enum):
    """The outcome of a check; the values are shown."""

    OK = "ok"
    UNSEEN = "not seen"
    SKIPPED = "skipped"
    FAILED = "FAIL"

    @property
    def allows_go(self) -> bool:
        """True when a check with this outcome does not forbid going live."""
        return self in {CheckOutcome.OK, CheckOutcome.UNSEEN}


@dataclass(frozen=True, slots=True)
class Found:
    """A check's own result: the measured or seen `figure`, and `advice` for whoever reads it at night.

    `twilio` is the number that Twilio's Debugger would show, where the check knows better than its own usual one.
    """

    outcome: CheckOutcome
    figure: str = ""
    advice: str = ""
    twilio: int | None = None


def ok(figure: str = "", advice: str = "") -> Found:
    """Make the result of a passed check."""
    return Found(CheckOutcome.OK, figure, advice)


def failed(figure: str, advice: str, twilio: int | None = None) -> Found:
    """Make the result of a failed check: the observed figure, and the cause and cure."""
    return Found(CheckOutcome.FAILED, figure, advice, twilio)


def skipped(figure: str, advice: str) -> Found:
    """Make the result of a check that must pass and could not be tried."""
    return Found(CheckOutcome.SKIPPED, figure, advice)


def unseen(figure: str, advice: str = "") -> Found:
    """Make the result of a check that this run cannot see: another run sees it, or there is nothing to see."""
    return Found(CheckOutcome.UNSEEN, figure, advice)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table: `key` names the check for machines, `check` for people."""

    key: str
    check: str
    outcome: CheckOutcome
    figure: str = ""
    advice: str = ""
    twilio: int | None = None

    @property
    def what_to_do(self) -> str:
        """The advice, with the number to look for in Twilio's Debugger where the check failed."""
        shows = (
            f"Twilio's Debugger shows {self.twilio}."
            if self.twilio and self.outcome is CheckOutcome.FAILED
            else ""
        )
        return " ".join(filter(None, (self.advice, shows)))


def against(findings: Sequence[Finding]) -> list[Finding]:
    """List the findings that forbid going live."""
    return [finding for finding in findings if not finding.outcome.allows_go]


def verdict(findings: Sequence[Finding]) -> str:
    """Compute `GO`, or `NO-GO: n of m` when n of m checks failed or were skipped. No checks are no GO."""
    wrong = against(findings)
    return "GO" if findings and not wrong else f"NO-GO: {len(wrong)} of {len(findings)}"


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0 for GO, 1 for NO-GO."""
    return 0 if verdict(findings) == "GO" else 1


def progress_line(finding: Finding) -> str:
    """Format one finding as it comes."""
    figure = f" ({finding.figure})" if finding.figure else ""
    return f"{finding.outcome.value:>8}  {finding.check}{figure}"


def table(findings: Sequence[Finding], width: int) -> list[str]:
    """Format all findings in lines of at most `width` columns (as words allow), with the advice beside them.

    Where too little room is left beside them the advice stands below its check.
    """
    rows = [_HEADINGS, *((f.check, f.outcome.value, f.figure, f.what_to_do) for f in findings)]
    check, result, figure, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    check, figure = min(check, _WIDEST_CHECK), min(figure, _WIDEST_FIGURE)
    room = width - check - result - figure - 3 * len(_GAP)
    if room >= _NARROWEST_ADVICE:
        return [line for row in rows for line in _beside(row, (check, result, figure, room))]
    figure = max(width - check - result - 2 * len(_GAP), 12)
    return [line for row in rows for line in (*_beside(row[:3], (check, result, figure)), *_below(row[3], width))]


def _beside(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    wrapped = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    lines = zip_longest(*wrapped, fillvalue="")
    return [
        _GAP.join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip() for line in lines
    ]


def _below(advice: str, width: int) -> list[str]:
    return textwrap.wrap(advice, max(width, 20), initial_indent="    ", subsequent_indent="    ")


def as_json(findings: Sequence[Finding]) -> str:
    """Format the findings as JSON: `verdict` (GO, NO-GO), `against`, `of`, and `checks` with every field."""
    wrong = against(findings)
    return json.dumps(
        {
            "verdict": verdict(findings).partition(":")[0],
            "against": len(wrong),
            "of": len(findings),
            "checks": [
                {
                    "key": finding.key,
                    "check": finding.check,
                    "result": finding.outcome.name.lower(),
                    "figure": finding.figure,
                    "what_to_do": finding.advice,
                    "twilio_error": finding.twilio,
                }
                for finding in findings
            ],
        },
        ensure_ascii=False,
        indent=2,
    )
