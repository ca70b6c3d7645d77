"""One stream of an endless conversation: which part of the call it owns, and how its audio gets there."""

from dataclasses import replace
from typing import Protocol

from voicestt import mulaw
from voicestt.clock import Clock, Timer
from voicestt.ledger import AudioSource
from voicestt.recogniser import Recogniser, RecogniserError, Result, Session
from voicestt.recognisers.positions import moved

REPLAY_STEP_SECONDS = 0.1
REPLAY_SPEED = 3  # times real time: faster, and Google says "streamed too fast"
_REPLAY_STEP = int(REPLAY_STEP_SECONDS * REPLAY_SPEED * mulaw.BYTES_PER_SECOND)  # 4,800 bytes as LINEAR16


class FeedOwner(Protocol):
    """Who listens to feeds."""

    def feed_heard(self, feed: "Feed", result: Result) -> None:
        """A result, its positions in the call's own time."""
        ...

    def feed_ended(self, feed: "Feed", error: RecogniserError | None) -> None:
        """The stream is over."""
        ...

    def feed_caught_up(self, feed: "Feed") -> None:
        """All that there is has been sent; from here on the feed is live."""
        ...


class Feed:
    """A stream that begins at position `start` of the call, and is given everything from there on, in order.

    What was there before it is sent first, no faster than three times real time; live audio waits for its turn.
    """

    def __init__(
        self, number: int, clock: Clock, recogniser: Recogniser, ledger: AudioSource, owner: FeedOwner
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
        self._final_to = self.start
        self._timer = Timer(clock)
        self._finishing = False
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
        """From here on `owner` is told."""
        self._owner = owner

    def drop(self) -> None:
        """Nobody listens any more, and the stream is cancelled."""
        self._owner = None
        self._timer.cancel()
        self._session.abort()

    def heard(self, result: Result) -> None:
        """From the stream: its own time becomes the call's; where it says none, it has heard all it was given."""
        self.answered_at = self._clock.seconds()
        self.answered_to = self._cursor
        if self._owner is not None:
            end = min(self.start + result.end, self._cursor) if result.end else self._cursor
            placed = self._place(result, end) if result.is_final else replace(result, end=end)
            self._owner.feed_heard(self, placed)

    def ended(self, error: RecogniserError | None) -> None:
        """From the stream; one that ends well before it was finished has not heard everything."""
        if error is None and (not self._finishing or self.is_behind):
            error = RecogniserError("OK", "the recogniser closed the stream before it was finished")
        self._timer.cancel()
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.feed_ended(self, error)

    def _place(self, final: Result, end: int) -> Result:
        # Finals are of consecutive portions of the audio: no word of one lies within the one before.
        placed = moved(final, self.start, end, self._final_to)
        if final.end:
            self._final_to = max(self._final_to, end)
        return placed

    def _send(self, audio: bytes) -> None:
        self._ledger.hand(self.number, self._cursor, self._cursor + len(audio))
        self._cursor += len(audio)
        self.written_at = self._clock.seconds()
        self._session.write(audio)

    def _replay(self) -> None:
        # A stream's own time must not jump: one whose audio was given up before it was sent is replaced.
        if self._cursor >= self._ledger.start:
            audio = self._ledger.read(self._cursor, _REPLAY_STEP)
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
