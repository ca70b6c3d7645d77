"""The command `voicestt recording`: finds the recording of a call, or writes it as one WAV file."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import BinaryIO

import click

from voicestt.config.env_file import EnvironmentFile
from voicestt.config.settings import BadSettings, read_settings
from voicestt.ops.journal.words import plain
from voicestt.recording.folder import call_sid_in
from voicestt.recording.joining import FORMS, Form
from voicestt.recording.library import FoundRecording, RecordingLibrary, library_of
from voicestt.recording.store import StoreFailed
from voicestt.recording.wav import BadRecording


@click.command(short_help="The audio of one call.")
@click.argument("call_sid", metavar="CALLSID")
@click.option(
    "--save", metavar="FILE", help="Write the whole call there as one WAV file; `-` for standard output."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    default="mulaw",
    show_default=True,
    help="With --save: the audio as it was, or 16-bit samples, which everything plays.",
)
def recording(call_sid: str, save: str | None, form: Form) -> None:
    """Show where the recording of a call is; of its CallSid the beginning is enough.

    A call that was moved, or whose server was killed, has one for each of its streams: --save joins them, with the
    time between them as silence. RECORD_DIR and RECORD_STORE are the server's, in this environment or in
    VOICESTT_ENV_FILE. What the caller said is on the left, what was played on the right.
    """
    try:
        library = recordings()
        found = _found(library, call_sid)
        if save is None:
            for each in found:
                click.echo(each.path.absolute() if each.path is not None else f"{library.store_name}/{each.name}")
        else:
            _save(library, found, save, form)
    except (BadSettings, StoreFailed, BadRecording, OSError) as problem:
        words = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise click.ClickException(f"The recording cannot be read: {words or type(problem).__name__}.") from None


def recordings() -> RecordingLibrary:
    """Make the library of the recordings that the server's environment names.

    Raises:
        BadSettings, StoreFailed: where a variable of it cannot be used, in words.
    """
    values = EnvironmentFile(os.environ.get("VOICESTT_ENV_FILE"), os.environ, {}).variables()
    reading = read_settings(values)
    mine = [problem for problem in reading.problems if problem.startswith("RECORD")]
    if mine:
        raise BadSettings(mine)
    return library_of(reading.settings)


def _found(library: RecordingLibrary, call_sid: str) -> Sequence[FoundRecording]:
    found = library.of_call(call_sid)
    calls = sorted({call_sid_in(each.name) for each in found})
    if not found:
        raise click.ClickException(
            f"There is no recording of a call {plain(call_sid)} in {library.folder.path.absolute()}"
            f"{f' or {library.store_name}' if library.store else ''}. Was RECORD on then, is it kept so long "
            "(RECORD_DAYS), and is this the folder that the server was started in?"
        )
    if len(calls) > 1:
        raise click.ClickException(f"Several calls begin so: {', '.join(map(plain, calls))}.")
    return found


def _save(library: RecordingLibrary, found: Sequence[FoundRecording], save: str, form: Form) -> None:
    with closing(library.open(found, form)) as audio:
        if save == "-":
            _write(sys.stdout.buffer, audio.chunks())
            return
        with open(save, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            _write(file, audio.chunks())
        streams, tracks = _counted(len(found), "stream"), _counted(audio.header.tracks, "track")
        click.echo(f"{save}: {audio.seconds:.1f} s, {streams}, {tracks}.")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _write(file: BinaryIO, chunks: Iterator[bytes]) -> None:
    for chunk in chunks:
        file.write(chunk)
