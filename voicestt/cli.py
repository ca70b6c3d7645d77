"""The `voicestt` command. Its parts are imported when they are called, so that none needs another's extra."""

import importlib

import click

import voicestt

_COMMANDS = {
    "call": ("voicestt.emulators.twilio.command", "call"),
    "calls": ("voicestt.ops.journal.calls", "calls"),
    "deliveries": ("voicestt.ops.journal.deliveries", "deliveries"),
    "demo": ("voicestt.ops.demo.command", "demo"),
    "dial": ("voicestt.ops.dial", "dial"),
    "drain": ("voicestt.ops.drain", "drain"),
    "erase": ("voicestt.ops.journal.erase", "erase"),
    "events-schema": ("voicestt.ops.schema", "events_schema"),
    "fleet": ("voicestt.ops.fleet.command", "fleet"),
    "flag": ("voicestt.ops.flag", "flag"),
    "gonogo": ("voicestt.ops.gonogo.command", "gonogo"),
    "google-local": ("voicestt.emulators.google.command", "google_local"),
    "journal": ("voicestt.ops.journal.care", "journal_group"),
    "load": ("voicestt.ops.load.command", "load_command"),
    "recording": ("voicestt.ops.recording", "recording"),
    "settings": ("voicestt.ops.settings", "settings"),
    "token": ("voicestt.ops.token", "token"),
    "transcript": ("voicestt.ops.journal.transcript", "transcript"),
}


class _LazyGroup(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_LazyGroup)
@click.version_option(voicestt.__version__)
def main() -> None:
    """Live phone calls to words: Twilio Media Streams in, Google Speech-to-Text partials and finals out.

    The server itself is started with: twistd --nodaemon --pidfile= voicestt
    """
