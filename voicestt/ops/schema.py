"""The command `voicestt events-schema`: prints the schema of the events, for receivers."""

import json

import click

from voicestt.events import json_schema


def schema_text() -> str:
    """Format the text of `voicestt/events.schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


@click.command("events-schema", short_help="The JSON Schema of the events that applications get.")
def events_schema() -> None:
    """Print the JSON Schema (2020-12) of every event that this version delivers."""
    click.echo(schema_text(), nl=False)
