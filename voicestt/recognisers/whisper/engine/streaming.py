"""One stream of audio through Whisper: finds the utterances and schedules their decoding.

Whisper reads whole utterances, so a partial is the utterance so far, read anew. Only one reading of a stream is
under way or wanted at a time: newer audio replaces older audio that still waits. So the pace of the partials
adapts to the load, and finals do not wait behind them.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, RLock
from typing import Final, Protocol

from voicestt.audio.endpointing import Endpointer, Segment
from voicestt.recognisers.whisper.engine.decoder import DecodeJob, Text
from voicestt.recognisers.whisper.engine.first_words import BeginningText, FirstWords
from voicestt.recognisers.whisper.engine.mel import SAMPLES_PER_SECOND
from voicestt.recognisers.whisper.engine.port import EngineListener, EngineResult, Request, prompt_of
from voicestt.recognisers.whisper.engine.voicing import words_in
from voicestt.recognisers.whisper.engine.workers import Workers

PARTIAL_EVERY: Final = 1_120
"""Samples of new audio between partials: 140 ms, so that batches of 150 ms bring a partial each."""

FIRST_PARTIAL_EVERY: Final = 480
"""The same for an utterance without a word yet: 60 ms. Whisper rarely makes out a word before that."""

_FIRST_PARTIAL_WITHIN: Final = 4_000
"""An utterance without a word in its first 500 ms is noise or music, and not worth the haste."""

Ended = Callable[["WhisperStream"], None]


class Reader(Protocol):
    """The methods of a decoder that a stream needs."""

    def beginning(self, spoken: DecodeJob) -> BeginningText:
        """Decode the first words of an utterance, with how likely they are."""
        ...

    def quick(self, spoken: DecodeJob) -> Text:
        """Decode an utterance that still goes on."""
        ...

    def careful(self, spoken: DecodeJob) -> Text:
        """Decode an utterance that is over."""
        ...


@dataclass(frozen=True, slots=True)
class UtteranceAudio:
    """Audio to decode: LINEAR16 `pcm` up to sample `end`, with speech in its first `speech_end` samples."""

    pcm: bytes
    end: int
    speech_end: int
    is_final: bool

    @property
    def start(self) -> int:
        """The sample where `pcm` begins."""
        return self.end - len(self.pcm) // 2


class WhisperStream:
    """An `EngineStream`: it finds utterances in the caller's thread and the engine's workers decode them.

    `decoder` loads the model on its first call, in a worker. `ended` is told when nothing more will come.
    """

    def __init__(
        self,
        request: Request,
        language: str,
        listener: EngineListener,
        endpointer: Endpointer,
        decoder: Callable[[], Reader],
        workers: Workers,
        ended: Ended,
    ) -> None:
        self._request, self._language = request, language
        self._prompt = prompt_of(request.hints)
        self._listener, self._ended = listener, ended
        self._endpointer, self._decoder, self._workers = endpointer, decoder, workers
        # the caller's thread only
        self._audio = bytearray()
        self._audio_from = self._asked_at = self._voiced_when_asked = 0
        self._deaf = False
        # shared with the workers
        self._todo = Lock()
        self._finals: deque[UtteranceAudio] = deque()
        self._partial: UtteranceAudio | None = None
        self._finishing = False
        # held while the listener is called, so that abort() can promise silence
        self._telling = RLock()
        self._over = False
        self._last_words: list[str] = []
        self._first_words = FirstWords()

    def write(self, pcm: bytes) -> None:
        """Take more audio; that after the final of a single utterance is ignored."""
        if self._deaf or self._over:
            return
        self._audio += pcm
        for segment in self._endpointer.write(pcm):
            self._want_final(segment)
            if self._request.single_utterance:
                self._deaf = True
                return
        self._want_partial_if_due()
        self._forget(self._endpointer.needed_from)

    def finish(self) -> None:
        """End the audio: the pending words come as a final, then the end."""
        segment = None if self._deaf else self._endpointer.finish()
        self._deaf = True
        if segment is not None:
            self._want_final(segment)
        with self._todo:
            self._finishing = True
        self._workers.offer(self)

    def abort(self) -> None:
        """Drop the stream; waits for a listener's call that is under way in another thread."""
        with self._telling:
            self._over = True
        self._ended(self)

    def fail(self, error: Exception) -> None:
        """End the stream with `error`, unless it ended already."""
        self._end(error)

    def is_urgent(self) -> bool:
        """Return True if it goes before others: finals, the end and an utterance's first partial do."""
        return bool(self._finals) or self._finishing or not self._last_words

    def work(self) -> None:
        """Decode the next final, else the newest partial, and end a finished stream."""
        try:
            utterance = self._take()
            if utterance is not None and not self._over:
                self._decode(utterance)
            self._go_on()
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the listener is told
            self._end(error)

    def _want_final(self, segment: Segment) -> None:
        utterance = self._utterance(segment.start, segment.end, segment.voiced_until, is_final=True)
        with self._todo:
            self._partial = None
            self._finals.append(utterance)
        self._workers.offer(self)

    def _want_partial_if_due(self) -> None:
        start, position = self._endpointer.speaking_since, self._endpointer.position
        voiced = self._endpointer.last_voiced
        if not self._request.interim_results or start is None or voiced <= self._voiced_when_asked:
            return
        if position - max(self._asked_at, self._endpointer.detected_at) < self._pace(position):
            return
        self._asked_at, self._voiced_when_asked = position, voiced
        utterance = self._utterance(start, position, voiced, is_final=False)
        with self._todo:
            self._partial = utterance
        self._workers.offer(self)

    def _pace(self, position: int) -> int:
        hasty = not self._last_words and position - self._endpointer.detected_at < _FIRST_PARTIAL_WITHIN
        return FIRST_PARTIAL_EVERY if hasty else PARTIAL_EVERY

    def _utterance(self, start: int, end: int, speech_end: int, *, is_final: bool) -> UtteranceAudio:
        first, last = 2 * (start - self._audio_from), 2 * (end - self._audio_from)
        return UtteranceAudio(bytes(self._audio[first:last]), end, speech_end - start, is_final)

    def _forget(self, before: int) -> None:
        del self._audio[: 2 * (before - self._audio_from)]
        self._audio_from = before

    def _take(self) -> UtteranceAudio | None:
        with self._todo:
            if self._finals:
                return self._finals.popleft()
            utterance, self._partial = self._partial, None
            return utterance

    def _go_on(self) -> None:
        with self._todo:
            more = bool(self._finals or self._partial)
            finished = self._finishing and not more
        if finished:
            self._end(None)
        elif more:
            self._workers.offer(self)

    def _decode(self, utterance: UtteranceAudio) -> None:
        decoder = self._decoder()
        spoken = DecodeJob(utterance.pcm, utterance.speech_end, self._language, self._prompt)
        if not utterance.is_final:
            self._decode_partial(utterance, spoken, decoder)
            return
        if (text := decoder.careful(spoken)).text:
            self._tell(self._final(utterance, text))
        self._last_words = []
        self._first_words = FirstWords()

    def _decode_partial(self, utterance: UtteranceAudio, spoken: DecodeJob, decoder: Reader) -> None:
        if self._last_words:
            text = decoder.quick(spoken).text
        else:
            text = self._first_words.shown(decoder.beginning(spoken), spoken.speech_end / SAMPLES_PER_SECOND)
        if text:
            words = text.split()
            stability = _stability(self._last_words, words)
            self._last_words = words
            self._tell(EngineResult(text, is_final=False, end=utterance.end, stability=stability))

    def _final(self, utterance: UtteranceAudio, text: Text) -> EngineResult:
        speech = utterance.pcm[: 2 * utterance.speech_end]
        words = words_in(text.text, speech, utterance.start) if self._request.word_times else ()
        return EngineResult(text.text, True, utterance.end, confidence=text.confidence, words=words)

    def _tell(self, heard: EngineResult) -> None:
        with self._telling:
            if not self._over:
                self._listener.heard(heard)

    def _end(self, error: Exception | None) -> None:
        with self._telling:
            if self._over:
                return
            self._over = True
            self._listener.ended(error)
        self._ended(self)


def _stability(before: list[str], now: list[str]) -> float:
    """Rate the words that a partial shares with the one before: 0.1 (none) to 0.9 (all), as Google's range."""
    agreed = 0
    for old, new in zip(before, now, strict=False):
        if old != new:
            break
        agreed += 1
    return round(0.1 + 0.8 * agreed / max(1, len(now)), 2)
