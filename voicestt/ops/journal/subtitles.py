"""Writes a transcript as SubRip or WebVTT."""

from collections.abc import Sequence

from pysubs2 import SSAEvent, SSAFile

from voicestt.events import Final, Said
from voicestt.ops.journal.spoken import SpokenStream, TranscriptLine
from voicestt.ops.journal.words import plain

NOT_KEPT = "(not kept: JOURNAL_REDACT)"

# Characters that these formats, or the library, would take for markup.
_ESCAPES = {
    "srt": str.maketrans({"\\": "＼"}),
    "vtt": str.maketrans({"\\": "＼", "&": "&amp;", "<": "&lt;", ">": "&gt;"}),
}


def subtitles(streams: Sequence[SpokenStream], kind: str) -> str:
    """Write the finals, and texts said to the caller after a dash, as subtitles; `kind` is "srt" or "vtt".

    A later stream is offset by its start.
    """
    file = SSAFile()
    for stream in streams:
        offset = stream.row.started_at - streams[0].row.started_at
        for line in stream.lines:
            if isinstance(line.event, Final):
                file.append(_cue(line, stream.speaker(line.event) + line.event.text, offset, kind))
            elif isinstance(line.event, Said) and line.event.text:
                file.append(_cue(line, f"– {line.event.text}", offset, kind))
    text: str = file.to_string(kind, keep_ssa_tags=True)
    return text.rstrip("\n") + "\n"


def one_line(text: str, kind: str) -> str:
    """Escape a text to one line that no player takes for markup."""
    safe = plain(text).replace("-->", "→")
    return safe.translate(_ESCAPES[kind]) or NOT_KEPT


def _cue(line: TranscriptLine, text: str, offset: float, kind: str) -> SSAEvent:
    return SSAEvent(
        start=round((offset + line.start) * 1_000),
        end=round((offset + line.end) * 1_000),
        text=one_line(text, kind),
    )
