"""`voicestt settings`: the table of everything that can be set, as the README has it."""

import click

from voicestt.config.readers import Variable
from voicestt.config.settings import variables


@click.command(short_help="The table of all settings.")
def settings() -> None:
    """Prints every environment variable, its default and its meaning, as a Markdown table."""
    click.echo(markdown_table())


def markdown_table() -> str:
    """The table, made from the code."""
    rows = ["| variable | default | meaning |", "|---|---|---|", *map(_row, variables())]
    return "\n".join(rows)


def _row(variable: Variable) -> str:
    default = "required" if variable.required else f"`{variable.default}`" if variable.default else "not set"
    return f"| `{variable.name}` | {default} | {variable.meaning} |"
