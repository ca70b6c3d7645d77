"""The command `voicestt transcript`: prints the transcript of one call."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from voicestt.events import Dtmf, Final, Said
from voicestt.ops.journal.opening import journal
from voicestt.ops.journal.spoken import (
    NotFound,
    SpokenStream,
    TranscriptLine,
    spoken_in,
)
from voicestt.ops.journal.subtitles import NOT_KEPT, subtitles
from voicestt.ops.journal.words import (
    iso,
    json_text,
    length,
    moment,
    plain,
)

_Form = Callable[[Sequence[SpokenStream]], str]


@click.command(short_help="What was said in one call.")
@click.argument("call_sid", metavar="CALLSID")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "srt", "vtt", "json"]),
    default="text",
    show_default=True,
    help="Text, SubRip or WebVTT subtitles, or JSON with every word's time.",
)
def transcript(call_sid: str, form: str) -> None:
    """Print what was said in a call; of its CallSid the beginning is enough.

    Times are in the call's own time. Where the recogniser gave none they are estimated from when the words came.
    """
    with journal() as database, database.reading() as connection:
        try:
            streams = spoken_in(connection, call_sid)
        except NotFound as problem:
            raise click.ClickException(str(problem)) from None
    click.echo(transcript_of(streams, form), nl=False)


def transcript_of(streams: Sequence[SpokenStream], form: str) -> str:
    """Format a call's streams as "text", "srt", "vtt" or "json"."""
    return _FORMS[form](streams)


def _as_text(streams: Sequence[SpokenStream]) -> str:
    """Format a call under one heading, whatever number of streams it has; one that began anew has another."""
    parts: list[list[str]] = []
    first = streams[0]
    for before, stream in zip([None, *streams], streams, strict=False):
        if before is None or stream.continues is None:
            first = stream
            parts.append(list(_text_lines(stream)))
        else:
            offset = stream.row.started_at - first.row.started_at
            parts[-1] += _further_lines(stream, offset, before.row.reason)
    return "\n".join("\n".join(part) + "\n" for part in parts)


def _further_lines(stream: SpokenStream, offset: float, why: str | None) -> Iterator[str]:
    row = stream.row
    ended = "still going on" if row.ended_at is None else f"ended: {plain(row.reason or '')}"
    yield f"[{length(offset)}] (goes on with another stream: {plain(why or 'the first one was lost')}; {ended})"
    for line in stream.lines:
        yield f"[{length(offset + line.start)}] {_said(stream, line)}"


def _text_lines(stream: SpokenStream) -> Iterator[str]:
    row = stream.row
    ended = "still going on" if row.ended_at is None else f"ended: {plain(row.reason or '')}"
    took = "" if row.duration is None else f", {length(row.duration)} long"
    yield f"Call {plain(row.call_sid)}, {moment(row.started_at)}{took}, {ended}"
    for line in stream.lines:
        yield f"[{length(line.start)}] {_said(stream, line)}"


def _said(stream: SpokenStream, line: TranscriptLine) -> str:
    event = line.event
    if isinstance(event, Final):
        return stream.speaker(event) + (plain(event.text) or NOT_KEPT)
    if isinstance(event, Dtmf):
        return f"(key {plain(event.digit)})" if event.digit else f"(a key, {NOT_KEPT[1:]}"
    if isinstance(event, Said):
        return _said_to_the_caller(event)
    return f"({event.seconds:.1f} s could not be recognised: {plain(event.why)})"


def _said_to_the_caller(said: Said) -> str:
    cut = f", cut after {said.end - said.start:.1f} s" if said.cleared else ""
    if said.text is None:
        return f"(to the caller{cut}: {said.seconds:.1f} s of audio)"
    return f"(to the caller{cut}: {plain(said.text) or NOT_KEPT[1:-1]})"


def _as_json(streams: Sequence[SpokenStream]) -> str:
    told = {"call_sid": streams[0].row.call_sid, "streams": [_stream(stream) for stream in streams]}
    return json_text(told) + "\n"


def _stream(stream: SpokenStream) -> dict[str, Any]:
    row = stream.row
    return {
        "session": row.session,
        "continues": stream.continues,
        "stream_sid": row.stream_sid,
        "started_at": iso(row.started_at),
        "ended_at": iso(row.ended_at),
        "duration": row.duration,
        "reason": row.reason,
        "recovered": row.closed_by_recovery,
        "lines": [_line(line) for line in stream.lines],
    }


def _line(line: TranscriptLine) -> dict[str, Any]:
    event = line.event
    base = {"type": str(event.__struct_config__.tag), "start": round(line.start, 3), "end": round(line.end, 3)}
    base["estimated"] = line.is_estimated
    if isinstance(event, Final):
        words = [{"text": word.text, "start": word.start, "end": word.end} for word in event.words]
        return {
            **base,
            "utterance": event.utterance,
            "track": event.track,
            "text": event.text,
            "confidence": event.confidence,
            "recogniser": event.recogniser,
            "words": words,
        }
    if isinstance(event, Dtmf):
        return {**base, "digit": event.digit}
    if isinstance(event, Said):
        return {**base, "text": event.text, "seconds": event.seconds, "cleared": event.cleared}
    return {**base, "why": event.why, "seconds": event.seconds}


_FORMS: Mapping[str, _Form] = {
    "text": _as_text,
    "srt": lambda streams: subtitles(streams, "srt"),
    "vtt": lambda streams: subtitles(streams, "vtt"),
    "json": _as_json,
}
