"""Selects the deliveries for a command: by event, call, type, age and destination."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy import ColumnElement, and_

from voicestt.events import TYPES
from voicestt.journal.tables import events
from voicestt.ops.journal.times import Moment

_SEQUENCE = re.compile(r"[0-9]{1,18}")


CHOSEN = "those that are chosen"
"""The value of an option that takes an event's id, given without one."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice of deliveries; None or empty fields match all. `since` and `before` are times of writing."""

    event: str | None = None
    calls: Sequence[str] = ()
    types: Sequence[str] = ()
    since: float | None = None
    before: float | None = None
    destination: str | None = None

    def __bool__(self) -> bool:
        return self != Selection()

    def of_events(self) -> ColumnElement[bool]:
        """Make the condition on the journal's table of events.

        Raises:
            click.ClickException: for an id that can be none.
        """
        conditions: list[ColumnElement[bool]] = []
        if self.event is not None:
            conditions.append(_event(self.event))
        if self.calls:
            conditions.append(events.c.call_sid.in_(self.calls))
        if self.types:
            conditions.append(events.c.type.in_(self.types))
        if self.since is not None:
            conditions.append(events.c.written_at >= self.since)
        if self.before is not None:
            conditions.append(events.c.written_at < self.before)
        return and_(True, *conditions)

    def at(self, destination: Any) -> ColumnElement[bool]:
        """Make the condition on a column with destinations."""
        condition: ColumnElement[bool] = and_(True)
        return condition if self.destination is None else destination == self.destination


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a Selection to a command: `call`, `kind`, `since`, `before` and `to`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option("--call", metavar="CALLSID", multiple=True, help="Only of this call; repeatable."),
    click.option(
        "--type",
        "kind",
        metavar="TYPE",
        type=click.Choice(sorted(TYPES)),
        multiple=True,
        help="Only of this type, such as final; repeatable.",
    ),
    click.option("--since", type=Moment(), help="Only what was written since: 30m, 2h, 7d ago, or a date (UTC)."),
    click.option("--before", type=Moment(), help="Only what was written before; as for --since."),
    click.option("--to", metavar="DESTINATION", help="Only to this destination, by its name in the list."),
)


def _event(name: str) -> ColumnElement[bool]:
    session, _, sequence = name.rpartition("-")
    if _SEQUENCE.fullmatch(sequence) is None:
        raise click.ClickException(f"{name!r} is no event's id: that is SESSION-SEQUENCE, as the list shows it.")
    return and_(events.c.session == session, events.c.sequence == int(sequence))
