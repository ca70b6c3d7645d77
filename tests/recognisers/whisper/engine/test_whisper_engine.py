"""The engine as a whole, with real voices through the phone band."""

import re
from threading import Event, Thread

import pytest

from tests.recognisers.whisper.engine.voices import word_errors
from voicestt.recognisers.whisper.engine import load, whisper_language
from voicestt.recognisers.whisper.engine.port import EngineResult, Request
from voicestt.recognisers.whisper.engine.whisper_engine import (
    EngineClosed,
    Model,
    WhisperEngine,
    spoken_parts,
)

ENGLISH = Request("en-US")
PAUSE = bytes(16_000)


class Listener:
    def __init__(self) -> None:
        self.heard_: list[EngineResult] = []
        self.ends: list[Exception | None] = []
        self.over = Event()

    def heard(self, heard: EngineResult) -> None:
        self.heard_.append(heard)

    def ended(self, error: Exception | None) -> None:
        self.ends.append(error)
        self.over.set()

    @property
    def words(self) -> str:
        return " ".join(heard.text for heard in self.heard_ if heard.is_final)


def stream(engine: WhisperEngine, pcm: bytes, chunk: int = 2_400, asked: Request = ENGLISH) -> Listener:
    listener = Listener()
    session = engine.open(asked, listener)
    for at in range(0, len(pcm), chunk):
        session.write(pcm[at : at + chunk])
    session.finish()
    assert listener.over.wait(60)
    assert listener.ends == [None]
    return listener


def test_streamed_austen_is_understood(engine: WhisperEngine, austen: dict[str, bytes]) -> None:
    errors = sum(word_errors(said, stream(engine, pcm).words) for said, pcm in austen.items())
    assert errors / sum(len(said.split()) for said in austen) < 0.2


def test_recorded_austen_is_understood(engine: WhisperEngine, austen: dict[str, bytes]) -> None:
    said = " ".join(austen)
    whole = PAUSE.join(austen.values())
    finals = engine.recognise(ENGLISH, whole)
    assert word_errors(said, " ".join(heard.text for heard in finals)) / len(said.split()) < 0.2
    assert all(heard.is_final and 0.0 < heard.confidence <= 1.0 for heard in finals)
    assert finals[-1].end <= len(whole) // 2


def test_partials_come_before_their_final_and_cover_more_and_more(
    engine: WhisperEngine, austen: dict[str, bytes]
) -> None:
    listener, pcm = Listener(), max(austen.values(), key=len)
    session = engine.open(ENGLISH, listener)
    for at in range(0, len(pcm), 8_000):
        session.write(pcm[at : at + 8_000])
        Event().wait(0.15)
    session.finish()
    assert listener.over.wait(60)
    *partials, final = listener.heard_
    assert final.is_final
    assert len(partials) >= 3
    assert not any(partial.is_final for partial in partials)
    ends = [heard.end for heard in listener.heard_]
    assert ends == sorted(ends)
    assert all(0.1 <= partial.stability <= 0.9 for partial in partials)


def test_two_streams_at_once_are_not_mixed(engine: WhisperEngine, austen: dict[str, bytes]) -> None:
    (one, one_pcm), (two, two_pcm) = list(austen.items())[1:3]
    heard: dict[str, Listener] = {}
    voices = {one: one_pcm, two: two_pcm}
    threads = [Thread(target=lambda s=s, p=p: heard.update({s: stream(engine, p)})) for s, p in voices.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for said in voices:
        assert word_errors(said, heard[said].words) <= len(said.split()) // 3


def test_the_last_words_are_not_lost_at_finish(engine: WhisperEngine, austen: dict[str, bytes]) -> None:
    said, pcm = list(austen.items())[4]
    assert re.findall(r"\w+", stream(engine, pcm.rstrip(b"\0")).words)[-1] == said.split()[-1]


def test_utterances_become_finals_of_their_own(engine: WhisperEngine, austen: dict[str, bytes]) -> None:
    one, two = list(austen.values())[3:5]
    finals = [heard for heard in stream(engine, one + PAUSE + two).heard_ if heard.is_final]
    assert len(finals) == 2
    assert len(one) // 2 - 8_000 < finals[0].end < len(one) // 2 + 8_000
    assert finals[1].end == len(one + PAUSE + two) // 2


def test_finals_have_their_words_where_somebody_asked_for_them(
    engine: WhisperEngine, austen: dict[str, bytes]
) -> None:
    one, two = list(austen.values())[3:5]
    pcm = one + PAUSE + two
    seam = len(one + PAUSE) // 2
    asked = Request("en-US", word_times=True)
    streamed = [heard for heard in stream(engine, pcm, asked=asked).heard_ if heard.is_final]
    recorded = engine.recognise(asked, pcm)
    for finals in (streamed, recorded):
        words = [word for heard in finals for word in heard.words]
        assert [word.text for word in words] == " ".join(heard.text for heard in finals).split()
        places = [place for word in words for place in (word.start, word.end)]
        assert places == sorted(places)
        assert places[0] >= 0
        assert places[-1] <= len(pcm) // 2
    assert streamed[1].words[0].start > seam - 4_000
    assert not any(heard.words for heard in engine.recognise(ENGLISH, pcm))


def test_silence_yields_nothing(engine: WhisperEngine) -> None:
    assert stream(engine, PAUSE * 5).heard_ == []
    assert engine.recognise(ENGLISH, PAUSE * 5) == []


def test_a_recording_is_recognised_in_as_few_parts_as_the_window_allows(austen: dict[str, bytes]) -> None:
    parts = spoken_parts(PAUSE.join([*austen.values(), *austen.values()]))
    assert len(parts) == 3
    assert all(part.end - part.start <= 28 * 8_000 for part in parts)


def test_hebrew_works_and_is_said_to_be_weak_once(austen: dict[str, bytes]) -> None:
    warnings: list[str] = []
    engine = load(warn=warnings.append)
    for _ in range(2):
        listener = Listener()
        session = engine.open(Request("iw-IL"), listener)
        session.write(austen["he was not an ill disposed young man"])
        session.finish()
        assert listener.over.wait(60)
        assert listener.ends == [None]
    engine.close()
    assert len(warnings) == 1
    assert "weak" in warnings[0]
    assert re.search("[א-ת]", listener.words)


def test_closing_ends_the_streams_that_are_open() -> None:
    def never() -> None:
        raise AssertionError("no audio came: nothing is loaded")

    engine = WhisperEngine(lambda _: Model(never))  # type: ignore[arg-type]
    engine.open(ENGLISH, listener := Listener())
    engine.close()
    assert [type(error) for error in listener.ends] == [EngineClosed]
    with pytest.raises(EngineClosed, match="opens no more"):
        engine.open(ENGLISH, listener)


def test_a_model_that_does_not_load_ends_the_stream_with_the_reason(austen: dict[str, bytes]) -> None:
    def broken() -> None:
        raise OSError("disk on fire")

    engine = WhisperEngine(lambda _: Model(broken))  # type: ignore[arg-type]
    session = engine.open(ENGLISH, listener := Listener())
    session.write(next(iter(austen.values())))
    assert listener.over.wait(10)
    session.finish()
    engine.close()
    assert [str(error) for error in listener.ends] == ["disk on fire"]


@pytest.mark.parametrize(
    ("asked", "whisper"),
    [("en-US", "en"), ("iw-IL", "he"), ("he-IL", "he"), ("HE", "he"), ("cmn-Hans-CN", "zh"), ("pt_BR", "pt")],
)
def test_googles_codes_become_whispers(asked: str, whisper: str) -> None:
    assert whisper_language(asked) == whisper
