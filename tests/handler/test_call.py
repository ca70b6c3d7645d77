import io
import wave
from functools import partial
from typing import Any

import numpy as np
import pytest

from tests.handler.fakes import (
    CALLED,
    CALLER,
    Events,
    FakeLine,
)
from voicestt.audio import mulaw
from voicestt.config.hints import Hint
from voicestt.config.recognition_options import BadOptions, RecognitionOptions
from voicestt.handler import BadSound, Call
from voicestt.handler.call import Snapshot
from voicestt.handler.leaving import CallHandover
from voicestt.handler.speaking import Speaking
from voicestt.runtime.thread_pool import DaemonThreadPool


def call_on(line: FakeLine) -> Call:
    """A call whose crossings to the reactor's thread are done at once."""
    started = Events().started()

    def cross(action: Any) -> None:
        action()

    speaking = Speaking(line, "CA1", lambda: 0.0, cross, None)
    return Call(
        started, speaking, CallHandover(started, line, None, DaemonThreadPool(1, "test"), cross), Snapshot()
    )


def tone(rate: int) -> bytes:
    """A second of 440 Hz, 16 bits."""
    return (np.sin(np.arange(rate) * 2 * np.pi * 440 / rate) * 10_000).astype("<i2").tobytes()


def wav(rate: int) -> bytes:
    """The same as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(tone(rate))
    return file.getvalue()


def loudness_of(audio: bytes) -> float:
    """Root mean square, in 16 bits."""
    return float(np.sqrt(np.mean(np.frombuffer(mulaw.decode(audio), "<i2").astype(float) ** 2)))


SAY: list[Any] = [
    lambda call: call.say(mulaw.encode(np.frombuffer(tone(8_000), "<i2"))),
    lambda call: call.say(bytearray(mulaw.encode(np.frombuffer(tone(8_000), "<i2"))), kind="mulaw"),
    lambda call: call.say(tone(16_000), rate=16_000),
    lambda call: call.say(tone(8_000), kind="pcm16"),
    lambda call: call.say(wav(22_050)),
    lambda call: call.say(wav(48_000), kind="file"),
]


@pytest.mark.parametrize("say", SAY)
def test_audio_of_every_kind_becomes_the_lines(say: Any) -> None:
    line = FakeLine()
    say(call_on(line))
    ((what, audio),) = line.asked
    assert what == "say"
    assert abs(len(audio) - 8_000) <= 8
    assert loudness_of(audio) == pytest.approx(10_000 / 2**0.5, rel=0.03)


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (partial(Call.say, audio=b"RIFF----WAVEnothing"), "what was to be said is a WAV file"),
        (partial(Call.say, audio=b"abcd", rate=7), "what was to be said has 7 samples a second"),
        (partial(Call.say, audio=bytes(8_000 * 601)), "what was to be said lasts 601 s"),
    ],
)
def test_data_that_is_no_audio_is_refused_in_words(say: Any, words: str) -> None:
    line = FakeLine()
    with pytest.raises(BadSound, match=words):
        say(call_on(line))
    assert line.asked == []


@pytest.mark.parametrize("wrong", ["text", 7, None])
def test_other_types_than_bytes_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        call_on(FakeLine()).say(wrong)


def test_its_repr_may_be_logged() -> None:
    call = call_on(FakeLine())
    assert repr(call) == "<Call CA1>"
    assert (call.caller, call.called) == (CALLER, CALLED)


# -- how the caller is recognised


def test_other_options_cross_to_the_line_as_they_were_meant() -> None:
    line = FakeLine()
    call = call_on(line)
    call.recognise(language="en-US", hints=["שָׁלוֹם", ("Shure", 15)], punctuation=False, at_once=True)
    call.recognise(max_alternatives=3, hints=["${dishes}"], classes={"dishes": ["falafel"]})
    call.recognise()
    (_, first, at_once), (_, second, later), (_, none, _) = line.asked
    assert first.hints.phrases == (Hint("שלום"), Hint("Shure", 15.0))
    assert (first.language, first.punctuation, at_once) == ("en-US", False, True)
    assert (second.max_alternatives, second.hints.classes[0].items, later) == (3, ("falafel",), False)
    assert none == RecognitionOptions()


def test_the_callee_s_recognition_is_another_track_s() -> None:
    line = FakeLine()
    call_on(line).recognise(language="en-US", track="callee")
    assert line.asked == [("recognise", RecognitionOptions(language="en-US"), False, "callee")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"track": "agent"}, "track is neither caller nor callee"),
        ({"language": "Hebrew!"}, "language is no BCP-47 code"),
        ({"langauge": "he-IL"}, r"langauge is no option: did you mean language\?"),
        ({"hints": ["x" * 200]}, "has 200 letters, and Google takes 100"),
        ({"hints": ["${nobody}"]}, "there is no such class"),
        ({"hints": "Shure"}, "hints: hints are a list of phrases"),
        ({"hints": {"Shure": 15}}, "hints: hints are a list of phrases"),
        ({"hints": 15}, "hints: hints are a list of phrases"),
        ({"hints": ["${dishes}"], "classes": {"dishes": "falafel"}}, "classes: the class 'dishes' is no list"),
        ({"hints": ["${dishes}"], "classes": {"dishes": [5]}}, "classes: the class 'dishes' is no list"),
    ],
)
def test_options_that_cannot_be_are_an_error_for_the_handler(options: dict[str, Any], words: str) -> None:
    line = FakeLine()
    with pytest.raises(BadOptions, match=words):
        call_on(line).recognise(**options)
    assert line.asked == []
