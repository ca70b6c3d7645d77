"""The command `voicestt settings`: the tables of all settings, as in docs/settings.md, or those in force."""

import os
import sys
from collections.abc import Container, Mapping, Sequence
from typing import Final

import click

from voicestt.config.env_file import EnvironmentFile
from voicestt.config.in_force import InForce, in_force
from voicestt.config.misspelt import misspelt
from voicestt.config.readers import Variable
from voicestt.config.settings import BadSettings, read_settings, variables
from voicestt.ops.tables import table

GROUPS: Final[Mapping[str, Sequence[str]]] = {
    "The six to set first": (
        "PUBLIC_HOST",
        "TWILIO_AUTH_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GCP_STT_LANGUAGE",
        "ENABLE_STREAMING_STT",
        "HANDLER",
    ),
    "Recognition by Google": (
        "GCP_STT_MODEL",
        "GCP_STT_PUNCTUATION_INTERIM",
        "GCP_STT_PUNCTUATION_FINAL",
        "STT_BATCH_MS",
        "STT_PARTIAL_DEBOUNCE_MS",
        "UTTERANCE_END_MS",
        "GCP_STT_API",
        "GCP_STT_LOCATION",
        "GCP_PROJECT",
        "GCP_STT_ENDPOINT",
        "GCP_STT_INSECURE",
    ),
    "Recognition without Google, or behind it": (
        "STT_ENGINE",
        "WHISPER_MODEL",
        "WHISPER_URL",
        "WHISPER_URL_MODEL",
        "WHISPER_API_KEY",
    ),
    "Streams, their limits and outages": (
        "STT_SOFT_LIMIT_SECONDS",
        "STT_HARD_LIMIT_SECONDS",
        "STT_RETAIN_SECONDS",
        "STT_RETAIN_TOTAL_MB",
        "STT_RESTARTS",
        "STT_SILENT_SECONDS",
        "STT_HOLD_SECONDS",
        "STT_QUEUE_SECONDS",
        "STT_RECOVER_SECONDS",
        "STT_DRAIN_SECONDS",
        "STT_SESSION_THREADS",
        "STT_GAP_MS",
        "IDLE_SECONDS",
        "NO_MEDIA_SECONDS",
    ),
    "What the caller hears": (
        "GREETING",
        "GREETING_MAX_MS",
        "TTS_ENGINE",
        "TTS_LANGUAGE",
        "TTS_VOICE",
        "GCP_TTS_ENDPOINT",
    ),
    "A handler in the server's process": (
        "HANDLER_QUEUE",
        "HANDLER_OVERFLOW",
        "HANDLER_THREADS",
        "TWILIO_API_URL",
    ),
    "Events for other processes": (
        "EVENTS_WEBHOOK_URL",
        "EVENTS_WEBHOOK_SECRET",
        "EVENTS_WEBHOOK_TYPES",
        "EVENTS_WEBHOOK_PARTIALS",
        "EVENTS_WEBHOOK_BATCH",
        "EVENTS_WEBHOOK_HOURS",
        "EVENTS_WEBHOOK_ORDER",
        "EVENTS_WEBHOOK_AT_ONCE",
        "REDIS_URL",
        "REDIS_SHARDS",
        "REDIS_MAXLEN",
        "REDIS_PARTIALS",
        "REDIS_REPLICAS",
        "EVENTS_TOKEN",
        "EVENTS_FILE",
    ),
    "The journal": ("JOURNAL_URL", "JOURNAL_DAYS", "JOURNAL_REDACT", "JOURNAL_SPILL_DIR"),
    "Strangers, and who may connect": (
        "TWILIO_VALIDATE",
        "REQUIRE_KNOWN_CALL",
        "MAX_CONNECTIONS",
        "MAX_CONNECTIONS_PER_ADDRESS",
        "TRUSTED_PROXIES",
    ),
    "Overload": ("MAX_CALLS", "MAX_LAG_MS", "BUSY"),
    "The log": ("LOG_FORMAT", "LOG_LEVEL", "LOG_PARTIALS", "LOG_TEXTS"),
    "The process": ("PORT", "VOICESTT_SOCKET"),
}
"""Every variable in one group, in the order in which it is shown; a test compares with the settings."""


@click.command(short_help="All settings, or those in force.")
@click.option("--effective", is_flag=True, help="What is in force here, and where it was set.")
@click.option("--env-file", metavar="FILE", envvar="VOICESTT_ENV_FILE", help="As of twistd; with --effective.")
def settings(effective: bool, env_file: str | None) -> None:
    """Prints every environment variable, its default and its meaning, as Markdown tables, one for each group.

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
    """Prints the settings in force, and returns what is wrong with them."""
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
    """Makes a heading and a table for each group from the settings' definitions."""
    by_name = {variable.name: variable for variable in variables()}
    return "\n\n".join(
        f"## {group}\n\n{_table([by_name[name] for name in names])}" for group, names in GROUPS.items()
    )


def _table(chosen: Sequence[Variable]) -> str:
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *map(_row, chosen)])


def _row(variable: Variable) -> str:
    default = "required" if variable.required else f"`{variable.default}`" if variable.default else "not set"
    return f"| `{variable.name}` | {default} | {variable.meaning} |"
