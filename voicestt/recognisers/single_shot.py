"""The old way, and the safety net: each utterance, found by voice activity, is recognised in one request."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt import mulaw
from voicestt.endpointing import Endpointer, Segment, webrtc_voicing
from voicestt.recogniser import Listener, RecogniserError, Result

Recognise = Callable[[bytes], "Deferred[Result | None]"]
Later = Callable[[Callable[[], None]], object]

_MOST_LENIENT = 0  # of webrtcvad's modes: a silent request costs a cent, a lost word costs a customer


class SingleShot:
    """A Recogniser that has finals only. `recognise` takes one utterance; `later` acts after this turn."""

    def __init__(self, recognise: Recognise, later: Later) -> None:
        self._recognise = recognise
        self._later = later

    def open(self, listener: Listener) -> "SingleShotSession":
        """A session that waits for speech."""
        return SingleShotSession(listener, self._recognise, self._later)

    def resume(self, listener: Listener, audio: bytes) -> "SingleShotSession":
        """A session that takes over in the middle of things: `audio` is an utterance under way."""
        session = SingleShotSession(listener, self._recognise, self._later)
        session.begin()
        session.write(audio)
        return session


class SingleShotSession:
    """Cuts the audio into utterances and gives their finals in order, however the answers come in."""

    _log = Logger()

    def __init__(self, listener: Listener, recognise: Recognise, later: Later) -> None:
        self._listener: Listener | None = listener
        self._recognise = recognise
        self._later = later
        self._endpointer = Endpointer(webrtc_voicing(_MOST_LENIENT))
        self._audio = b""
        self._audio_start = 0
        self._owed_since: int | None = None
        self._answers: deque[_Answer] = deque()
        self._finished = False

    def begin(self) -> None:
        """Speech is already going on: the audio from here to the next pause is recognised in any case."""
        self._owed_since = self._endpointer.position
        self._endpointer.begin()

    def write(self, audio: bytes) -> None:
        """More audio, mu-law."""
        self._audio += audio
        for segment in self._endpointer.write(mulaw.decode(audio)):
            self._ask(segment)
        if self._owed_since is not None and self._endpointer.speaking_since is None:
            self._ask_what_is_owed()
        self._forget()

    def finish(self) -> None:
        """The utterance that is going on is recognised too; the end comes after the last answer."""
        self._finished = True
        segment = self._endpointer.finish()
        if segment is not None:
            self._ask(segment)
        elif self._owed_since is not None:
            self._ask_what_is_owed()
        self._later(self._deliver)

    def abort(self) -> None:
        """Answers still to come are thrown away."""
        self._listener = None

    def _ask_what_is_owed(self) -> None:
        if self._owed_since is not None:
            self._ask(Segment(self._owed_since, self._endpointer.position, cut=False))

    def _ask(self, segment: Segment) -> None:
        self._owed_since = None
        utterance = self._audio[segment.start - self._audio_start : segment.end - self._audio_start]
        if not utterance:
            return
        answer = _Answer(segment)
        self._answers.append(answer)
        self._recognise(utterance).addCallbacks(
            self._answered, self._failed, callbackArgs=(answer,), errbackArgs=(answer,)
        )

    def _answered(self, result: Result | None, answer: "_Answer") -> None:
        answer.result = result and replace(result, end=answer.segment.end)
        answer.known = True
        self._later(self._deliver)

    def _failed(self, failure: Failure, answer: "_Answer") -> None:
        # Whisper takes this place in the order once it stands behind the single shot.
        problem = failure.value
        if not isinstance(problem, RecogniserError):
            self._log.failure("An utterance could not be recognised.", failure)
        self._log.error(
            "An utterance of {seconds:.1f} s was not recognised: {problem}. The call goes on. "
            "What to do: see 'When it breaks' in the README.",
            seconds=mulaw.seconds(answer.segment.end - answer.segment.start),
            problem=problem if isinstance(problem, RecogniserError) else type(problem).__name__,
        )
        answer.known = True
        self._later(self._deliver)

    def _deliver(self) -> None:
        while self._answers and self._answers[0].known:
            result = self._answers.popleft().result
            if result is not None and self._listener is not None:
                self._listener.heard(result)
        if self._finished and not self._answers and self._listener is not None:
            listener, self._listener = self._listener, None
            listener.ended(None)

    def _forget(self) -> None:
        needed = self._endpointer.needed_from if self._owed_since is None else self._owed_since
        if needed > self._audio_start:
            self._audio = self._audio[needed - self._audio_start :]
            self._audio_start = needed


class _Answer:
    """An utterance's place in the order."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.known = False
        self.result: Result | None = None
