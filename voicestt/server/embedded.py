"""STT_ENGINE=embedded: the Google-compatible service inside this process, reached as Google is."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from voicestt.config.numbers_file import BadNumbers, load_numbers
from voicestt.config.settings import Settings
from voicestt.emulators.google.service import LocalGoogle
from voicestt.recognisers.whisper.engine.port import Engine


class EmbeddedGoogle:
    """The local service over Whisper, loaded for `language`; `model` is a directory of the user's own.

    `others` gives further languages to load, such as those of NUMBERS_FILE; it may block.
    """

    _log = Logger()

    def __init__(self, language: str, model: str | None, others: Callable[[], Iterable[str]] = tuple) -> None:
        self._language = language
        self._model = model
        self._others = others
        self._engine: Future[Engine] = Future()
        self._stops: list[Callable[[], object]] = []

    def start(self) -> "Deferred[str]":
        """Load the recogniser and listen; fires with HOST:PORT. Fails with words that say what to install."""
        starting: Deferred[Any] = deferToThread(self._load)
        return starting

    def engine(self) -> Engine:
        """Return the recogniser, which is loaded once `start` has fired; blocks until then."""
        return self._engine.result()

    def stop(self) -> None:
        """Stop the service and its threads."""
        while self._stops:
            self._stops.pop()()

    def _load(self) -> str:
        from voicestt.recognisers.whisper import engine as whisper  # noqa: PLC0415 - only where the extra is installed

        engine = whisper.load(Path(self._model) if self._model else None, self._warn)
        self._stops.append(engine.close)
        engine.preload(list(dict.fromkeys([self._language, *self._others()])))
        service = LocalGoogle(engine)
        self._stops.append(service.stop)
        service.start()
        self._engine.set_result(engine)
        self._log.info("The embedded recogniser is ready ({name}).", name=engine.name)
        return service.target

    def _warn(self, words: str) -> None:
        self._log.warn("⚠️ {words}", words=words)


def embedded_of(settings: Settings) -> EmbeddedGoogle | None:
    """Make the service that `settings` ask for; None where the recogniser is Google."""
    is_asked_for = settings.engine == "embedded"
    if not is_asked_for:
        return None
    return EmbeddedGoogle(settings.language, settings.whisper_model, lambda: languages_of_numbers(settings))


def languages_of_numbers(settings: Settings) -> Iterator[str]:
    """Yield the languages that NUMBERS_FILE names; blocks. What is wrong with it is said where it is used."""
    if settings.numbers_file is None:
        return
    with suppress(BadNumbers):
        file = load_numbers(settings.numbers_file)
        for _, options in file.wanted():
            if options.language is not None:
                yield options.language
