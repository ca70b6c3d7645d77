from collections.abc import Iterator

import pytest

from tests.recognisers.whisper.engine.voices import austen_clips
from voicestt.recognisers.whisper.engine import load
from voicestt.recognisers.whisper.engine.whisper_engine import WhisperEngine


@pytest.fixture(scope="session")
def austen() -> dict[str, bytes]:
    """LINEAR16 at 8 kHz by the words that are spoken."""
    return austen_clips()


@pytest.fixture(scope="session")
def engine() -> Iterator[WhisperEngine]:
    """One loaded engine for all tests."""
    loaded = load()
    loaded.preload(["en-US"])
    yield loaded
    loaded.close()
