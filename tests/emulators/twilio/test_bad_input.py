import json
from contextlib import suppress

import pytest

from voicestt.emulators.twilio.bad_input import (
    HUGE_BYTES,
    KINDS,
    described,
    parse_bad,
)
from voicestt.emulators.twilio.twilio_messages import Sids, StreamMessages
from voicestt.twilio import media_stream


@pytest.mark.parametrize("kind", KINDS)
def test_none_of_it_is_audio_of_the_call_nor_its_end(kind: str) -> None:
    message = KINDS[kind].make(StreamMessages(Sids()))
    with suppress(media_stream.BadMessage):
        understood = media_stream.parse(message.payload)
        assert not isinstance(understood, media_stream.Stop)
        if isinstance(understood, media_stream.Media):
            assert not understood.is_inbound or understood.media.payload == b""


def test_the_huge_one_is_huge_and_the_sequence_goes_back() -> None:
    messages = StreamMessages(Sids())
    assert len(KINDS["huge"].make(messages).payload) > HUGE_BYTES
    for _ in range(5):
        messages.media(b"\xff")
    assert json.loads(KINDS["sequence"].make(messages).payload)["sequenceNumber"] == "4"


def test_a_kind_has_a_place_and_all_are_apart() -> None:
    (json_at,) = parse_bad("json@3")
    assert (json_at.kind, json_at.at) == ("json", 3.0)
    every = parse_bad("all")
    assert [each.kind for each in every] == list(KINDS)
    assert (every[0].at, every[1].at) == (0.5, 0.6)


@pytest.mark.parametrize("text", ["", "rain", "json@x", "json@-1", "all@inf"])
def test_what_there_is_not_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no kind of bad input|is not KIND@AT"):
        parse_bad(text)


def test_the_list_names_every_kind() -> None:
    assert all(f"{name}: " in described() for name in KINDS)
