"""The command `voicestt settings`: the tables of all settings, as in docs/settings.md, or those in force."""

import os
import sys
from collections.abc import Container, Mapping, Sequence
from dataclasses import fields
from typing import Final

import click

from voicestt.config import settings as settings_table
from voicestt.config.env_file import EnvironmentFile
from voicestt.config.in_force import InForce, in_force
from voicestt.config.misspelt import misspelt
from voicestt.config.settings import BadSettings, read_settings, variables
from voicestt.config.variable import Variable
from voicestt.ops.tables import table

GROUPS: Final[Mapping[str, Sequence[str]]] = {
    title: [each.metadata["variable"].name for each in fields(group)]
    for title, group in settings_table.GROUPS.items()
}
"""The names of every variable, by the title of its group."""


@click.command(short_help="All settings, or those in force.")
@click.option("--effective", is_flag=True, help="What is in force here, and where it was set.")
@click.option("--env-file", metavar="FILE", envvar="VOICESTT_ENV_FILE", help="As of twistd; with --effective.")
def settings(effective: bool, env_file: str | None) -> None:
    """Print every environment variable, its default and its meaning, as Markdown tables, one for each group.

    With --effective: the value of each, here and now, and its source (environment, env file, default). Secrets are
    "set" or "not set". Ends with 1, and says why, if a server would not start so.
    """
    if not effective:
        click.echo(markdown_tables())
        return
    problems = _show_effective(EnvironmentFile(env_file, os.environ, {}))
    if problems:
        raise click.ClickException(
            "a server would not start so:\n" + "\n".join(f"  - {each}" for each in problems)
        )


def _show_effective(file: EnvironmentFile) -> list[str]:
    """Print the settings in force, and return what is wrong with them."""
    from voicestt.server.preflight import problems_of  # noqa: PLC0415 - it loads half of the server

    try:
        values, sources = file.variables(), file.sources()
    except BadSettings as bad:
        return bad.problems
    reading = read_settings(values)
    by_name = {each.variable.name: each for each in in_force(reading.settings, sources)}
    rows = [_effective_row(by_name[name], reading.unusable) for names in GROUPS.values() for name in names]
    for line in table(("VARIABLE", "VALUE", "FROM"), rows):
        click.echo(line)
    for name in misspelt(values):
        click.echo(f"Warning: {name} It has no effect.", err=True)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # where the server finds its handler
    return problems_of(reading)


def _effective_row(setting: InForce, unusable: Container[str]) -> tuple[str, str, str]:
    name = setting.variable.name
    return name, "(cannot be used)" if name in unusable else setting.value, setting.source


def markdown_tables() -> str:
    """Make a heading and a table for each group from the settings' definitions."""
    by_name = {variable.name: variable for variable in variables()}
    return "\n\n".join(
        f"## {group}\n\n{_table([by_name[name] for name in names])}" for group, names in GROUPS.items()
    )


def _table(chosen: Sequence[Variable]) -> str:
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *map(_row, chosen)])


def _row(variable: Variable) -> str:
    default = "required" if variable.required else f"`{variable.default}`" if variable.default else "not set"
    return f"| `{variable.name}` | {default} | {variable.meaning} |"
