"""One stream of an endless conversation: which part of the call it owns, and how its audio gets there."""

from collections import deque
from typing import Protocol

from voicestt.audio import mulaw
from voicestt.audio.ledger import AudioSource
from voicestt.recognisers.finals import LATENCY_SECONDS, StreamFinals, ToldFinals
from voicestt.recognisers.port import (
    Recogniser,
    RecogniserError,
    Result,
    Session,
)
from voicestt.recognisers.replay_pace import REPLAY_STEP_SECONDS, ReplayPace
from voicestt.runtime.clock import Clock, Timer


class FeedOwner(Protocol):
    """Who listens to feeds."""

    def feed_heard(self, feed: "StreamAttempt", result: Result) -> None:
        """A result, its positions in the call's own time."""
        ...

    def feed_ended(self, feed: "StreamAttempt", error: RecogniserError | None) -> None:
        """The stream is over."""
        ...

    def feed_caught_up(self, feed: "StreamAttempt") -> None:
        """All that there is has been sent; from here on the feed is live."""
        ...


class StreamAttempt:
    """A stream that begins at position `start` of the call, and is given everything from there on, in order.

    What was there before it is sent first, at the process's `pace`; live audio waits for its turn. `told` are the
    finals that the call's streams have told. One that does not hurry takes its time to catch up.
    """

    def __init__(
        self,
        number: int,
        clock: Clock,
        recogniser: Recogniser,
        ledger: AudioSource,
        owner: FeedOwner,
        pace: ReplayPace,
        told: ToldFinals,
        *,
        hurries: bool = True,
    ) -> None:
        self.number = number
        self.start = ledger.start
        self.opened_at = clock.seconds()
        self.answered_at = clock.seconds()
        self.written_at = clock.seconds()
        self._clock = clock
        self._ledger = ledger
        self._owner: FeedOwner | None = owner
        self.answered_to = self.start
        self._cursor = self.start
        self._pace = pace
        self._hurries = hurries
        self._finals = StreamFinals(self.start, told)
        self._sent: deque[tuple[float, int]] = deque()
        self._sent_before = self.start
        self._timer = Timer(clock)
        self._finishing = False
        self._is_dropped = False
        self._session: Session = recogniser.open(self)
        self._replay()

    @property
    def position(self) -> int:
        """The position up to which the stream has been given the call."""
        return self._cursor

    @property
    def is_behind(self) -> bool:
        """Whether audio is still being sent again."""
        return self._timer.is_set

    @property
    def age(self) -> float:
        """Seconds since it was opened, or of its audio if that is more."""
        return max(self._clock.seconds() - self.opened_at, mulaw.seconds(self._cursor - self.start))

    def write(self, audio: bytes) -> None:
        """Live audio, which the ledger has already."""
        if not self.is_behind:
            self._send(audio)

    def finish(self) -> None:
        """No more audio; what is still to be sent again goes first."""
        self._finishing = True
        if not self.is_behind:
            self._session.finish()

    @property
    def backlog(self) -> int:
        """Bytes that the stream has taken but not sent yet."""
        return self._session.backlog

    def hand_over(self, owner: FeedOwner) -> None:
        """From here on `owner` is told, and nobody else: what this stream says is not remembered as told."""
        self._owner = owner
        self._finals = StreamFinals(self.start, ToldFinals())

    def drop(self) -> None:
        """Nobody listens any more, and the stream is cancelled, once."""
        self._owner = None
        self._timer.cancel()
        if not self._is_dropped:
            self._is_dropped = True
            self._session.abort()

    def heard(self, result: Result) -> None:
        """From the stream: its own time becomes the call's. What was told before, or is no words, is left out."""
        self.answered_at = self._clock.seconds()
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
            self._owner.feed_heard(self, placed)

    def ended(self, error: RecogniserError | None) -> None:
        """From the stream; one that ends well before it was finished has not heard everything."""
        if error is None and (not self._finishing or self.is_behind):
            error = RecogniserError("OK", "the recogniser closed the stream before it was finished")
        if error is not None:
            self._pace.failed(error)
        self._timer.cancel()
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.feed_ended(self, error)

    def _sent_before_latency(self) -> int:
        """What had been sent so long ago that a final which comes now can be about it."""
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
            self._owner.feed_caught_up(self)


class DrainingStream:
    """A stream that is not in charge any more: closed as it should be, and cancelled if that takes too long."""

    def __init__(self, clock: Clock, feed: StreamAttempt, patience: float) -> None:
        self._timer = Timer(clock)
        self._feed = feed
        feed.hand_over(self)
        self._timer.set(patience, feed.drop)
        feed.finish()

    def feed_heard(self, feed: StreamAttempt, result: Result) -> None:
        """Its successor owns what this is about, and has been given the same audio."""

    def feed_caught_up(self, feed: StreamAttempt) -> None:
        """Of no interest."""

    def feed_ended(self, _feed: StreamAttempt, _error: RecogniserError | None) -> None:
        """As it should be."""
        self._timer.cancel()
