"""The callee's side before its first frame: what a handler says for it is kept until then."""

from collections.abc import Sequence
from typing import Any

import pytest

from voicestt.audio.ledger import AudioTotals
from voicestt.call.call_audio import AudioFrame, Frame
from voicestt.call.facts import CallDescription
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.server.callee import Callee

HEBREW, ENGLISH = RecognitionOptions(language="he-IL"), RecognitionOptions(language="en-US")
HINTED = RecognitionOptions(max_alternatives=3)
FRAME = AudioFrame(b"\xff")
CALL = CallDescription("CA1", "MZ1", options=HEBREW, callee_options=ENGLISH)


class Side:
    """The state machine, the parts and the audio of a side, which write down what they are told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.audio = self
        self.account = AudioTotals()

    def started(self, call: CallDescription) -> None:
        self.told.append(("started", call.options))

    def recognise(self, options: RecognitionOptions, *, at_once: bool) -> None:
        self.told.append(("recognise", options, at_once))

    def take(self, frames: Sequence[Frame]) -> None:
        self.told += [("audio", frame.payload) for frame in frames]

    def finish(self, reason: str) -> None:
        self.told.append(("finish", reason))


@pytest.fixture
def side() -> Side:
    return Side()


@pytest.fixture
def callee(side: Side) -> Callee:
    both: Any = (side, side)
    return Callee(lambda: both)


def test_it_begins_with_its_own_options(side: Side, callee: Callee) -> None:
    callee.media(CALL, FRAME)
    assert side.told == [("started", ENGLISH), ("audio", b"\xff")]


def test_a_change_before_the_first_frame_is_kept_for_it(side: Side, callee: Callee) -> None:
    callee.recognise(HEBREW, at_once=True)
    callee.recognise(HINTED, at_once=False)
    callee.media(CALL, FRAME)
    both = RecognitionOptions(language="he-IL", max_alternatives=3)
    assert side.told == [("started", ENGLISH), ("recognise", both, False), ("audio", b"\xff")]
    callee.recognise(ENGLISH, at_once=True)
    assert side.told[-1] == ("recognise", ENGLISH, True)


def test_one_that_says_nothing_restores_those_of_the_start(side: Side, callee: Callee) -> None:
    callee.recognise(HEBREW, at_once=False)
    callee.recognise(RecognitionOptions(), at_once=False)
    callee.media(CALL, FRAME)
    assert side.told == [("started", ENGLISH), ("audio", b"\xff")]


def test_a_callee_whose_call_is_over_does_not_begin(side: Side, callee: Callee) -> None:
    callee.finish("stop")
    callee.recognise(HEBREW, at_once=False)
    callee.media(CALL, FRAME)
    assert side.told == []
