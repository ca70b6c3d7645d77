"""The choice of Whisper behind the single shot: an HTTP endpoint, or the engine of the `embedded` extra."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from voicestt.audio import mulaw
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.config.settings import Settings
from voicestt.recognisers.port import RecognisedWord, RecogniserError, Result
from voicestt.recognisers.punctuation import Clean, unchanged, without_punctuation
from voicestt.recognisers.whisper import engine as whisper
from voicestt.recognisers.whisper.engine import whisper_language
from voicestt.recognisers.whisper.engine.port import Engine, Request, prompt_of
from voicestt.recognisers.whisper.http import WhisperEndpoint, WhisperHttp
from voicestt.recognisers.whisper.pool import Understand, Whisper
from voicestt.runtime.reactor import FullReactor

OFF = "off"  # WHISPER_MODEL without a Whisper behind Google
_log = Logger()


class LastResort(Protocol):
    """A Recognise that can be stopped."""

    def __call__(self, audio: bytes, options: RecognitionOptions | None = None) -> "Deferred[Result | None]":
        """Recognise one utterance, mu-law (`voicestt.recognisers.single_shot.Recognise`), by a call's options."""
        ...

    def stop(self) -> Coroutine[Any, Any, None]:
        """Stop; returns when its threads or connections have ended."""
        ...


def last_resort(reactor: FullReactor, settings: Settings, load: Callable[[], Engine] | None = None) -> LastResort:
    """Make the Whisper of `settings`, not loaded yet. `load` gives an engine that is there already."""
    # Whisper always punctuates: where finals are wanted without punctuation, it is removed.
    clean = unchanged if settings.punctuation_final else without_punctuation
    language = whisper_language(settings.language)
    hints = settings.hints.words if settings.hints else ()
    if settings.whisper_url is not None:
        model, key = settings.whisper_url_model, settings.whisper_api_key
        where = WhisperEndpoint(settings.whisper_url, language, model, key, prompt_of(hints))
        return WhisperHttp(reactor, where, clean)
    directory = Path(settings.whisper_model) if settings.whisper_model else None
    find = load or (lambda: whisper.load(directory, _warn))
    if settings.whisper_model == OFF:
        find = _switched_off
    return Whisper(reactor, lambda: understanding(find, settings.language, clean, hints))


def understanding(
    find: Callable[[], Engine], language: str, clean: Clean = unchanged, hints: tuple[str, ...] = ()
) -> Understand:
    """Make a blocking recogniser of utterances in mu-law over an engine, whose models it loads.

    Raises:
        RecogniserError: FAILED_PRECONDITION, when it cannot be loaded: the message says what to install.
    """
    with _in_words():
        engine = find()
    return _EngineUnderstanding(
        engine, Request(language, interim_results=False, word_times=True, hints=hints), clean
    )


class _EngineUnderstanding:
    """A blocking recogniser of utterances in mu-law over an engine."""

    def __init__(self, engine: Engine, request: Request, clean: Clean) -> None:
        self._engine = engine
        self._request = request
        self._clean = clean

    def __call__(self, audio: bytes) -> Result | None:
        """Recognise one utterance in mu-law."""
        return self._understand(self._request, audio)

    def understand_with(self, audio: bytes, options: RecognitionOptions) -> Result | None:
        """Recognise one utterance with a call's own language and hints."""
        request = self._request
        if options.language is not None:
            request = replace(request, language=options.language)
        if options.hints is not None:
            request = replace(request, hints=options.hints.words)
        return self._understand(request, audio)

    def _understand(self, request: Request, audio: bytes) -> Result | None:
        with _in_words():
            heard = self._engine.recognise(request, mulaw.decode(audio))
        text = self._clean(" ".join(final.text for final in heard))
        if not text:
            return None
        spoken = (
            RecognisedWord(self._clean(word.text), word.start, word.end) for final in heard for word in final.words
        )
        words = tuple(word for word in spoken if word.text)
        start = words[0].start if words else None
        return Result(text, True, confidence=min(final.confidence for final in heard), start=start, words=words)


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
