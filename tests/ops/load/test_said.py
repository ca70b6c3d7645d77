import json

import pytest

from voicestt.audio import mulaw
from voicestt.emulators.google import script
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.ops.load import said
from voicestt.recognisers.whisper.engine.port import EngineResult, Request


class Ear:
    """Notes after which frame what was heard."""

    def __init__(self) -> None:
        self.frame = 0
        self.partials: dict[int, int] = {}
        self.finals: dict[int, int] = {}
        self.texts: list[str] = []

    def heard(self, heard: EngineResult) -> None:
        self.texts.append(heard.text)
        if heard.is_final:
            self.finals[len(self.finals)] = self.frame
        elif len(heard.text.split()) == 1:
            self.partials[len(self.partials)] = self.frame

    def ended(self, error: Exception | None) -> None:
        assert error is None


def test_words_can_be_known_exactly_when_it_is_said_that_they_can() -> None:
    ear, frames = Ear(), 50 * 13
    text = json.dumps(said.script())
    stream = ScriptEngine(script.parse(text)).open(Request("en-US"), ear)
    audio, handed = said.audio_of(7, frames), 0
    for frame in range(frames):  # as a server does that hands on batches
        whole = (frame + 1) * 160 // said.BATCH_BYTES * said.BATCH_BYTES
        ear.frame = frame
        if whole > handed:
            stream.write(mulaw.decode(audio[handed:whole]))
            handed = whole
    assert len(ear.finals) == 3
    assert ear.partials == {number: said.first_partial_frame(number) for number in range(4)}
    assert ear.finals == {number: said.final_frame(number) for number in range(3)}
    assert ear.texts[-1] == "7"


@pytest.mark.parametrize("frames", [1, 10, 500])
def test_audio_is_each_calls_own_and_the_same_again(frames: int) -> None:
    assert len(said.audio_of(1, frames)) == frames * 160
    assert said.audio_of(1, frames) == said.audio_of(1, frames)
    assert frames == 1 or said.audio_of(1, frames) != said.audio_of(2, frames)
