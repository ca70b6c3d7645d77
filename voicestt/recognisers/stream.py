"""One stream of an endless session: the part of the call it owns, and the sending of its audio.

Google wants audio "approximately at real time" and publishes no figure. So replays begin fast, because the next
words of a live call wait for them, and slow down for good when Google objects.
"""

from collections import deque
from typing import Final, Protocol

from twisted.logger import Logger

from voicestt.audio import mulaw
from voicestt.audio.source import AudioSource
from voicestt.recognisers.finals import LATENCY_SECONDS, StreamFinals, ToldFinals
from voicestt.recognisers.port import (
    Recogniser,
    RecogniserError,
    Result,
    Session,
)
from voicestt.runtime.clock import Clock, Timer

REPLAY_STEP_SECONDS: Final = 0.1
FAST: Final = 10  # times real time; a step has 16,000 bytes as LINEAR16: Google takes 25,600 in a message
SLOW: Final = 3


class ReplayPace:
    """The process's replay speed: 10 times real time, and 3 times once a stream was refused for its pace."""

    _log = Logger()

    def __init__(self) -> None:
        self._speed = FAST

    def step(self, *, hurries: bool) -> int:
        """Return the bytes of mu-law in one step of REPLAY_STEP_SECONDS; slow unless the replay `hurries`."""
        return int(REPLAY_STEP_SECONDS * (self._speed if hurries else SLOW) * mulaw.BYTES_PER_SECOND)

    def failed(self, error: RecogniserError) -> None:
        """Slow down for good if `error`, which ended a stream, is or may be about its pace."""
        is_about_pace = error.status == "RESOURCE_EXHAUSTED" or "too fast" in error.details.lower()
        if self._speed == SLOW or not is_about_pace:
            return
        self._speed = SLOW
        self._log.warn(
            "Google refused a stream ({status}): after a failure, audio is sent again at {slow} times real time "
            "from here on, not at {fast}; new words then come up to 2 s later. Nothing needs to be done.",
            status=error.status,
            slow=SLOW,
            fast=FAST,
        )


class AttemptOwner(Protocol):
    """Owner of stream attempts, which is told their results and ends."""

    def attempt_heard(self, attempt: "StreamAttempt", result: Result) -> None:
        """Take a result; its positions are in the call's own time."""
        ...

    def attempt_ended(self, attempt: "StreamAttempt", error: RecogniserError | None) -> None:
        """Take the stream's end."""
        ...

    def attempt_caught_up(self, attempt: "StreamAttempt") -> None:
        """Note that the stream has caught up: all audio has been sent, and it is live from here on."""
        ...


class StreamAttempt:
    """A stream that begins at position `start` of the call, and is sent all audio from there on, in order.

    The audio before the present is replayed first, at the process's `pace`; live audio waits for its turn. `told`
    are the finals that the call's streams have told. A stream that does not hurry catches up slowly.
    """

    def __init__(
        self,
        number: int,
        clock: Clock,
        recogniser: Recogniser,
        ledger: AudioSource,
        owner: AttemptOwner,
        pace: ReplayPace,
        told: ToldFinals,
        *,
        hurries: bool = True,
    ) -> None:
        self.number, self.start = number, ledger.start
        self.opened_at = self.written_at = clock.seconds()
        self.answered_to = self._cursor = self._sent_before = self.start
        self.tuned = 0  # the number of changes of the call's options before it was opened
        self._clock, self._ledger = clock, ledger
        self._owner: AttemptOwner | None = owner
        self._pace, self._hurries = pace, hurries
        self._finals = StreamFinals(self.start, told)
        self._sent: deque[tuple[float, int]] = deque()
        self._timer = Timer(clock)
        self._finishing = self._is_dropped = False
        self._session: Session = recogniser.open(self)
        self._replay()

    @property
    def position(self) -> int:
        """The position up to which the call has been sent."""
        return self._cursor

    @property
    def is_behind(self) -> bool:
        """True while audio is being replayed."""
        return self._timer.is_set

    @property
    def age(self) -> float:
        """Seconds since the stream was opened, or the duration of its audio if that is more."""
        return max(self._clock.seconds() - self.opened_at, mulaw.seconds(self._cursor - self.start))

    def write(self, audio: bytes) -> None:
        """Send live audio, which the ledger has already; while the stream is behind, the replay gets to it."""
        if not self.is_behind:
            self._send(audio)

    def finish(self) -> None:
        """Take no more audio; what is still to be replayed goes first."""
        self._finishing = True
        if not self.is_behind:
            self._session.finish()

    @property
    def ends_by_itself(self) -> bool:
        """True if the recogniser may end the stream without an error: it was asked to, when nobody speaks."""
        return getattr(self._session, "ends_by_itself", False)

    @property
    def backlog(self) -> int:
        """Bytes that the stream has taken but not sent yet."""
        return self._session.backlog

    def hand_over(self, owner: AttemptOwner) -> None:
        """Tell `owner` and nobody else from here on; this stream's finals are no longer remembered as told."""
        self._owner = owner
        self._finals = StreamFinals(self.start, ToldFinals())

    def drop(self) -> None:
        """Cancel the stream, once, and tell nobody anything more."""
        self._owner = None
        self._timer.cancel()
        if not self._is_dropped:
            self._is_dropped = True
            self._session.abort()

    def heard(self, result: Result) -> None:
        """Convert a result to the call's time and pass it on, unless it is a repeated final or has no words."""
        self.answered_to = self._cursor
        if self._owner is None:
            return
        sent_before = self._sent_before_latency()
        placed: Result | None = None
        if result.is_final:
            placed = self._finals.final(result, self._cursor, sent_before)
        elif result.text:
            placed = self._finals.partial(result, self._cursor, sent_before)
        if placed is not None:
            self._owner.attempt_heard(self, placed)

    def ended(self, error: RecogniserError | None) -> None:
        """Take the recogniser's end; a normal end before `finish` is an error, because audio was not heard."""
        if error is None and (not self._finishing or self.is_behind):
            error = RecogniserError("OK", "the recogniser closed the stream before it was finished")
        if error is not None:
            self._pace.failed(error)
        self._timer.cancel()
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.attempt_ended(self, error)

    def _sent_before_latency(self) -> int:
        """Return the position sent by LATENCY_SECONDS ago: a final that comes now can be about no later audio."""
        latest = self._clock.seconds() - LATENCY_SECONDS
        while self._sent and self._sent[0][0] <= latest:
            self._sent_before = self._sent.popleft()[1]
        return self._sent_before

    def _send(self, audio: bytes) -> None:
        self._ledger.hand(self.number, self._cursor, self._cursor + len(audio))
        self._cursor += len(audio)
        self.written_at = self._clock.seconds()
        self._sent_before_latency()
        self._sent.append((self.written_at, self._cursor))
        self._session.write(audio)

    def _replay(self) -> None:
        # A stream's own time must not jump: one whose audio was given up before it was sent is replaced.
        if self._cursor >= self._ledger.start:
            audio = self._ledger.read(self._cursor, self._pace.step(hurries=self._hurries))
            if audio:
                self._send(audio)
        if self._cursor < self._ledger.received:
            self._timer.set(REPLAY_STEP_SECONDS, self._replay)
        else:
            self._caught_up()

    def _caught_up(self) -> None:
        if self._finishing:
            self._session.finish()
        elif self._owner is not None:
            self._owner.attempt_caught_up(self)


class DrainingStream:
    """A replaced stream: closed normally, and cancelled if that takes too long."""

    def __init__(self, clock: Clock, attempt: StreamAttempt, patience: float) -> None:
        self._timer = Timer(clock)
        self._attempt = attempt
        attempt.hand_over(self)
        self._timer.set(patience, attempt.drop)
        attempt.finish()

    def attempt_heard(self, attempt: StreamAttempt, result: Result) -> None:
        """Ignore it: the successor has been given the same audio and owns its words."""

    def attempt_caught_up(self, attempt: StreamAttempt) -> None:
        """Ignore it."""

    def attempt_ended(self, _attempt: StreamAttempt, _error: RecogniserError | None) -> None:
        """Stop the timer: the stream has ended in time."""
        self._timer.cancel()
