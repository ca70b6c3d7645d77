"""The choice of Whisper behind the single shot: an HTTP endpoint, or the engine of the `embedded` extra."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from voicestt.audio import mulaw
from voicestt.config.settings import Settings
from voicestt.recognisers.port import RecognisedWord, RecogniserError, Result
from voicestt.recognisers.punctuation import Clean, unchanged, without_punctuation
from voicestt.recognisers.whisper import engine as whisper
from voicestt.recognisers.whisper.engine import whisper_language
from voicestt.recognisers.whisper.engine.port import Engine, Request
from voicestt.recognisers.whisper.http import WhisperEndpoint, WhisperHttp
from voicestt.recognisers.whisper.pool import Understand, Whisper
from voicestt.runtime.reactor import FullReactor

OFF = "off"  # WHISPER_MODEL without a Whisper behind Google
_log = Logger()


class LastResort(Protocol):
    """A Recognise that can be stopped."""

    def __call__(self, audio: bytes) -> "Deferred[Result | None]":
        """Recognise one utterance, mu-law (`voicestt.recognisers.single_shot.Recognise`)."""
        ...

    def stop(self) -> Coroutine[Any, Any, None]:
        """Stop; returns when its threads or connections have ended."""
        ...


def last_resort(reactor: FullReactor, settings: Settings, load: Callable[[], Engine] | None = None) -> LastResort:
    """Make the Whisper of `settings`, not loaded yet. `load` gives an engine that is there already."""
    # Whisper always punctuates: where finals are wanted without punctuation, it is removed.
    clean = unchanged if settings.punctuation_final else without_punctuation
    language = whisper_language(settings.language)
    if settings.whisper_url is not None:
        where = WhisperEndpoint(
            settings.whisper_url, language, settings.whisper_url_model, settings.whisper_api_key
        )
        return WhisperHttp(reactor, where, clean)
    directory = Path(settings.whisper_model) if settings.whisper_model else None
    find = load or (lambda: whisper.load(directory, _warn))
    if settings.whisper_model == OFF:
        find = _switched_off
    return Whisper(reactor, lambda: understanding(find, settings.language, clean))


def understanding(find: Callable[[], Engine], language: str, clean: Clean = unchanged) -> Understand:
    """Make a blocking recogniser of utterances in mu-law over an engine, whose models it loads.

    Raises:
        RecogniserError: FAILED_PRECONDITION, when it cannot be loaded: the message says what to install.
    """
    with _in_words():
        engine = find()
    request = Request(language, interim_results=False, word_times=True)

    def understand(audio: bytes) -> Result | None:
        with _in_words():
            heard = engine.recognise(request, mulaw.decode(audio))
        text = clean(" ".join(final.text for final in heard))
        if not text:
            return None
        spoken = (
            RecognisedWord(clean(word.text), word.start, word.end) for final in heard for word in final.words
        )
        words = tuple(word for word in spoken if word.text)
        start = words[0].start if words else None
        return Result(text, True, confidence=min(final.confidence for final in heard), start=start, words=words)

    return understand


def _switched_off() -> Engine:
    raise whisper.WeightsError("WHISPER_MODEL=off")


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except whisper.WeightsError as problem:
        raise RecogniserError("FAILED_PRECONDITION", f"Whisper cannot be asked: {problem}") from None


def _warn(words: str) -> None:
    _log.warn("⚠️ {words}", words=words)
