"""Streams against a decoder that is not Whisper: what is decoded when, in which order, and how it ends."""

from collections.abc import Iterator
from threading import Event

import pytest

from voicestt.audio.endpointing import Endpointer
from voicestt.recognisers.whisper.engine.decoder import DecodeJob, Text
from voicestt.recognisers.whisper.engine.first_words import BeginningText, WordReading
from voicestt.recognisers.whisper.engine.port import EngineResult, Request
from voicestt.recognisers.whisper.engine.streaming import WhisperStream
from voicestt.recognisers.whisper.engine.workers import Workers

FRAME = b"\x01\x00" * 160
SILENCE = b"\x00\x00" * 160


class Listener:
    def __init__(self) -> None:
        self.heard_: list[EngineResult] = []
        self.ends: list[Exception | None] = []
        self.over, self.something = Event(), Event()

    def heard(self, heard: EngineResult) -> None:
        self.heard_.append(heard)
        self.something.set()

    def ended(self, error: Exception | None) -> None:
        self.ends.append(error)
        self.over.set()

    @property
    def finals(self) -> list[EngineResult]:
        return [heard for heard in self.heard_ if heard.is_final]


class CountingDecoder:
    """Says how much audio it was given, when it may."""

    def __init__(self) -> None:
        self.may_go, self.asked = Event(), Event()
        self.may_go.set()
        self.mute = False
        self.error: Exception | None = None
        self.quick_calls = 0
        self.likely = 1.0

    def beginning(self, spoken: DecodeJob) -> BeginningText:
        words = self.quick(spoken).text.split()
        return BeginningText(tuple(WordReading(word, self.likely) for word in words), 0.0)

    def quick(self, spoken: DecodeJob) -> Text:
        self.quick_calls += 1
        return self._say("partial", spoken)

    def careful(self, spoken: DecodeJob) -> Text:
        return self._say("final", spoken)

    def _say(self, kind: str, spoken: DecodeJob) -> Text:
        self.asked.set()
        assert self.may_go.wait(10)
        if self.error is not None:
            raise self.error
        return Text("", 0.0) if self.mute else Text(f"{kind} of {spoken.language} {len(spoken.pcm) // 320}", 0.5)


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(2)
    yield workers
    workers.close()


@pytest.fixture
def decoder() -> CountingDecoder:
    return CountingDecoder()


@pytest.fixture
def listener() -> Listener:
    return Listener()


def opened(
    workers: Workers, decoder: CountingDecoder, listener: Listener, request: Request | None = None
) -> WhisperStream:
    endpointer = Endpointer(lambda frame: frame[0] == 1)
    return WhisperStream(
        request or Request("en-US"),
        "en",
        listener,
        endpointer,
        lambda: decoder,
        workers,
        lambda _: None,
    )


def test_partials_come_while_speech_goes_on_and_a_final_at_the_pause(
    workers: Workers, decoder: CountingDecoder, listener: Listener
) -> None:
    stream = opened(workers, decoder, listener)
    for _ in range(5):
        listener.something.clear()
        stream.write(FRAME * 10)
        assert listener.something.wait(10)
    stream.write(SILENCE * 30)
    stream.finish()
    assert listener.over.wait(10)
    assert [heard.text for heard in listener.heard_[:2]] == ["partial of en 10", "partial of en 20"]
    assert listener.heard_[-1] == EngineResult("final of en 80", is_final=True, end=80 * 160, confidence=0.5)
    assert len(listener.finals) == 1
    assert listener.ends == [None]


def test_newer_audio_replaces_older_audio_that_waits(
    workers: Workers, decoder: CountingDecoder, listener: Listener
) -> None:
    stream = opened(workers, decoder, listener)
    decoder.may_go.clear()
    stream.write(FRAME * 10)
    assert decoder.asked.wait(10)
    for _ in range(20):
        stream.write(FRAME * 10)
    decoder.may_go.set()
    stream.finish()
    assert listener.over.wait(10)
    assert decoder.quick_calls <= 2
    assert listener.finals[0].text == "final of en 210"


def test_a_partial_that_another_one_confirms_is_more_stable(
    workers: Workers, decoder: CountingDecoder, listener: Listener
) -> None:
    stream = opened(workers, decoder, listener)
    for _ in range(2):
        listener.something.clear()
        stream.write(FRAME * 10)
        assert listener.something.wait(10)
    stream.abort()
    assert [heard.stability for heard in listener.heard_] == [0.1, 0.7]


def test_what_has_no_word_yet_is_read_again_sooner(
    workers: Workers, decoder: CountingDecoder, listener: Listener
) -> None:
    decoder.mute = True
    stream = opened(workers, decoder, listener)
    stream.write(FRAME * 5)
    for _ in range(2):
        decoder.asked.clear()
        stream.write(FRAME * 3)
        assert decoder.asked.wait(10)
    stream.abort()
    assert listener.heard_ == []


def test_an_unlikely_first_partial_is_held_back_until_there_is_enough_to_judge(
    workers: Workers, decoder: CountingDecoder, listener: Listener
) -> None:
    decoder.likely = 0.1
    stream = opened(workers, decoder, listener)
    for _ in range(6):
        decoder.asked.clear()
        stream.write(FRAME * 10)
        assert decoder.asked.wait(10)
    assert listener.heard_ == []
    stream.write(FRAME * 20)
    assert listener.something.wait(10)
    stream.abort()
    assert not listener.heard_[0].is_final


def test_every_utterance_begins_to_be_judged_anew(
    workers: Workers, decoder: CountingDecoder, listener: Listener
) -> None:
    stream = opened(workers, decoder, listener)
    stream.write(FRAME * 10)
    assert listener.something.wait(10)
    decoder.likely = 0.1
    stream.write(FRAME * 10 + SILENCE * 40)
    stream.write(FRAME * 10)
    stream.finish()
    assert listener.over.wait(10)
    partials_behind = [heard for heard in listener.heard_ if heard.end > 60 * 160 and not heard.is_final]
    assert (partials_behind, len(listener.finals)) == ([], 2)


def test_no_interim_results_when_none_are_asked_for(
    workers: Workers, decoder: CountingDecoder, listener: Listener
) -> None:
    stream = opened(workers, decoder, listener, Request("en-US", interim_results=False))
    stream.write(FRAME * 200)
    stream.finish()
    assert listener.over.wait(10)
    assert [heard.is_final for heard in listener.heard_] == [True]


def test_a_single_utterance_has_one_final_whatever_follows(
    workers: Workers, decoder: CountingDecoder, listener: Listener
) -> None:
    stream = opened(workers, decoder, listener, Request("en-US", single_utterance=True))
    stream.write(FRAME * 20 + SILENCE * 40 + FRAME * 50)
    stream.write(FRAME * 50 + SILENCE * 40)
    stream.finish()
    assert listener.over.wait(10)
    assert [heard.text for heard in listener.finals] == ["final of en 50"]


def test_a_long_monologue_is_covered_without_a_gap(
    workers: Workers, decoder: CountingDecoder, listener: Listener
) -> None:
    stream = opened(workers, decoder, listener)
    for _ in range(150):
        stream.write(FRAME * 10)
    stream.finish()
    assert listener.over.wait(10)
    assert [heard.text.split()[-1] for heard in listener.finals] == ["700", "700", "100"]


def test_silence_ends_without_a_word(workers: Workers, decoder: CountingDecoder, listener: Listener) -> None:
    stream = opened(workers, decoder, listener)
    stream.write(SILENCE * 1_000)
    stream.finish()
    assert listener.over.wait(10)
    assert (listener.heard_, listener.ends) == ([], [None])


def test_an_error_ends_the_stream_once(workers: Workers, decoder: CountingDecoder, listener: Listener) -> None:
    decoder.error = RuntimeError("broken")
    stream = opened(workers, decoder, listener)
    stream.write(FRAME * 20)
    assert listener.over.wait(10)
    stream.write(FRAME * 20)
    stream.finish()
    workers.close()
    assert (listener.heard_, listener.ends) == ([], [decoder.error])


def test_an_error_in_one_stream_does_not_hurt_another(
    workers: Workers, decoder: CountingDecoder, listener: Listener
) -> None:
    decoder.error = RuntimeError("broken")
    opened(workers, decoder, broken := Listener()).write(FRAME * 20)
    assert broken.over.wait(10)
    healthy = opened(workers, CountingDecoder(), listener)
    healthy.write(FRAME * 20)
    healthy.finish()
    assert listener.over.wait(10)
    assert listener.ends == [None]


def test_after_abort_the_listener_is_left_alone(
    workers: Workers, decoder: CountingDecoder, listener: Listener
) -> None:
    stream = opened(workers, decoder, listener)
    decoder.may_go.clear()
    stream.write(FRAME * 20)
    assert decoder.asked.wait(10)
    stream.abort()
    decoder.may_go.set()
    stream.write(FRAME * 20)
    stream.finish()
    workers.close()
    assert (listener.heard_, listener.ends) == ([], [])
