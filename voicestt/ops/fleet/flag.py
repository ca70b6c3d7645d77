"""`voicestt flag STATE --fleet`: the flag of all processes of the fleet, with an account of who has followed."""

import click

from voicestt.fleet.flag import FlagOrder
from voicestt.fleet.membership import Member
from voicestt.ops.fleet.console import FleetConsole, fleet_console, follows, operator, wait_for


def flag_of_fleet(state: str) -> None:
    """Turn the flag of the whole fleet, clear it, or show it.

    Raises:
        click.ClickException: where Redis does not answer, or a process does not follow.
    """
    with fleet_console() as console:
        if state == "show":
            click.echo(shown(console))
        else:
            _turn(console, state)


def shown(console: FleetConsole) -> str:
    """Say how the fleet's flag stands, and how many processes stream."""
    order = console.order
    members = console.members
    on = sum(bool(member.about.get("flag")) for member in members)
    if order is None or order.is_on is None:
        words = "The fleet has no flag: each process follows its own settings"
    else:
        words = f"The fleet's flag is {order.state} ({order.words})"
    return f"{words}. Processes: {len(members)}, of these ENABLE_STREAMING_STT=True: {on}"


def _turn(console: FleetConsole, state: str) -> None:
    order = console.turn(state, operator())
    late = wait_for(console, lambda member: follows(member, order))
    members = console.members
    count = len(members) - len(late)
    what = "is cleared: each process follows its own settings" if order.is_on is None else f"is {order.state}"
    click.echo(f"The fleet's flag {what} ({order.words}). {count} of {len(members)} processes have followed.")
    _say_late(late, order)


def _say_late(late: list[Member], order: FlagOrder) -> None:
    for member in late:
        place = f"{member.host}, pid {member.pid}"
        click.echo(f"  {place} has not: it said nothing for {member.seen:.0f} s", err=True)
    if any(not member.is_silent for member in late):
        raise click.ClickException(
            "Not all have followed; those that cannot be reached follow as soon as they reach Redis. What to do: "
            f"see their logs, or `voicestt flag {order.state}` on their machines."
        )
