"""Recognition without streaming: each utterance, found by voice activity, is recognised by one request."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.audio import mulaw
from voicestt.audio.endpointing import (
    Endpointer,
    Rules,
    Segment,
    webrtc_voicing,
)
from voicestt.recognisers.pending import PendingUtterance, placed
from voicestt.recognisers.port import RecogniserError, Result, ResultListener
from voicestt.recognisers.tuning import RecogniseWith, TunedRequests, Tuning

Recognise = Callable[[bytes], "Deferred[Result | None]"]
Later = Callable[[Callable[[], None]], object]

# A noisy line has no pause: its finals come every six seconds, if there is a gap between words to cut in. Where
# there is none, the cut comes late, at the quietest place of four seconds: it would be within a word otherwise.
_RULES = Rules(cut_within_ms=4_000, early_ms=6_000)
_LAST_WORD = mulaw.BYTES_PER_SECOND  # it may have been cut
_MOST_LENIENT = 0  # of webrtcvad's modes: a silent request costs a cent, a lost word costs a customer


class SingleShotListener(ResultListener, Protocol):
    """Listener of a single shot's finals, and of utterances that could not be recognised."""

    def lost(self, end: int, error: RecogniserError, seconds: float) -> None:
        """Take the loss of the utterance of `seconds` that ends at position `end`."""
        ...

    def refused(self, error: RecogniserError) -> None:
        """Take note that the call's options were refused, and taken back."""
        ...


class SingleShot:
    """A Recogniser that gives finals only. `recognise` takes one utterance; `later` acts after this turn.

    `recognise_with` takes one with a call's own options. `wordless` counts the utterances in which no words were
    found.
    """

    def __init__(self, recognise: Recognise, later: Later, recognise_with: RecogniseWith | None = None) -> None:
        self._recognise = recognise
        self._recognise_with = recognise_with
        self._later = later
        self.wordless = 0

    def open(self, listener: SingleShotListener, tuning: Tuning | None = None) -> "SingleShotSession":
        """Open a session that waits for speech; its requests have the options of `tuning`, if that is given."""
        recognise = self._recognise
        if tuning is not None and self._recognise_with is not None:
            recognise = TunedRequests(self._recognise_with, tuning, listener.refused)
        return SingleShotSession(listener, recognise, self._later, self._found_no_words)

    def resume(
        self, listener: SingleShotListener, audio: bytes, tuning: Tuning | None = None
    ) -> "SingleShotSession":
        """Open a session in the middle of an utterance, of which `audio` is the part so far."""
        session = self.open(listener, tuning)
        session.begin()
        session.write(audio)
        return session

    def _found_no_words(self) -> None:
        self.wordless += 1


class SingleShotSession:
    """A session that cuts audio into utterances and gives their finals in order, however the answers come in."""

    _log = Logger()

    def __init__(
        self,
        listener: SingleShotListener,
        recognise: Recognise,
        later: Later,
        found_no_words: Callable[[], object] = lambda: None,
    ) -> None:
        self._listener: SingleShotListener | None = listener
        self._recognise = recognise
        self._later = later
        self._found_no_words = found_no_words
        self._endpointer = Endpointer(webrtc_voicing(_MOST_LENIENT), _RULES)
        self._audio = b""
        self._audio_start = 0
        self._owed_since: int | None = None
        self._answers: deque[PendingUtterance] = deque()
        self._early: PendingUtterance | None = None
        self._finished = False
        self._requested = 0
        self._let_go_to = 0

    @property
    def requested(self) -> int:
        """Bytes of all utterances that were asked for, each counted once, whatever the answer."""
        return self._requested

    @property
    def backlog(self) -> int:
        """Bytes that wait for an answer or for the end of an utterance."""
        return self._endpointer.position - self.settled

    @property
    def settled(self) -> int:
        """The position before which all audio was answered or silent."""
        needed = self._needed_from
        return min(self._answers[0].segment.start, needed) if self._answers else needed

    @property
    def is_quiet(self) -> bool:
        """True if nobody is speaking, as far as is known, and every utterance has been answered."""
        return not self._answers and self._owed_since is None and self._endpointer.speaking_since is None

    @property
    def silent_for(self) -> float:
        """Seconds since the last voice; 0 while somebody speaks."""
        if self._endpointer.speaking_since is not None:
            return 0.0
        return mulaw.seconds(self._endpointer.position - self._endpointer.last_voiced)

    def begin(self) -> None:
        """Begin in the middle of speech: the audio from here to the next pause is recognised in any case."""
        self._owed_since = self._endpointer.position
        self._endpointer.begin()

    def write(self, audio: bytes) -> None:
        """Take more audio, mu-law."""
        self._audio += audio
        for segment in self._endpointer.write(mulaw.decode(audio)):
            self._ask(segment)
        if self._owed_since is not None and self._endpointer.speaking_since is None:
            self._ask_what_is_owed()
        self._forget()

    def pause(self) -> None:
        """Ask for the utterance so far, because no audio comes for now; it goes on behind its last word.

        It may have been cut within a word, by a network that stood still: should it end before it is answered, it
        is asked for as a whole.
        """
        start = self._endpointer.speaking_since if self._owed_since is None else self._owed_since
        if start is None or self._early is not None:
            return
        segment = Segment(max(start, self._let_go_to), self._endpointer.position, cut=True)
        if segment.end > segment.start:
            self._early = self._request(segment)

    def finish(self) -> None:
        """Take no more audio: the utterance under way is recognised too; the end comes after the last answer."""
        self._finished = True
        self._ask_for_the_last()
        self._drop_early()
        self._later(self._deliver)

    def leave(self) -> int:
        """Take no more audio; return the position where another session takes over, which is not within a word.

        Requests under way are still answered, then the end comes.
        """
        self._finished = True
        self._drop_early()
        self._later(self._deliver)
        return self._needed_from

    def let_go(self, end: int) -> int:
        """Forget the audio before `end`, and tell nothing of it.

        Returns where what is lost ends: an utterance is lost as a whole.
        """
        while self._answers and self._answers[0].segment.start < end:
            answer = self._answers.popleft()
            end = max(end, answer.segment.end)
            answer.drop()
        self._let_go_to = max(self._let_go_to, end)
        if self._early is not None and self._early.segment.start < end:
            self._drop_early()
        return end

    def abort(self) -> None:
        """Stop at once: answers still to come are thrown away."""
        self._listener = None
        self._drop_early()
        answers, self._answers = list(self._answers), deque()
        for answer in answers:
            answer.drop()

    def _ask_for_the_last(self) -> None:
        segment = self._endpointer.finish()
        if segment is not None:
            self._ask(segment)
        elif self._owed_since is not None:
            self._ask_what_is_owed()

    def _ask_what_is_owed(self) -> None:
        if self._owed_since is not None:
            self._ask(Segment(self._owed_since, self._endpointer.position, cut=False))

    def _ask(self, segment: Segment) -> None:
        self._owed_since = None
        self._drop_early()
        segment = replace(segment, start=max(segment.start, self._let_go_to))
        if segment.end > segment.start:
            self._answers.append(self._request(segment))

    def _request(self, segment: Segment) -> PendingUtterance:
        utterance = self._audio[segment.start - self._audio_start : segment.end - self._audio_start]
        answer = PendingUtterance(segment)
        self._requested += len(utterance)
        answer.request = self._recognise(utterance)
        answer.request.addCallbacks(self._answered, self._failed, callbackArgs=(answer,), errbackArgs=(answer,))
        return answer

    def _drop_early(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            early.drop()

    def _tell_early(self, early: PendingUtterance) -> None:
        """Tell the final of an utterance asked for in a pause; audio after its last word is asked for again."""
        self._early = None
        if early.error is not None:
            return
        heard = early.result if early.result is not None and early.result.text else None
        if heard is None:
            end = max(early.segment.start, early.segment.end - _LAST_WORD)
        else:
            end = heard.words[-1].end if heard.words else early.segment.end
        self._owed_since = None
        self._endpointer.cover(end)
        self._forget()
        if heard is not None and self._listener is not None:
            self._listener.heard(replace(heard, end=end))

    def _answered(self, result: Result | None, answer: PendingUtterance) -> None:
        answer.result = result and placed(result, answer.segment)
        answer.known = True
        self._later(self._deliver)

    def _failed(self, failure: Failure, answer: PendingUtterance) -> None:
        problem = failure.value
        if isinstance(problem, CancelledError):
            return  # dropped: nobody waits for it
        if not isinstance(problem, RecogniserError):
            self._log.failure("An utterance could not be recognised.", failure)
            problem = RecogniserError("INTERNAL", type(problem).__name__)
        answer.error = problem
        answer.known = True
        self._later(self._deliver)

    def _deliver(self) -> None:
        while self._answers and self._answers[0].known:
            self._tell(self._answers.popleft())
        if self._early is not None and self._early.known and not self._answers:
            self._tell_early(self._early)
        if self._finished and not self._answers and self._listener is not None:
            listener, self._listener = self._listener, None
            listener.ended(None)

    def _tell(self, answer: PendingUtterance) -> None:
        if self._listener is None:
            return
        if answer.error is not None:
            segment = answer.segment
            self._listener.lost(segment.end, answer.error, mulaw.seconds(segment.end - segment.start))
        elif answer.result is not None:
            self._listener.heard(answer.result)
        else:
            self._found_no_words()

    @property
    def _needed_from(self) -> int:
        return self._endpointer.needed_from if self._owed_since is None else self._owed_since

    def _forget(self) -> None:
        needed = self._needed_from
        if needed > self._audio_start:
            self._audio = self._audio[needed - self._audio_start :]
            self._audio_start = needed
