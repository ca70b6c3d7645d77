"""The command `voicestt deliveries`: lists what has not arrived, and changes it by hand."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click
from sqlalchemy import delete

from voicestt.config.receivers import WEBHOOK
from voicestt.delivery.destinations import is_name
from voicestt.journal.database import Database
from voicestt.journal.tables import outbox
from voicestt.ops.journal.attempts import attempts_of, attempts_table
from voicestt.ops.journal.opening import journal, setting
from voicestt.ops.journal.outstanding import rows_of, show, summary_of
from voicestt.ops.journal.redelivery import Redelivery
from voicestt.ops.journal.selection import CHOSEN, Selection, selecting
from voicestt.ops.journal.words import json_text

_ACTIONS = ("retry", "skip", "discard", "replay", "attempts")
_DONE = {
    "retry": "Deliveries that are tried again: {count}.",
    "skip": "Deliveries that are skipped: {count}. They are dead-lettered, and --retry sends them after all.",
    "discard": "Deliveries that are discarded: {count}. The events themselves stay in the journal.",
    "replay": "Deliveries that are made once more: {count}. Each has the id that it had before.",
}


def _action(name: str, meaning: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(f"--{name}", metavar="[ID]", is_flag=False, flag_value=CHOSEN, help=meaning)


@click.command(short_help="What has not arrived, and what never will.")
@click.option("--dead-lettered", is_flag=True, help="Only what is tried no more.")
@selecting
@_action("attempts", "What became of each attempt: time, status, answer.")
@_action("retry", "Try again what is dead-lettered.")
@click.option("--retry-all", is_flag=True, help="Try everything again that is dead-lettered.")
@_action("skip", "Dead-letter what waits: its call goes on without it.")
@_action("discard", "Give up what waits or is dead-lettered, for good.")
@_action(
    "replay", "Deliver once more what has arrived, to `webhook` or where --to says; partials if --type says so."
)
@click.option(
    "--all", "everything", is_flag=True, help="With --retry, --skip, --discard or --replay: whatever it is."
)
@click.option("--dry-run", is_flag=True, help="Say how many it would be, and change nothing.")
@click.option(
    "--purge", metavar="DESTINATION", help="Drop whatever waits for a destination that is not set any more."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def deliveries(dead_lettered: bool, retry_all: bool, purge: str | None, as_json: bool, **given: Any) -> None:
    """List, for each destination, what is pending and what is dead-lettered, with attempts and the last error.

    --call, --type, --since, --before and --to choose what is listed, and what --retry, --skip, --discard and
    --replay are about; or give these an event's ID. How many it was is said; how many it would be, with --dry-run.

    What is tried again keeps its place in its call's order; a running server takes note within half a minute.
    """
    action = _the_action(given, retry_all=retry_all, purge=purge)
    event = given[action] if action in _ACTIONS and given[action] != CHOSEN else None
    selection = Selection(event, given["call"], given["kind"], given["since"], given["before"], given["to"])
    if retry_all and action is None:
        action, given["everything"] = "retry", True
    if action in _DONE and not (selection or given["everything"]):
        raise click.UsageError(f"--{action} needs an ID, or --call, --type, --since, --before or --to, or --all.")
    with journal() as database:
        if purge is not None:
            click.echo(_purged(database, purge))
        elif action in _DONE:
            click.echo(_changed(database, selection, action, dead_lettered=dead_lettered, is_dry=given["dry_run"]))
        elif action == "attempts":
            _show_attempts(database, selection, as_json)
        else:
            _list(database, selection, dead_lettered, as_json)


def _the_action(given: dict[str, Any], *, retry_all: bool, purge: str | None) -> str | None:
    actions = [name for name in _ACTIONS if given[name] is not None]
    if len(actions) + retry_all + (purge is not None) > 1:
        names = ", ".join(f"--{name}" for name in _ACTIONS)
        raise click.UsageError(f"{names}, --retry-all and --purge exclude each other.")
    return actions[0] if actions else None


def _changed(database: Database, selection: Selection, action: str, *, dead_lettered: bool, is_dry: bool) -> str:
    redelivery = Redelivery(database, selection, is_dry=is_dry)
    match action:
        case "retry":
            count = redelivery.retry()
        case "skip":
            count = redelivery.skip()
        case "discard":
            count = redelivery.discard(dead_lettered_only=dead_lettered)
        case _:
            destination = _known(selection.destination or WEBHOOK)
            redelivery = Redelivery(database, _wanted_by(destination, selection), is_dry=is_dry)
            count = redelivery.replay(destination)
    if not count:
        raise click.ClickException(_nothing(selection, action))
    if is_dry:
        return f"Deliveries that --{action} would be about: {count}. Nothing is changed."
    return _DONE[action].format(count=count)


def _known(destination: str) -> str:
    if not is_name(destination):
        raise click.ClickException(
            f"There is no destination {destination!r}: it is webhook, webhook:NAME or redis, as /healthz names it."
        )
    return destination


def _wanted_by(destination: str, selection: Selection) -> Selection:
    """Narrow a replay to a webhook to the types that it takes, unless types or an event are named."""
    if selection.types or selection.event or not destination.startswith(WEBHOOK):
        return selection
    return replace(selection, types=setting(os.environ, "EVENTS_WEBHOOK_TYPES"))


def _nothing(selection: Selection, action: str) -> str:
    if action == "retry":
        if selection.event is None:
            return "Nothing is dead-lettered."
        return f"{selection.event!r} is not dead-lettered. `voicestt deliveries --dead-lettered` lists what is."
    if action == "replay":
        return (
            "No such event is in the journal that is not pending there already, or dead-lettered. (What a "
            "number's `webhook` in NUMBERS_FILE kept from this receiver is not sent to it.)"
        )
    return "Nothing of that waits. `voicestt deliveries` lists what there is."


def _purged(database: Database, destination: str) -> str:
    with database.writing() as connection:
        count = connection.execute(delete(outbox).where(outbox.c.destination == destination)).rowcount
    if not count:
        raise click.ClickException(
            f"Nothing waits for {destination!r}. `voicestt deliveries` lists what there is."
        )
    return f"Deliveries to {destination} that were dropped: {count}. The events themselves stay in the journal."


def _show_attempts(database: Database, selection: Selection, as_json: bool) -> None:
    with database.reading() as connection:
        found = attempts_of(connection, selection)
    if as_json:
        click.echo(json_text({"attempts": found}))
        return
    for line in attempts_table(found):
        click.echo(line)


def _list(database: Database, selection: Selection, dead_lettered: bool, as_json: bool) -> None:
    with database.reading() as connection:
        summary = summary_of(connection, database.now(connection))
        rows = rows_of(connection, selection, dead_lettered)
    if as_json:
        click.echo(json_text({"destinations": summary, "deliveries": rows}))
        return
    for line in show(summary, rows):
        click.echo(line)
