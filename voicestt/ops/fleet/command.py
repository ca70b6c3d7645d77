"""The command `voicestt fleet`: the processes of the fleet, and how they are; `voicestt fleet drain HOST`."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click

from voicestt.fleet.membership import Member
from voicestt.ops.fleet.console import fleet_console, operator, wait_for
from voicestt.ops.fleet.flag import shown
from voicestt.ops.tables import table

WATCH_SECONDS: Final = 1.0
_HEAD: Final = (
    *("HOST", "PID", "VERSION", "SINCE", "CALLS", "LAG", "FLAG", "STREAMS", "DRAINING", "JOURNAL", "SEEN"),
)


@click.group(invoke_without_command=True, short_help="The processes of the fleet, and how they are.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, a process each.")
@click.option("--watch", is_flag=True, help="Again every second, until Ctrl-C.")
@click.pass_context
def fleet(context: click.Context, as_json: bool, watch: bool) -> None:
    """List the processes of the fleet: where each runs, since when, its calls, and how it is.

    The fleet is that of FLEET_REDIS_URL (or REDIS_URL), in this environment or in VOICESTT_ENV_FILE. A process
    that said nothing for 5 s is marked; after 30 s it is forgotten.
    """
    if context.invoked_subcommand is not None:
        return
    with fleet_console() as console:
        while True:
            lines = _json(console.members) if as_json else [*_table(console.members), shown(console) + "."]
            if watch and not as_json:
                click.clear()
            click.echo("\n".join(lines))
            if not watch:
                return
            time.sleep(WATCH_SECONDS)


@fleet.command(short_help="Stop the processes of a host, but let their calls go on.")
@click.argument("host")
def drain(host: str) -> None:
    """Stop the fleet's processes on HOST as `voicestt drain` does: they take no new calls, and end when their live
    calls are over. HOST:PID is one of them.
    """
    with fleet_console() as console:
        chosen = [member for member in console.members if host in {member.host, f"{member.host}:{member.pid}"}]
        if not chosen:
            hosts = ", ".join(sorted({member.host for member in console.members})) or "none at all"
            raise click.ClickException(f"No process of the fleet runs on {host}. There are: {hosts}.")
        for member in chosen:
            console.drain(member, operator())
        names = {member.instance for member in chosen}
        late = wait_for(console, lambda each: each.instance not in names or bool(each.about.get("draining")))
        for member in chosen:
            is_late = member.instance in {each.instance for each in late}
            outcome = "has not answered" if is_late else f"takes no new calls; it had {_of(member, 'calls')} live"
            click.echo(f"{member.host}, pid {member.pid}: {outcome}")
    if late:
        raise click.ClickException(
            "Not all have answered. What to do: see whether they run, and `voicestt drain` on their machine."
        )


def _json(members: Sequence[Member]) -> list[str]:
    return [json.dumps(each.json, ensure_ascii=False) for each in members]


def _table(members: Sequence[Member]) -> list[str]:
    return table(_HEAD, [_row(member) for member in members])


def _row(member: Member) -> list[str]:
    since = datetime.fromtimestamp(member.about.get("since", 0), UTC).strftime("%Y-%m-%d %H:%M:%S")
    streams = member.about.get("streams")
    return [
        member.host,
        str(member.pid),
        _of(member, "version"),
        since,
        _of(member, "calls"),
        f"{_of(member, 'lag_ms')} ms",
        "on" if member.about.get("flag") else "off",
        "-" if streams is None else _streams(streams),
        "yes" if member.about.get("draining") else "no",
        _of(member, "journal"),
        f"silent for {member.seen:.0f} s" if member.is_silent else "now",
    ]


def _streams(streams: dict[str, Any]) -> str:
    """Format the leases: those in use of those that may be, and who waits or decides alone."""
    waiting = f", {streams['waiting']} wait" if streams["waiting"] else ""
    return f"{streams['in_use']} of {streams['limit']}{waiting}{', alone' if streams['is_alone'] else ''}"


def _of(member: Member, name: str) -> str:
    """Return a value in words; "-" for one that a process in its start has not."""
    return str(member.about.get(name, "-"))
