import json
import string
from typing import Any, get_args

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt import events

SCHEMA = jsonschema.Draft202012Validator(events.json_schema())

seconds = st.floats(min_value=0, max_value=100_000)
part = st.floats(min_value=0, max_value=1)
counts = st.integers(0, 10**9)
word = st.builds(
    events.Word,
    text=st.text(),
    start=seconds,
    end=seconds,
    confidence=st.none() | part,
    speaker=st.none() | st.text(),
)
other = st.builds(events.Alternative, text=st.text(), confidence=st.none() | part)
latency = st.builds(events.Latency, count=counts, p50=st.none() | seconds, max=st.none() | seconds)
audio = st.builds(events.Audio, received=counts, recognised=counts, sent_again=counts)
OF_A_FIELD: dict[str, st.SearchStrategy[Any]] = {
    "sequence": st.integers(1, 10**9),
    "version": st.just(1),
    "utterance": st.integers(1, 10**6),
    "stability": part,
    "confidence": st.none() | part,
    "start": seconds,
    "delay": st.none() | seconds,
    "words": st.lists(word, max_size=5),
    "alternatives": st.lists(other, max_size=3),
    "language": st.none() | st.text(),
    "caller": st.none() | st.text(),
    "called": st.none() | st.text(),
    "parameters": st.dictionaries(st.text(), st.text(), max_size=3),
    "cleared": st.booleans(),
    "track": st.sampled_from(["caller", "callee"]),
    "callee_audio": st.none() | audio,
    "recovered": st.booleans(),
    "audio": audio,
    "added_partial_delay_ms": latency,
    "final_delay_ms": latency,
    **dict.fromkeys(("callee_added_partial_delay_ms", "callee_final_delay_ms"), st.none() | latency),
    **dict.fromkeys(("end", "silence", "seconds", "duration", "google_seconds"), seconds),
    **dict.fromkeys(("partials", "finals", "restarts", "rotations", "fallbacks"), counts),
}


def made(kind: type[events.Event]) -> st.SearchStrategy[events.Event]:
    fields = {field.name: OF_A_FIELD.get(field.name, st.text()) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


any_event = st.one_of([made(kind) for kind in get_args(events.AnyEvent)])


@given(any_event)
def test_every_event_fits_the_schema_and_comes_back_as_it_was(event: events.Event) -> None:
    data = events.encode(event)
    SCHEMA.validate(json.loads(data))
    assert events.encode(events.decode(data)) == data
    assert events.TYPES[events.type_of(event)] is type(event)
    assert json.loads(data)["type"] == events.type_of(event)


@given(any_event)
def test_what_a_later_version_adds_is_left_out(event: events.Event) -> None:
    known = json.loads(events.encode(event))
    assert events.encode(events.decode(json.dumps({**known, "mood": "good"}))) == events.encode(event)


@given(st.binary() | st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_what_is_no_event_is_refused_in_words(data: bytes | str) -> None:
    with pytest.raises(events.BadEvent, match=r"."):
        events.decode(data)


@pytest.mark.parametrize("missing", ["type", "id", "text", "utterance"])
def test_the_schema_misses_what_is_missing(missing: str) -> None:
    event = events.Final(
        id="a-000001",
        session="a",
        sequence=1,
        timestamp="2026-11-23T07:19:22.000000Z",
        call_sid="CA1",
        stream_sid="MZ1",
        utterance=1,
        text="שלום",
    )
    whole = json.loads(events.encode(event))
    SCHEMA.validate(whole)
    del whole[missing]
    assert not SCHEMA.is_valid(whole)


@given(st.text(string.hexdigits, min_size=1), st.lists(st.integers(1, 999_999), min_size=2))
def test_ids_are_in_order_as_texts(session: str, numbers: list[int]) -> None:
    ids = [events.event_id(session, number) for number in sorted(set(numbers))]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
