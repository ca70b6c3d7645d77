"""The events of a call, version 1: one vocabulary, the same for every way of delivery.

Each event is a JSON object. `type` says what happened, `version` is 1, `timestamp` is when (RFC 3339, UTC),
`call_sid` and `stream_sid` are Twilio's. `session` names one media stream of one call and is never used again;
`sequence` counts its events 1, 2, 3 without a gap, and `id` is made of the two, so that a receiver who was told
something twice can see that it was, and in which order things happened. Times in an event are seconds in the
call's own time: since its audio began, counted in audio, and by Twilio's timestamps where frames are missing.
Fields may be added to a version, and are to be ignored by receivers that do not know them; none is taken away or
changes its meaning.

The JSON Schema is `voicestt/events.schema.json`, made of this file by `voicestt events-schema`; a test compares.
"""

from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from voicestt.event_parts import Audio, EventPart, Latency, Seconds

__all__ = ["Audio", "Latency"]  # parts of the events, under their names here

VERSION = 1

Sequence1 = Annotated[int, Meta(ge=1, description="Counts the events of a session without a gap.")]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The fields common to all events."""

    id: Annotated[str, Meta(description="SESSION-SEQUENCE, the sequence with six digits or more.")]
    session: str
    sequence: Sequence1
    version: Literal[1] = 1
    timestamp: Annotated[str, Meta(description="RFC 3339, UTC, microseconds.")]
    call_sid: str
    stream_sid: str


class TrackEvent(Event, frozen=True, kw_only=True):
    """The field common to the events of one side of a call: `callee` is the outbound track of a stream of both."""

    track: Literal["caller", "callee"] = "caller"


class CallStarted(Event, frozen=True, kw_only=True, tag="call_started"):
    """The caller's audio begins. `from` and `to` are there if the signed webhook gave them.

    `continues` is the session of the call's former stream, on another server or before an interruption: its
    utterances are counted on. Null for a new call. `recorded` says whose voice is kept: `off`, `caller` or `both`.
    """

    account_sid: str
    caller: str | None = msgspec.field(default=None, name="from")
    called: str | None = msgspec.field(default=None, name="to")
    parameters: dict[str, Any] = {}
    continues: str | None = None
    recorded: str = "off"


class Partial(TrackEvent, frozen=True, kw_only=True, tag="partial"):
    """An interim transcript, replaced by the next partial or the final of the same utterance."""

    utterance: Sequence1
    text: str
    stability: Annotated[float, Meta(ge=0, le=1, description="0 where it is not given.")] = 0.0


class Word(EventPart, frozen=True, kw_only=True):
    """One word of a final, with its times. `confidence` and `speaker` are null where they were not asked for."""

    text: str
    start: Seconds
    end: Seconds
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    speaker: str | None = None


class Alternative(EventPart, frozen=True, kw_only=True):
    """Another reading of a final."""

    text: str
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None


class Final(TrackEvent, frozen=True, kw_only=True, tag="final"):
    """The final transcript of an utterance. Fields that are null were not given by the recogniser."""

    utterance: Sequence1
    text: str
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    start: Seconds | None = None
    end: Seconds | None = None
    words: Annotated[Sequence[Word], Meta(description="Empty where they are not given.")] = ()
    delay: Annotated[float, Meta(ge=0, description="Seconds from the last audio of its words to it.")] | None = (
        None
    )
    recogniser: Annotated[str, Meta(description="google-streaming, google-recognize or whisper.")] = ""
    alternatives: Annotated[
        Sequence[Alternative], Meta(description="Other readings, where GCP_STT_MAX_ALTERNATIVES asks for them.")
    ] = ()
    language: Annotated[str | None, Meta(description="The BCP-47 code that the recogniser says it heard.")] = None


class UtteranceEnd(TrackEvent, frozen=True, kw_only=True, tag="utterance_end"):
    """The caller's turn is over: `silence` seconds of silence since `end`, after the final of `utterance`."""

    utterance: Sequence1
    end: Seconds
    silence: Seconds


class Dtmf(Event, frozen=True, kw_only=True, tag="dtmf"):
    """The caller pressed a key."""

    digit: str


class Mark(Event, frozen=True, kw_only=True, tag="mark"):
    """The audio sent to the caller before this mark has been played, or was cleared."""

    name: str
    cleared: bool = False


class Said(Event, frozen=True, kw_only=True, tag="said"):
    """Something that was said to the caller, who heard it from `start` to `end`.

    `text` is null where only the audio is known, such as a file's; `seconds` is its whole length. `cleared`: it
    was cut at `end`, and the caller did not hear the rest. What was cleared before any of it was heard has no
    event.
    """

    text: str | None = None
    seconds: Seconds
    start: Seconds
    end: Seconds
    cleared: bool = False


class CallIncident(TrackEvent, frozen=True, kw_only=True, tag="incident"):
    """Something in the recognition that costs no words; `incident` says what.

    "rotated": the recogniser's stream was replaced before its limit (a seam). "restarted": it failed, was
    replaced, and its audio is sent again. "held": no audio came for `seconds`, from `start` to `end`: the line was
    on hold. "refused": the recogniser refused what a handler asked for by `recognise`, and goes on as before.
    There may be more one day. `start` and `end` are null where it is about no stretch of the audio.
    """

    incident: str
    why: str
    seconds: Seconds = 0.0
    start: Seconds | None = None
    end: Seconds | None = None


class Degraded(TrackEvent, frozen=True, kw_only=True, tag="degraded"):
    """No more partials: each utterance is recognised as a whole. `seconds` of audio are recognised again."""

    why: str
    seconds: Seconds = 0.0


class Recovered(TrackEvent, frozen=True, kw_only=True, tag="recovered"):
    """Streaming works again for this call, and partials come again."""

    why: str


class Interrupted(TrackEvent, frozen=True, kw_only=True, tag="interrupted"):
    """The recogniser is away: no transcripts for now. `seconds` of audio wait, and further audio is kept."""

    why: str
    seconds: Seconds = 0.0


class Resumed(TrackEvent, frozen=True, kw_only=True, tag="resumed"):
    """The recogniser is back: partials come again, and the finals of the audio that was kept."""

    why: str


class Unrecognised(TrackEvent, frozen=True, kw_only=True, tag="unrecognised"):
    """The words of `seconds` of audio could not be recognised. `start` and `end` are null if not known."""

    why: str
    seconds: Seconds = 0.0
    start: Seconds | None = None
    end: Seconds | None = None


class CallEnded(Event, frozen=True, kw_only=True, tag="call_ended"):
    """The call is over, and all of its transcripts have been reported.

    `recovered` marks a call whose server was killed: another closed it, and only `reason` is known. Latencies are
    those of `GET /healthz`. `google_seconds` of audio were sent to Google. What is the callee's is null where only
    the caller was recognised; delays without it are the caller's, and all counts are of both.
    """

    reason: str
    recovered: bool = False
    duration: Seconds = 0.0
    partials: int = 0
    finals: int = 0
    audio: Audio = Audio()
    callee_audio: Audio | None = None
    added_partial_delay_ms: Latency = Latency()
    final_delay_ms: Latency = Latency()
    callee_added_partial_delay_ms: Latency | None = None
    callee_final_delay_ms: Latency | None = None
    restarts: int = 0
    rotations: int = 0
    fallbacks: int = 0
    google_seconds: Seconds = 0.0


AnyEvent = (
    CallStarted
    | Partial
    | Final
    | UtteranceEnd
    | Dtmf
    | Mark
    | Said
    | CallIncident
    | Degraded
    | Recovered
    | Interrupted
    | Resumed
    | Unrecognised
    | CallEnded
)

TYPES: Mapping[str, type[Event]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyEvent)}

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


class BadEvent(ValueError):
    """A text that is no event of this version; the message says why."""


def encode(event: Event) -> bytes:
    """Encode an event as JSON."""
    return _encoder.encode(event)


def decode(data: bytes | str) -> AnyEvent:
    """Decode an event from JSON; unknown fields are left out.

    Raises:
        BadEvent: for whatever is none.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadEvent(str(problem)) from None


def type_of(event: Event) -> str:
    """Return the `type` of an event, as in the JSON."""
    return str(event.__struct_config__.tag)


def event_id(session: str, sequence: int) -> str:
    """Return the `id` of an event.

    As texts, those of one session are in the order of their sequence up to a million.
    """
    return f"{session}-{sequence:06d}"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of all events of this version."""
    (schema,), components = msgspec.json.schema_components([AnyEvent], ref_template="#/$defs/{name}")
    for each in components.values():
        if "description" in each:  # a docstring, which Python strips of its margin from 3.13 on
            each["description"] = cleandoc(each["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "voicestt events, version 1",
        **schema,
        "$defs": components,
    }
