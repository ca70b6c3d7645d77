"""The command `voicestt load`: places many calls at once and prints one table of the results."""

import contextlib
import os
import resource
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import click
from twisted.internet.error import CannotListenError

from voicestt.emulators.twilio.command import target_from
from voicestt.ops.load.figures import LoadResult
from voicestt.ops.load.moving import MovingPlan, moving_load, report_moving
from voicestt.ops.load.own_server import Server, own_server
from voicestt.ops.load.plot import CannotPlot, plot, require_matplotlib
from voicestt.ops.load.run import LoadFailed, load
from voicestt.ops.load.table import report
from voicestt.ops.processes import ProcessNotStarted
from voicestt.ops.services import free_port

MOST_CALL_SECONDS = 100_000
_FILES_BESIDES = 50


@click.command("load", short_help="Many calls at once: cost, delays, and every byte's account.")
@click.option("--calls", "counts", type=click.IntRange(1, 5_000), multiple=True, help="How many; may be repeated.")
@click.argument("more_counts", metavar="[N]...", nargs=-1, type=click.IntRange(1, 5_000))
@click.option("--seconds", type=click.FloatRange(2), default=20.0, show_default=True, help="Length of a call.")
@click.option("--to", help="A server that runs already; its cost is measured if --pid is given.")
@click.option("--pid", type=int, help="The process of --to, if it is on this machine.")
@click.option("--together", is_flag=True, help="All calls in step, within 20 ms: the worst case.")
@click.option(
    "--both-tracks", is_flag=True, help="Both sides of each call speak; a server of --to needs BOTH_TRACKS=both."
)
@click.option(
    "--api",
    type=click.IntRange(0, 65_535),
    help="Be Twilio's REST API on this port of 127.0.0.1 (0: any), for calls that are moved: one N only.",
)
@click.option("--move-at", type=click.FloatRange(0), help="With --api: move each call at this second of it.")
@click.option(
    "--events",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="With --api and --to: the EVENTS_FILE there, one for each process.",
)
@click.option(
    "--plot", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw delay and CPU (PNG, SVG)."
)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="A folder for logs and records.")
def load_command(
    counts: tuple[int, ...],
    more_counts: tuple[int, ...],
    seconds: float,
    to: str | None,
    pid: int | None,
    together: bool,
    both_tracks: bool,
    api: int | None,
    move_at: float | None,
    events: tuple[Path, ...],
    picture: Path | None,
    keep: Path | None,
) -> None:
    """Place N calls at once that talk for --seconds, for each N in turn: voicestt load --calls 10 50 100.

    Without --to, a scripted local Google service and the server itself are started for each N, and every byte is
    accounted for. With --to the calls go to that server, signed with PUBLIC_HOST and TWILIO_AUTH_TOKEN of the
    environment. The exit code is 0 if nothing was lost or doubled and all calls were closed properly.

    With --api the calls may be moved, by the server (TWILIO_API_URL=http://127.0.0.1:PORT) or --move-at: the table
    says how many were, for how many milliseconds they had no stream, and what became of their words.

    With --both-tracks each call is a stream of TwiML that is not the server's, and has two voices: every word must
    be told once, in order, and under its own track, and the cost is that of a second of one track too.
    """
    numbers = (*counts, *more_counts) or ((50,) if api is not None else (10, 100))
    _check(numbers, seconds, picture)
    if api is not None:
        if len(numbers) > 1 or both_tracks:
            raise click.UsageError("--api is for one number of calls, and not for --both-tracks.")
        _load_moving(MovingPlan(numbers[0], seconds, api or free_port(), together, move_at), to, pid, keep, events)
    loads: list[LoadResult] = []
    try:
        for number in numbers:
            folder = keep / str(number) if keep else None
            with _server(to, pid, folder, {"BOTH_TRACKS": "both"} if both_tracks else None) as server:
                click.echo(f"{number} calls for {seconds:g} s ...", err=True)
                loads.append(load(server, number, seconds, together=together, both_tracks=both_tracks))
    except (LoadFailed, ProcessNotStarted) as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(report(loads)))
    if picture is not None:
        _draw(loads, picture, seconds)
    sys.exit(1 if any(figures.faults for figures in loads) else 0)


def _load_moving(
    plan: MovingPlan, to: str | None, pid: int | None, keep: Path | None, events: tuple[Path, ...]
) -> NoReturn:
    url = f"http://127.0.0.1:{plan.port}"
    click.echo(
        f"{plan.count} calls for {plan.seconds:g} s; Twilio's REST API is at TWILIO_API_URL={url}", err=True
    )
    try:
        with _server(to, pid, keep, {"TWILIO_API_URL": url}) as server:
            files = [*events, *([server.events_file] if server.events_file else [])]
            result = moving_load(server, plan, files)
    except ProcessNotStarted as error:
        raise click.ClickException(str(error)) from error
    except CannotListenError as error:
        raise click.ClickException(
            f"the REST API cannot listen on port {plan.port}: {error.socketError}"
        ) from error
    click.echo("\n".join(report_moving(result)))
    sys.exit(1 if result.faults else 0)


def _check(numbers: tuple[int, ...], seconds: float, picture: Path | None) -> None:
    most = max(numbers)
    if most * seconds > MOST_CALL_SECONDS:
        raise click.UsageError(
            f"{most} calls of {seconds:g} s are too much: frames are made in advance, and the memory for them is "
            f"meant for {MOST_CALL_SECONDS} seconds of calls. Take fewer calls or shorter ones."
        )
    _allow_files(most + _FILES_BESIDES)
    if picture is not None:
        try:
            require_matplotlib()
        except CannotPlot as error:
            raise click.ClickException(str(error)) from error


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files: each call is one, here and in the server, which inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise click.UsageError(f"this machine allows {hard} open files, and {wanted} are needed (ulimit -n).")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.contextmanager
def _server(
    to: str | None, pid: int | None, keep: Path | None, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    if to is not None:
        yield Server(target_from(os.environ, to), pid)
        return
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="voicestt-load-")))
        yield stack.enter_context(own_server(folder, settings) if settings else own_server(folder))


def _draw(loads: list[LoadResult], picture: Path, seconds: float) -> None:
    try:
        plot(loads, picture, f"voicestt under load: calls of {seconds:g} s, one process")
    except CannotPlot as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The picture is in {picture}.")
