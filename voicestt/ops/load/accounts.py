"""Accounts for every byte: compares the audio sent with the streams that the service received."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicestt.audio import mulaw
from voicestt.ops.load.raw_call import RawCall, TrackVoice, voices_of

_REPLAY_SECONDS = 60
_STEP_MS = 10

Record = Mapping[str, Any]
"""A line of the local Google service's streams.jsonl (`voicestt.emulators.google.recording.StreamRecord`)."""


@dataclass(frozen=True, slots=True)
class BytesAccount:
    """One voice's mu-law bytes: `lost` never arrived, `doubled` came twice in a stream (or are nobody's).

    `again` were sent to a second stream too, as is right when streams change; `words` say what is wrong, "" if
    nothing is.
    """

    lost: int = 0
    doubled: int = 0
    again: int = 0
    words: str = ""


def json_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines; an empty list when it does not exist."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def accounts(voices: Sequence[TrackVoice], records: Iterable[Record]) -> list[BytesAccount]:
    """Make an account for each voice; a stream belongs to the voice whose key its finals begin with."""
    by_key: dict[str, list[Record]] = {}
    by_hash: dict[str, Record] = {}
    for record in records:
        if record["method"].startswith("Streaming") and record["audio_bytes"]:
            by_hash[record["sha256"]] = record
            for key in {text.split()[0] for text in record["finals"] if text}:
                by_key.setdefault(key, []).append(record)
    return [account(voice.audio, _streams_of(voice, by_key, by_hash)) for voice in voices]


def faults(calls: Sequence[RawCall], records: Iterable[Record]) -> list[str]:
    """Describe the fault of every call whose audio did not arrive as it was sent."""
    voices = voices_of(calls)
    return in_words(voices, accounts(voices, records))


def in_words(voices: Sequence[TrackVoice], kept: Sequence[BytesAccount]) -> list[str]:
    """Describe what is wrong in the accounts of `voices`."""
    told = zip(voices, kept, strict=True)
    return [f"call {voice.number}: {each.words}" for voice, each in told if each.words]


def account(audio: bytes, streams: Sequence[Record]) -> BytesAccount:
    """Lay one voice's streams, in the order of their start, along its mu-law and account for the bytes."""
    if not streams:
        return BytesAccount(lost=len(audio), words="no stream has it")
    reached = again = 0
    for stream in streams:
        length = _mulaw_bytes(stream)
        begins = _place_of(stream, audio, length, reached)
        if begins is None:
            return _misplaced(audio, stream, length, reached)
        again += min(reached - begins, length)
        reached = max(reached, begins + length)
    lost = len(audio) - reached
    return BytesAccount(lost, 0, again, f"{-lost} bytes" if lost else "")


def _streams_of(
    voice: TrackVoice, by_key: Mapping[str, list[Record]], by_hash: Mapping[str, Record]
) -> list[Record]:
    found = by_key.get(voice.key)
    if found is None:  # too short for a word
        whole = [
            by_hash.get(hashlib.sha256(data).hexdigest()) for data in (mulaw.decode(voice.audio), voice.audio)
        ]
        return [record for record in whole if record is not None][:1]
    return sorted(found, key=lambda record: float(record["started"]))


def _place_of(stream: Record, audio: bytes, length: int, expected: int) -> int | None:
    """Find the start of the stream in the call: at the end of those before, or earlier for audio sent again."""
    begins: int
    step = _STEP_MS * mulaw.BYTES_PER_SECOND // 1000
    earliest = max(0, expected - _REPLAY_SECONDS * mulaw.BYTES_PER_SECOND)
    for begins in [expected, *range(expected - expected % step, earliest - 1, -step)]:
        if begins + length <= len(audio) and _hash_of(stream, audio[begins : begins + length]) == stream["sha256"]:
            return begins
    return None


def _misplaced(audio: bytes, stream: Record, length: int, reached: int) -> BytesAccount:
    difference = length - (len(audio) - reached)
    if difference:
        return BytesAccount(max(0, -difference), max(0, difference), words=f"{difference:+d} bytes")
    return BytesAccount(lost=length, words="bytes misplaced")


def _mulaw_bytes(stream: Record) -> int:
    return int(stream["audio_bytes"]) // (1 if _is_mulaw(stream) else 2)


def _hash_of(stream: Record, audio: bytes) -> str:
    return hashlib.sha256(audio if _is_mulaw(stream) else mulaw.decode(audio)).hexdigest()


def _is_mulaw(stream: Record) -> bool:
    return str(stream["encoding"]).upper() == "MULAW"
