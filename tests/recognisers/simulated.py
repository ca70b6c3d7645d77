"""A caller whose every byte tells its place in the call, and a recogniser that hears words in nothing else.

A word is heard by a stream exactly when the stream was given all of its bytes, and by nobody otherwise: so what a
test finds in the finals says what became of the audio. Words are loud, the gaps between them quiet; three words
follow each other closely, then there is a pause.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from twisted.internet.task import Clock

from voicestt.audio import mulaw
from voicestt.audio.ledger import Ledger
from voicestt.recognisers import port
from voicestt.recognisers.port import (
    Incident,
    RecogniserError,
    Result,
    ResultListener,
)

SECOND = 8_000
_WORD, _GAP, _PAUSE, _LEAD = 2_400, 1_600, 6_400, 1_600
_LONGEST_CALL = 560 * SECOND
_QUIET = bytes([*range(0x70, 0x80), *range(0xF0, 0x100)])
_LOUD = bytes([*range(0x20), *range(0x80, 0xA0)])


@dataclass(frozen=True)
class Word:
    """Bytes [start, end) of the call."""

    number: int
    start: int
    end: int


def _words() -> Iterator[Word]:
    number, start = 1, _LEAD
    while start + _WORD < _LONGEST_CALL:
        yield Word(number, start, start + _WORD)
        start += _WORD + (_GAP if number % 3 else _PAUSE)
        number += 1


WORDS = tuple(_words())


def _speech() -> bytes:
    chance = random.Random(8)
    audio = bytearray(chance.choices(_QUIET, k=_LONGEST_CALL))
    for word in WORDS:
        audio[word.start : word.end] = bytes(chance.choices(_LOUD, k=_WORD))
    return bytes(audio)


SPEECH = _speech()


def energy_voicing(_mode: int) -> Callable[[bytes], bool]:
    """In place of webrtcvad: a frame is voiced when it has something of a word in it."""
    return lambda frame: bool(np.abs(np.frombuffer(frame, "<i2").astype(np.int32)).max() > 1_000)


def place_of(audio: bytes) -> int:
    """The place in the call of a piece of audio that is longer than a few bytes."""
    place = SPEECH.find(audio)
    assert place >= 0, "this is no piece of the call: something is missing in it, doubled, or out of order"
    return place


def words_in(audio: bytes) -> list[Word]:
    """The words that are wholly in a piece of the call."""
    start = place_of(audio)
    return [word for word in WORDS if start <= word.start and word.end <= start + len(audio)]


def text_of(words: list[Word]) -> str:
    return " ".join(str(word.number) for word in words)


def said(words: list[Word], start: int) -> Result:
    """Their final, as a recogniser gives it whose audio began at `start`."""
    spoken = tuple(port.RecognisedWord(str(word.number), word.start - start, word.end - start) for word in words)
    return Result(text_of(words), True, words[-1].end - start, start=spoken[0].start, words=spoken)


def misplaced(finals: list[Result]) -> list[Result]:
    """Those whose positions are not where their words are in the call."""
    return [final for final in finals if not _is_in_place(final)]


def _is_in_place(final: Result) -> bool:
    words = [WORDS[int(word.text) - 1] for word in final.words]
    places = [(word.start, word.end) for word in final.words]
    is_right = places == [(word.start, word.end) for word in words] and final.start == words[0].start
    return is_right and final.text == text_of(words) and final.end >= words[-1].end


def numbers_in(texts: list[str]) -> list[int]:
    return [int(number) for text in texts for number in text.split()]


NO_ROUTE = RecogniserError("UNAVAILABLE", "no route")


@dataclass(frozen=True)
class Manner:
    """A stream's behaviour: its answers' latency and the pause that ends an utterance for it; the error that
    ends it once it has `fails_after` bytes (None: never; 0: before anything), or on half-close; whether it is deaf
    and answers nothing at all, or hangs once it is half-closed, or then ends well without the final that is due;
    or whether it lives and finds no words.
    """

    latency: float = 0.3
    fails_after: int | None = None
    error: RecogniserError | None = NO_ROUTE
    fails_at_finish: bool = False
    is_deaf: bool = False
    hangs_at_finish: bool = False
    forgets_final: bool = False
    finds_no_words: bool = False
    pause: int = 2_000


class Stream:
    """A Session that hears the words of SPEECH. It answers in its own time, which is `world`'s."""

    def __init__(self, listener: ResultListener, world: Clock, manner: Manner) -> None:
        self._listener = listener
        self._world = world
        self._manner = manner
        self._place = -1
        self._final_to = 0
        self._told = ""
        self.audio = bytearray()
        self.messages: list[tuple[float, int]] = []
        self.backlog = 0
        self.is_finished = self.is_aborted = self.has_ended = False
        if manner.fails_after == 0:
            world.callLater(manner.latency, self.breaks, manner.error)

    @property
    def is_over(self) -> bool:
        """True if nothing of it is left open."""
        return self.is_finished or self.is_aborted or self.has_ended

    @property
    def start(self) -> int:
        """The place of its audio in the call."""
        return place_of(bytes(self.audio[:64]))

    def write(self, audio: bytes) -> None:
        assert audio, "an empty message"
        assert len(audio) <= 12_800, "a message too long for Google"
        assert not self.is_finished, "audio after finish"
        assert not self.is_aborted, "audio after abort"
        assert not self.has_ended, "audio after the end"
        self.audio += audio
        self.messages.append((self._world.seconds(), len(audio)))
        fails_after = self._manner.fails_after
        if fails_after and len(self.audio) >= fails_after:
            self._world.callLater(self._manner.latency, self.breaks, self._manner.error)
        self._world.callLater(self._manner.latency, self._answer, len(self.audio))

    def finish(self) -> None:
        assert not self.is_finished, "finish twice"
        assert not self.is_aborted, "finish after abort"
        assert not self.has_ended, "finish after the end"
        self.is_finished = True
        if not self._manner.hangs_at_finish:
            self._world.callLater(self._manner.latency, self._answer_all)

    def abort(self) -> None:
        self.is_aborted = True

    def end(self, error: RecogniserError | None) -> None:
        if not self.has_ended:
            self.has_ended = True
            if not self.is_aborted:
                self._listener.ended(error)

    def breaks(self, error: RecogniserError | None) -> None:
        """Ends by itself; None is a clean end before it was asked for, and after that there are only errors."""
        self.end(error or (RecogniserError("UNAVAILABLE", "half-closed") if self.is_finished else None))

    def _answer(self, given: int) -> None:
        while not self._manner.is_deaf and not self.is_aborted and not self.has_ended:
            words = self._pending(given)
            if not words:
                return
            utterance = self._utterance(words, given)
            if utterance is None:
                text = text_of(words)
                if text != self._told:
                    self._told = text
                    self._listener.heard(Result(text, is_final=False, end=words[-1].end - self.start))
                return
            self._final(utterance)

    def _answer_all(self) -> None:
        if self._manner.fails_at_finish:
            self.breaks(self._manner.error)
        if self._manner.is_deaf or self.is_aborted or self.has_ended:
            return
        self._answer(len(self.audio))
        words = self._pending(len(self.audio))
        if words and not self._manner.forgets_final:
            self._final(words)
        self.end(None)

    def _pending(self, given: int) -> list[Word]:
        if given < 64 or self._manner.finds_no_words:
            return []
        if not self.audio.strip(mulaw.SILENCE):
            return []  # a probe's
        heard = words_in(bytes(self.audio[:given]))
        return [word for word in heard if word.start - self.start >= self._final_to]

    def _utterance(self, words: list[Word], given: int) -> list[Word] | None:
        for index, word in enumerate(words):
            next_start = words[index + 1].start if index + 1 < len(words) else self.start + given
            if next_start - word.end >= self._manner.pause:
                return words[: index + 1]
        return None

    def _final(self, words: list[Word]) -> None:
        self._told = ""
        self._final_to = words[-1].end - self.start
        self._listener.heard(said(words, self.start))


class World:
    """A Recogniser whose streams behave as they are told, each stream as `manners` says when it is opened."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.streams: list[Stream] = []
        self.manner = Manner()
        self.next_manners: list[Manner] = []
        self.most_at_once = 0

    def open(self, listener: ResultListener) -> Stream:
        manner = self.next_manners.pop(0) if self.next_manners else self.manner
        stream = Stream(listener, self.clock, manner)
        self.streams.append(stream)
        self.most_at_once = max(self.most_at_once, len(self.live))
        return stream

    @property
    def live(self) -> list[Stream]:
        """Those neither finished, nor dropped, nor ended."""
        return [stream for stream in self.streams if not stream.is_over]


@dataclass
class Application:
    """A CallListener that covers the ledger by the finals, as the owner of an endless session has to."""

    ledger: Ledger
    results: list[Result] = field(default_factory=list)
    partials: list[str] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    ends: list[RecogniserError | None] = field(default_factory=list)

    def heard(self, result: Result) -> None:
        assert not self.ends, "words after the end"
        if result.is_final:
            self.ledger.cover(result.end)
            self.results.append(result)
        else:
            self.partials.append(result.text)

    def happened(self, incident: Incident) -> None:
        assert not self.ends, "an incident after the end"
        self.incidents.append(incident)

    def ended(self, error: RecogniserError | None) -> None:
        assert not self.ends, "two ends"
        self.ends.append(error)

    @property
    def finals(self) -> list[str]:
        return [result.text for result in self.results]

    @property
    def kinds(self) -> list[str]:
        return [incident.kind for incident in self.incidents]
