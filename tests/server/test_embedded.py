from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import Logged
from tests.recognisers.google.test_client import (
    FIRST,
    HEBREW,
    SCRIPT,
    audio_of,
)
from tests.recognisers.on_reactor import (
    Sessions,
    WaitingEar,
    on_reactor,
    soon,
)
from voicestt.config.settings import read_settings
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.recognisers import whisper
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.client import GoogleRecogniser
from voicestt.server.embedded import EmbeddedGoogle, embedded_of, languages_of_numbers

Make = Callable[[str, str | None], EmbeddedGoogle]


class StandIn(ScriptEngine):
    """In place of Whisper: an engine that must be loaded for a language and is closed."""

    def __init__(self) -> None:
        super().__init__(SCRIPT)
        self.languages: list[str] = []
        self.is_closed = False

    def preload(self, languages: list[str]) -> None:
        self.languages += languages

    def close(self) -> None:
        self.is_closed = True


class Loader:
    """In place of the extra's loader."""

    def __init__(self) -> None:
        self.engine = StandIn()
        self.asked: list[Path | None] = []
        self.error: Exception | None = None

    def load(self, model: Path | None, warn: Callable[[str], None]) -> StandIn:
        self.asked.append(model)
        if self.error is not None:
            raise self.error
        warn("Hebrew is weak here")
        return self.engine


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    loader = Loader()
    monkeypatch.setattr(whisper, "engine", SimpleNamespace(load=loader.load), raising=False)
    return loader


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes embedded services, which are stopped after the test in any case."""
    made: list[EmbeddedGoogle] = []

    def make_one(language: str, model: str | None) -> EmbeddedGoogle:
        made.append(EmbeddedGoogle(language, model))
        return made[-1]

    yield make_one
    for one in made:
        one.stop()


@on_reactor
async def test_it_is_loaded_and_listens_and_hears(
    loader: Loader, make: Make, sessions: Sessions, logged: Logged
) -> None:
    embedded = make("he-IL", None)
    target = await soon(embedded.start())
    assert embedded.engine() is loader.engine
    assert loader.asked == [None]
    assert loader.engine.languages == ["he-IL"]
    assert logged.matching("⚠️ Hebrew is weak here") != []
    ear = WaitingEar()
    stream = GoogleRecogniser(sessions.threads, GoogleTarget(target, insecure=True), HEBREW).open(ear)
    stream.write(audio_of(5, seconds=1.5))
    stream.finish()
    assert await ear.end() is None
    assert ear.finals == [FIRST.format(5)]
    embedded.stop()
    assert loader.engine.is_closed


@on_reactor
async def test_the_languages_of_the_numbers_are_loaded_at_the_start(loader: Loader, tmp_path: Path) -> None:
    file = tmp_path / "numbers.toml"
    variables = {"PUBLIC_HOST": "h", "STT_ENGINE": "embedded", "NUMBERS_FILE": str(file)}
    text = '[profile.english]\nlanguage = "en-US"\n["+12"]\nlanguage = "ar-IL"\n["*"]\nbusy = "we are busy"\n'
    file.write_text(text, "utf-8")
    settings = read_settings({**variables, "GCP_STT_LANGUAGE": "he-IL"}).settings
    embedded = embedded_of(settings)
    assert embedded is not None
    await soon(embedded.start())
    embedded.stop()
    assert loader.engine.languages == ["he-IL", "ar-IL", "en-US"]
    file.write_text("no TOML", "utf-8")
    assert list(languages_of_numbers(settings)) == []


@on_reactor
async def test_a_model_of_one_s_own_is_a_directory(loader: Loader, make: Make, tmp_path: Path) -> None:
    await soon(make("en-US", str(tmp_path)).start())
    assert loader.asked == [tmp_path]


@on_reactor
async def test_a_model_that_cannot_be_loaded_fails_in_its_words_and_can_be_stopped(
    loader: Loader, make: Make
) -> None:
    loader.error = RuntimeError("install the extra")
    embedded = make("en-US", None)
    with pytest.raises(RuntimeError, match="install the extra"):
        await soon(embedded.start())
    embedded.stop()


def test_a_service_that_never_started_can_be_stopped() -> None:
    EmbeddedGoogle("en-US", None).stop()
