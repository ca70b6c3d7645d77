"""A transcript as SubRip or WebVTT."""

from collections.abc import Sequence

from pysubs2 import SSAEvent, SSAFile

from voicestt.events import Final
from voicestt.ops.journal.spoken import SpokenStream, TranscriptLine
from voicestt.ops.journal.words import plain

NOT_KEPT = "(not kept: JOURNAL_REDACT)"

# What is said is not to be taken for what these formats, or the library, mean by it.
_ESCAPES = {
    "srt": str.maketrans({"\\": "＼"}),
    "vtt": str.maketrans({"\\": "＼", "&": "&amp;", "<": "&lt;", ">": "&gt;"}),
}


def subtitles(streams: Sequence[SpokenStream], kind: str) -> str:
    """`kind` is "srt" or "vtt". A later stream of the call goes on where it began."""
    file = SSAFile()
    for stream in streams:
        offset = stream.row.started_at - streams[0].row.started_at
        for line in stream.lines:
            if isinstance(line.event, Final):
                file.append(_cue(line, line.event.text, offset, kind))
    text: str = file.to_string(kind, keep_ssa_tags=True)
    return text.rstrip("\n") + "\n"


def one_line(text: str, kind: str) -> str:
    """What was said, so that no player takes it for something else."""
    safe = plain(text).replace("-->", "→")
    return safe.translate(_ESCAPES[kind]) or NOT_KEPT


def _cue(line: TranscriptLine, text: str, offset: float, kind: str) -> SSAEvent:
    return SSAEvent(
        start=round((offset + line.start) * 1_000),
        end=round((offset + line.end) * 1_000),
        text=one_line(text, kind),
    )
