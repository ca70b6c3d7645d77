"""The command `voicestt demo`: recorded voices call the real server on this machine, without an account."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from voicestt.emulators.twilio.clip import BadClip, read_clip
from voicestt.emulators.twilio.running import run_with_reactor
from voicestt.ops.demo.judgement import Judged, all_problems
from voicestt.ops.demo.show import DemoFailed, show
from voicestt.ops.demo.table import report
from voicestt.ops.demo.voices import (
    NOTICE,
    NoVoices,
    Voice,
    in_waves,
    is_scripted,
    packaged_voices,
    scripted_voice,
    write_script,
)
from voicestt.ops.processes import ProcessReactor
from voicestt.ops.services import Services, free_port


@click.command()
@click.option(
    "--clip", type=click.Path(path_type=Path), help="A recording of your own instead of the packaged ones."
)
@click.option("--text", help="What is said in --clip, to be compared with what is heard.")
@click.option("--language", default="en-US", show_default=True, help="The language that is spoken.")
@click.option("--port", type=int, help="The server's port on 127.0.0.1; a free one if not said.")
def demo(clip: Path | None, text: str | None, language: str, port: int | None) -> None:
    """Try all of it: a local Google service, the server, and calls with recorded human voices.

    In Hebrew (--language he) without --clip, a script stands in for the recogniser and for the voices.

    Each part is a process of its own and shows its lines as they come. At the end a table says what was spoken
    and heard, how fast, and whether every byte arrived. The exit code is 0 if all of it worked.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="voicestt-demo-") as name:
            services = Services(Path(name), server_port=port or free_port(), language=language)
            waves = _waves(clip, text) if clip or text or not is_scripted(language) else None
            judged = _show_scripted(services) if waves is None else _show(waves, services)
    except (NoVoices, BadClip, DemoFailed) as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(report(judged)))
    sys.exit(1 if all_problems(judged) else 0)


def _waves(clip: Path | None, text: str | None) -> list[list[Voice]]:
    if clip is None and text is not None:
        raise click.UsageError("--text says what is spoken in --clip: give that too.")
    voices = packaged_voices() if clip is None else [Voice(clip.name, clip, text)]
    for voice in voices:
        read_clip(voice.path)  # better refused now than in the middle of a call
    return in_waves(voices)


def _show_scripted(services: Services) -> list[Judged]:
    click.echo(NOTICE)
    judged = _show([[scripted_voice(services.folder)]], replace(services, script=write_script(services.folder)))
    click.echo(NOTICE)
    return judged


def _show(waves: list[list[Voice]], services: Services) -> list[Judged]:
    async def main(reactor: ProcessReactor) -> list[Judged]:
        return await show(reactor, services, waves, click.echo)

    return run_with_reactor(main)
