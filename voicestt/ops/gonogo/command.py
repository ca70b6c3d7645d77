"""The command `voicestt gonogo`: says GO or NO-GO, and why."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from voicestt.emulators.twilio.running import run_with_reactor
from voicestt.ops.gonogo import report
from voicestt.ops.gonogo.report import CheckOutcome, Finding
from voicestt.ops.gonogo.run import run
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.processes import ProcessReactor

_COLOURS = {
    CheckOutcome.OK: "green",
    CheckOutcome.UNSEEN: "cyan",
    CheckOutcome.SKIPPED: "yellow",
    CheckOutcome.FAILED: "red",
}
_WIDEST = 160
_LEGEND = (
    "not seen: cannot be seen from here, another run sees it; skipped: must be proved and was not tried (no GO)."
)
_CALLS_IT = "It is called, and that call is journalled, delivered and handled as any other is."
_SAYS = {
    Where.STARTED: "Its calls reach nobody: its journal is a temporary one, and nothing is delivered.",
    Where.AGAINST: _CALLS_IT,
    Where.PUBLIC: _CALLS_IT,
}


@click.command(short_help="GO or NO-GO: everything that must be true before the first customer.")
@click.option(
    "--public", is_flag=True, help="Examine the running deployment at https://PUBLIC_HOST, from outside."
)
@click.option("--against", metavar="HOST:PORT", help="Examine a server that is running on this machine.")
@click.option("--clip", type=click.Path(path_type=Path), help="A recording to call with.")
@click.option("--text", help="The words in --clip, to be compared with what is heard.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on stdout, progress on stderr.")
def gonogo(public: bool, against: str | None, clip: Path | None, text: str | None, as_json: bool) -> None:
    """Try everything that must be true before the first customer calls, and say GO or NO-GO.

    The variables are those of the server: this environment's, and VOICESTT_ENV_FILE's. Without options a server is
    started with them on a free port, called, and ended. Its calls reach nobody: its journal is a temporary one,
    nothing is delivered to EVENTS_WEBHOOK_URL or REDIS_URL, and Twilio is not asked for anything. HANDLER does run
    in it. A real recogniser is asked for a few seconds of speech, and a TTS_ENGINE for a few words: Google charges
    for them, some cents at most.

    --public and --against call the server that runs: such a call is journalled, delivered and handled as any
    other is.

    The exit code is 0 for GO and 1 for NO-GO. No secret is printed.
    """
    where = _where(public, against)
    if text is not None and clip is None:
        raise click.UsageError("--text says what is spoken in --clip: give that too.")
    if clip is not None and not clip.is_file():
        raise click.UsageError(f"--clip {clip}: there is no such file.")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a word must not end the run
            stream.reconfigure(errors="backslashreplace")
    colour = _wants_colour(os.environ, sys.stdout.isatty())
    findings = _examine(where, against, clip, text, err=as_json, colour=colour)
    click.echo(report.as_json(findings) if as_json else "\n".join(lines(findings, _width(), colour)), color=colour)
    sys.exit(report.exit_code(findings))


def _where(public: bool, against: str | None) -> Where:
    if public and against is not None:
        raise click.UsageError("--public and --against exclude each other: which server is it?")
    if against is None:
        return Where.PUBLIC if public else Where.STARTED
    host, _, port = against.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise click.BadParameter(
            f"{against!r} is not HOST:PORT, for example 127.0.0.1:5000", param_hint="--against"
        )
    return Where.AGAINST


def _examine(
    where: Where, address: str | None, clip: Path | None, text: str | None, *, err: bool, colour: bool
) -> tuple[Finding, ...]:
    def tell(finding: Finding) -> None:
        click.echo(click.style(report.progress_line(finding), fg=_COLOURS[finding.outcome]), err=err, color=colour)

    click.echo(f"Examining {where.value}. {_SAYS[where]} This takes up to a minute.", err=err)
    with tempfile.TemporaryDirectory(prefix="voicestt-gonogo-") as folder:

        async def main(reactor: ProcessReactor) -> tuple[Finding, ...]:
            return await run(RunContext(reactor, where, os.environ, Path(folder), address, clip, text), tell)

        return run_with_reactor(main)


def lines(findings: Sequence[Finding], width: int, colour: bool) -> list[str]:
    """Format the end of a run for people: the table, its legend, and the verdict as the last line."""
    verdict = report.verdict(findings)
    shown = click.style(verdict, fg="green" if verdict == "GO" else "red", bold=True) if colour else verdict
    rest = [finding for finding in findings if finding.outcome in {CheckOutcome.UNSEEN, CheckOutcome.SKIPPED}]
    return ["", *report.table(findings, width), "", *([_LEGEND] if rest else []), shown]


def _width() -> int:
    return min(_WIDEST, shutil.get_terminal_size((120, 24)).columns)


def _wants_colour(environ: Mapping[str, str], is_terminal: bool) -> bool:
    """Tell whether to colour the output; any NO_COLOR but the empty one forbids it (https://no-color.org)."""
    return is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
