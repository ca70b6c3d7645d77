from typing import Any

import pytest
from google.cloud.speech_v1 import types as v1
from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.google.speech_activity import (
    ActivityRequest,
    SpeechActivity,
    SpeechEvent,
    SpeechEventKind,
    activity_of,
)

LOUD, QUIET = b"\x00\x20" * 800, b"\x00\x00" * 800
"""100 ms each."""

BEGIN, END, TIMEOUT = list(SpeechEventKind)[1:]


def heard(parts: list[bytes], **asked: Any) -> list[tuple[SpeechEventKind, int, int]]:
    """The events: kind, sample, and the samples that were given out before it was told."""
    activity, told, given_out = SpeechActivity(ActivityRequest(True, **asked)), [], 0
    for part in parts:
        for one in activity.split(part):
            if isinstance(one, SpeechEvent):
                told.append((one.kind, one.at, given_out))
            else:
                given_out += len(one) // 2
    return [*told, *((one.kind, one.at, given_out) for one in activity.finish())]


def test_speech_begins_and_ends_where_it_does_and_is_told_soon_after() -> None:
    assert heard([QUIET, LOUD, LOUD, *[QUIET] * 5, LOUD]) == [
        (BEGIN, 800, 1_280),
        (END, 2_400, 5_600),
        (BEGIN, 6_400, 6_880),
        (END, 7_200, 7_200),
    ]


def test_a_pause_between_words_is_no_end_and_a_click_no_beginning() -> None:
    click = b"\x00\x20" * 300
    assert heard([click, QUIET]) == []
    assert [kind for kind, _, _ in heard([LOUD, QUIET, QUIET, QUIET, LOUD])] == [BEGIN, END]


@given(st.lists(st.integers(1, 900), max_size=20))
def test_it_does_not_matter_how_the_audio_is_cut(sizes: list[int]) -> None:
    whole = b"".join([QUIET, LOUD, *[QUIET] * 6, LOUD])
    pieces, at = [], 0
    for size in sizes:
        pieces.append(whole[at : at + 2 * size])
        at += 2 * size
    activity = SpeechActivity(ActivityRequest(True))
    parts = [part for piece in [*pieces, whole[at:]] for part in activity.split(piece)]
    assert b"".join(part for part in parts if isinstance(part, bytes)) == whole
    events = [part for part in parts if isinstance(part, SpeechEvent)]
    assert [(event.kind, event.at) for event in events] == [(BEGIN, 800), (END, 1_600), (BEGIN, 6_400)]


def test_whoever_does_not_ask_is_told_nothing() -> None:
    assert list(SpeechActivity().split(LOUD)) == [LOUD]
    assert list(SpeechActivity().finish()) == []


def test_time_outs_need_the_events() -> None:
    config = v1.StreamingRecognitionConfig.pb()()
    config.voice_activity_timeout.speech_end_timeout.FromMilliseconds(1_500)
    assert activity_of(config) == ActivityRequest()
    config.enable_voice_activity_events = True
    assert activity_of(config) == ActivityRequest(True, end=1.5)


@pytest.mark.parametrize("seconds", [0.2, 1.0])
def test_speech_that_does_not_go_on_is_over(seconds: float) -> None:
    told = heard([*[QUIET] * 9, LOUD, *[QUIET] * 20], start=1.0, end=seconds)
    ended = 8_000 + round(8_000 * min(0.4, seconds))
    over = 8_000 + round(8_000 * seconds)
    assert told[:2] == [(BEGIN, 7_200, 7_680), (END, 8_000, ended)]
    assert told[2][:2] == (TIMEOUT, over)


def test_speech_that_does_not_begin_is_over() -> None:
    assert heard([QUIET] * 5, start=0.2)[0] == (TIMEOUT, 1_600, 1_600)
