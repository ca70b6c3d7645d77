from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.conftest import Logged
from voicestt.audio.mulaw import SILENCE
from voicestt.config.settings import Settings
from voicestt.recognisers.port import RecogniserError, Result
from voicestt.recognisers.punctuation import without_punctuation
from voicestt.recognisers.whisper.engine import WeightsError
from voicestt.recognisers.whisper.engine.port import EngineResult, Request
from voicestt.recognisers.whisper.http import WhisperEndpoint, WhisperHttp
from voicestt.recognisers.whisper.pool import Whisper
from voicestt.server import whisper
from voicestt.server.whisper import last_resort, understanding

NO_REACTOR: Any = Clock()
"""Enough of a reactor for what is only made."""


class Finals:
    """An engine that hears these."""

    name = "finals"

    def __init__(self, *finals: EngineResult) -> None:
        self._finals = list(finals)
        self.asked: list[tuple[Request, bytes]] = []

    def recognise(self, request: Request, pcm: bytes) -> list[EngineResult]:
        self.asked.append((request, pcm))
        return self._finals


def final(text: str, confidence: float) -> EngineResult:
    return EngineResult(text, is_final=True, end=1, confidence=confidence)


def engine(*finals: EngineResult) -> Any:
    return Finals(*finals)


def settings(**more: str) -> Settings:
    return Settings.from_environment({"PUBLIC_HOST": "h", "TWILIO_AUTH_TOKEN": "t", **more})


def test_all_that_an_engine_hears_is_one_final() -> None:
    heard = engine(final("Good morning.", 0.9), final("Is it you?", 0.6))
    understand = understanding(lambda: heard, "iw-IL")
    assert understand(SILENCE * 2) == Result("Good morning. Is it you?", is_final=True, confidence=0.6)
    assert heard.asked == [(Request("iw-IL", interim_results=False, word_times=True), b"\0\0\0\0")]


def test_nothing_heard_is_no_result() -> None:
    assert understanding(engine, "en-US")(SILENCE) is None


def test_punctuation_is_taken_off_where_it_is_not_wanted() -> None:
    heard = engine(final("Yes, please.", 1.0))
    result = understanding(lambda: heard, "en-US", without_punctuation)(SILENCE)
    assert result is not None
    assert result.text == "Yes please"


def missing() -> Any:
    raise WeightsError("it is not there: pip install it")


def test_weights_that_are_missing_are_an_error_of_the_port() -> None:
    with pytest.raises(RecogniserError) as caught:
        understanding(missing, "en-US")
    assert (caught.value.status, caught.value.details) == (
        "FAILED_PRECONDITION",
        "Whisper cannot be asked: it is not there: pip install it",
    )


def test_the_settings_say_which_whisper_it_is() -> None:
    assert isinstance(last_resort(NO_REACTOR, settings()), Whisper)
    there = last_resort(
        NO_REACTOR,
        settings(
            WHISPER_URL="https://w.example.com/v1", WHISPER_API_KEY="k", WHISPER_URL_MODEL="big/one", PORT="1"
        ),
    )
    assert isinstance(there, WhisperHttp)
    assert there.endpoint == WhisperEndpoint("https://w.example.com/v1", "he", "big/one", "k")


def test_switched_off_it_cannot_be_asked_and_says_why() -> None:
    off = last_resort(NO_REACTOR, settings(WHISPER_MODEL="off"))
    assert isinstance(off, Whisper)
    with pytest.raises(RecogniserError, match="WHISPER_MODEL=off"):
        off._load()


def test_a_weak_language_is_said_in_the_log(logged: Logged) -> None:
    whisper._warn("Hebrew is weak")
    assert logged.matching("Hebrew is weak")
