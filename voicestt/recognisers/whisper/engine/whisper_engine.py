"""The embedded recogniser: Whisper tiny.en for English, base for all other languages, or a user's own model."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Final

from voicestt.audio.endpointing import (
    SAMPLES_PER_MS,
    Endpointer,
    Rules,
    Segment,
)
from voicestt.recognisers.whisper.engine import weights, whisper_language
from voicestt.recognisers.whisper.engine.decoder import DecodeJob, WhisperModel
from voicestt.recognisers.whisper.engine.port import EngineListener, EngineResult, Request, prompt_of
from voicestt.recognisers.whisper.engine.streaming import WhisperStream
from voicestt.recognisers.whisper.engine.voicing import voicing, words_in
from voicestt.recognisers.whisper.engine.workers import Workers

WORKERS: Final = 2
_RECORDING: Final = Rules(longest_ms=28_000)
Warn = Callable[[str], None]

WEAK_HEBREW: Final = (
    "Hebrew on the embedded engine is weak: Whisper base gets about half of the words wrong (49 % on a tiny "
    "sample). It shows that everything works together; it is not a product. Use Google, or a large Hebrew "
    "model in a directory of your own."
)


def _silently(_: str) -> None: ...


class EngineClosed(Exception):
    """The engine was closed while the stream was open, or before it was opened."""


class Model:
    """One Whisper model, loaded on first use. Thread-safe; after a failure the next use tries again."""

    def __init__(self, load: Callable[[], WhisperModel]) -> None:
        self._load = load
        self._lock = Lock()
        self._decoder: WhisperModel | None = None

    def decoder(self) -> WhisperModel:
        """Return the model; the first call loads it, which takes a second or two. Raises WeightsError."""
        with self._lock:
            if self._decoder is None:
                self._decoder = self._load()
            return self._decoder


class WhisperEngine:
    """An `Engine` (see `voicestt.recognisers.whisper.engine.port`) with two worker threads for all its streams.

    `model_for` gives the model for a language in Whisper's code; `weak` maps languages to a warning, which
    `warn` gets once for each.
    """

    name = "whisper"

    def __init__(
        self,
        model_for: Callable[[str], Model],
        weak: Mapping[str, str] = MappingProxyType({}),
        warn: Warn = _silently,
    ) -> None:
        self._model_for = model_for
        self._weak = dict(weak)
        self._warn = warn
        self._workers = Workers(WORKERS)
        self._lock = Lock()
        self._streams: set[WhisperStream] = set()
        self._closed = False

    def preload(self, languages: Iterable[str]) -> None:
        """Load the models of these BCP-47 languages now, not at the first word. Blocks; raises WeightsError."""
        for code in languages:
            language = self._understood(code)
            self._model_for(language).decoder().check_language(language)

    def open(self, request: Request, listener: EngineListener) -> WhisperStream:
        """Open a stream. Raises EngineClosed after `close`; other errors come by `listener.ended`."""
        language = self._understood(request.language)
        stream = WhisperStream(
            request,
            language,
            listener,
            Endpointer(voicing()),
            self._model_for(language).decoder,
            self._workers,
            self._forget,
        )
        with self._lock:
            if self._closed:
                raise EngineClosed("The Whisper engine was closed: it opens no more streams.")
            self._streams.add(stream)
        return stream

    def recognise(self, request: Request, pcm: bytes) -> list[EngineResult]:
        """Recognise a recording in the full window of 30 s: slower than a stream, with fewer errors."""
        language = self._understood(request.language)
        decoder = self._model_for(language).decoder()
        finals = []
        for part in spoken_parts(pcm):
            audio = pcm[2 * part.start : 2 * part.end]
            spoken = DecodeJob(audio, part.voiced_until - part.start, language, prompt_of(request.hints))
            text = decoder.full(spoken)
            if text.text:
                speech = pcm[2 * part.start : 2 * part.voiced_until]
                words = words_in(text.text, speech, part.start) if request.word_times else ()
                finals.append(EngineResult(text.text, True, part.end, confidence=text.confidence, words=words))
        return finals

    def close(self) -> None:
        """End the threads; open streams end with EngineClosed. Not to be called from a listener."""
        with self._lock:
            self._closed = True
            streams = list(self._streams)
        self._workers.close()
        for stream in streams:
            stream.fail(EngineClosed("The Whisper engine was closed while the stream was open."))

    def _understood(self, code: str) -> str:
        language = whisper_language(code)
        warning = self._weak.pop(language, None)
        if warning is not None:
            self._warn(warning)
        return language

    def _forget(self, stream: WhisperStream) -> None:
        with self._lock:
            self._streams.discard(stream)


def spoken_parts(pcm: bytes) -> list[Segment]:
    """Split a recording into as few parts of at most 28 s as hold all its speech."""
    endpointer = Endpointer(voicing(), _RECORDING)
    segments = endpointer.write(pcm)
    last = endpointer.finish()
    parts: list[Segment] = []
    for segment in segments if last is None else [*segments, last]:
        if parts and segment.end - parts[-1].start <= _RECORDING.longest_ms * SAMPLES_PER_MS:
            parts[-1] = replace(segment, start=parts[-1].start)
        else:
            parts.append(segment)
    return parts


def packaged(warn: Warn) -> WhisperEngine:
    """Make an engine with tiny.en for English and base for the rest; WeightsError without their packages."""
    tiny_en, base = _packaged(weights.TINY_EN), _packaged(weights.BASE)
    return WhisperEngine(lambda language: tiny_en if language == "en" else base, {"he": WEAK_HEBREW}, warn)


def own(directory: Path) -> WhisperEngine:
    """Make an engine with the user's own model for all languages; WeightsError when `directory` holds none."""
    weights.require_directory(directory)
    model = Model(lambda: WhisperModel(weights.read_directory(directory)))
    return WhisperEngine(lambda _: model)


def _packaged(model: weights.PackagedModel) -> Model:
    weights.require(model)
    return Model(lambda: WhisperModel(weights.read(model)))
