"""Lanes: stretches of a call that are recognised in parallel, their order, and the audio lost between them."""

from collections import deque
from typing import Final, Protocol

from voicestt.audio import mulaw, vad
from voicestt.audio.ledger import Ledger, RetainedAudioLimit
from voicestt.audio.source import LedgerPart
from voicestt.recognisers.port import (
    CallListener,
    Incident,
    RecogniserError,
    Result,
)
from voicestt.recognisers.single_shot import SingleShot, SingleShotSession
from voicestt.recognisers.streaming import EndlessSession
from voicestt.recognisers.tuning import Tuning

_TOLD_EVERY: Final = 10 * mulaw.BYTES_PER_SECOND


class LaneOwner(Protocol):
    """Listener of lanes."""

    def lane_heard(self, lane: "Lane", result: Result) -> None:
        """Take a result, in the call's own time."""
        ...

    def lane_happened(self, incident: Incident) -> None:
        """Take an incident of a lane."""
        ...

    def lane_ended(self, lane: "Lane", error: RecogniserError | None) -> None:
        """Take a lane's end: None if it is over, otherwise the error that stops it."""
        ...


class Lane:
    """A stretch of the call and its recognition session; its finals wait for the lanes before it."""

    session: "EndlessSession | OffsetSingleShot"

    def __init__(self, owner: LaneOwner, part: LedgerPart) -> None:
        self._owner = owner
        self.part = part
        self.starts_at = part.start
        self.held: list[Result] = []
        self.is_over = False

    @property
    def is_single_shot(self) -> bool:
        """True if single requests recognise it."""
        return isinstance(self.session, OffsetSingleShot)

    @property
    def is_quiet(self) -> bool:
        """True if single requests recognise it, nobody is speaking and every utterance has been answered."""
        return isinstance(self.session, OffsetSingleShot) and self.session.is_quiet

    @property
    def silent_for(self) -> float:
        """Seconds since the caller last spoke, where single requests recognise it; else 0."""
        return self.session.silent_for if isinstance(self.session, OffsetSingleShot) else 0.0

    def write(self, audio: bytes) -> None:
        """Take audio that the ledger has just received."""
        self.session.write(audio)

    def pause(self) -> None:
        """Make the words so far final, because no audio comes for now."""
        self.session.pause()

    def finish(self) -> None:
        """Take no more audio: the last finals come, then the end."""
        self.session.finish()

    def abort(self) -> None:
        """Stop at once, without telling the owner anything more."""
        self.session.abort()

    def let_go(self, end: int) -> int:
        """Give up the audio before `end`; return the position where the loss ends."""
        return self.session.let_go(end) if isinstance(self.session, OffsetSingleShot) else end

    def heard(self, result: Result) -> None:
        """Pass a result of its session on to the owner."""
        self._owner.lane_heard(self, result)

    def happened(self, incident: Incident) -> None:
        """Pass an incident of its session on to the owner."""
        self._owner.lane_happened(incident)

    def ended(self, error: RecogniserError | None) -> None:
        """Pass the end of its session on to the owner."""
        self._owner.lane_ended(self, error)


class OffsetSingleShot:
    """A single-shot session that begins at its lane's start, and settles the lane's audio.

    `in_speech`: what is there already is recognised in any case: a stream may have been in the middle of it.
    """

    def __init__(
        self, single_shot: SingleShot, lane: Lane, tuning: Tuning | None = None, *, in_speech: bool
    ) -> None:
        rest = lane.part.uncovered()
        self._start = rest.start
        self._lane = lane
        self._requests_counted = 0
        self._session: SingleShotSession
        if in_speech and not vad.is_silent(rest.audio):
            self._session = single_shot.resume(self, rest.audio, tuning)
        else:
            self._session = single_shot.open(self, tuning)
            self._session.write(rest.audio)
        self._count_requests()

    @property
    def is_quiet(self) -> bool:
        """True if nobody is speaking and every utterance has been answered."""
        return self._session.is_quiet

    @property
    def silent_for(self) -> float:
        """Seconds since the caller last spoke."""
        return self._session.silent_for

    def write(self, audio: bytes) -> None:
        """Take audio that the ledger has just received."""
        self._session.write(audio)
        self._lane.part.pass_over(self._start + self._session.settled)
        self._count_requests()

    def pause(self) -> None:
        """Ask for the utterance so far, because no audio comes for now."""
        self._session.pause()
        self._lane.part.pass_over(self._start + self._session.settled)
        self._count_requests()

    def finish(self) -> None:
        """Take no more audio: the last finals come, then the end."""
        self._session.finish()
        self._count_requests()

    def leave(self) -> int:
        """Take no more audio; return the position from which another lane takes over."""
        return self._start + self._session.leave()

    def let_go(self, end: int) -> int:
        """Give up the audio before `end`; return the position where the loss ends."""
        return max(end, self._start + self._session.let_go(max(0, end - self._start)))

    def abort(self) -> None:
        """Stop at once, without telling the lane anything more."""
        self._session.abort()

    def heard(self, result: Result) -> None:
        """Pass an utterance's final on, at its place in the call."""
        self._lane.heard(result.moved(self._start, self._start + result.end, self._start))

    def ended(self, error: RecogniserError | None) -> None:
        """Pass the end of the session on."""
        self._lane.ended(error)

    def refused(self, error: RecogniserError) -> None:
        """Report that what the call asked for was refused, and was taken back."""
        self._lane.happened(Incident("refused", str(error)))

    def lost(self, end: int, error: RecogniserError, seconds: float) -> None:
        """Account for an utterance that no service could recognise, and report it."""
        position = self._start + end
        self._lane.part.give_up(position)
        start = position - round(seconds * mulaw.BYTES_PER_SECOND)
        self._lane.happened(Incident("unrecognised", str(error), seconds, start, position))

    def _count_requests(self) -> None:
        requested = self._session.requested
        self._lane.part.request(requested - self._requests_counted)
        self._requests_counted = requested


class ForgottenAudio:
    """Audio that could not be kept, reported in stretches of 10 s rather than batch by batch."""

    def __init__(self, listener: CallListener) -> None:
        self._listener = listener
        self._start = self._end = 0

    def add(self, start: int, end: int) -> None:
        """Add the lost bytes [start, end)."""
        if start > self._end:
            self.tell()
        if self._end == self._start:
            self._start = start
        self._end = end
        if self._end - self._start >= _TOLD_EVERY:
            self.tell()

    def tell(self) -> None:
        """Report the bytes that were added since the last report."""
        start, end, self._start = self._start, self._end, self._end
        if end > start:
            why = "nobody could be asked for so long that the audio could not be kept (STT_RETAIN_SECONDS)"
            self._listener.happened(Incident("unrecognised", why, mulaw.seconds(end - start), start, end))


class LaneQueue:
    """The lanes of one call over its ledger: the last is live, and finals are told in the call's order."""

    def __init__(
        self,
        owner: LaneOwner,
        listener: CallListener,
        retain_bytes: int,
        retention: RetainedAudioLimit | None = None,
    ) -> None:
        self.ledger = Ledger(retain_bytes, self._forgot, retention)
        self._owner = owner
        self._listener = listener
        self._forgotten = ForgottenAudio(listener)
        self._lanes: deque[Lane] = deque()

    @property
    def live(self) -> Lane:
        """The lane that is given new audio."""
        return self._lanes[-1]

    @property
    def is_over(self) -> bool:
        """True when all lanes are over, and the end was told."""
        return self._lanes[0].is_over

    def begin(self, start: int) -> Lane:
        """Begin a lane at position `start` of the call; it is live from here on, and has no session yet."""
        lane = Lane(self._owner, LedgerPart(self.ledger, start))
        self._lanes.append(lane)
        if lane is self._lanes[0]:
            lane.part.merge()
        return lane

    def tell(self, lane: Lane, result: Result) -> None:
        """Tell a partial at once; hold a final back until the lanes before it are over."""
        if result.is_final and lane is not self._lanes[0]:
            lane.held.append(result)
        else:
            self._listener.heard(result)

    def end(self, lane: Lane) -> None:
        """Drop the lanes that are over, and tell the finals that were held back for them."""
        lane.is_over = True
        while self._lanes[0].is_over and len(self._lanes) > 1:
            self._lanes.popleft()
            first = self._lanes[0]
            self.ledger.pass_over(first.starts_at)
            first.part.merge()
            held, first.held = first.held, []
            for result in held:
                self._listener.heard(result)
        if self._lanes[0].is_over:
            self.ledger.pass_over(self.ledger.received)
            self.ledger.close()
            self.tell_forgotten()
            self._listener.ended(None)

    def give_up(self) -> None:
        """Abort all lanes but the live one; tell the finals that were held back, and the audio that is lost."""
        self.tell_forgotten()
        while len(self._lanes) > 1:
            first = self._lanes[0]
            start, end = self.ledger.start, self._lanes[1].starts_at
            if end > start:
                self.ledger.give_up(end)
                why = "no answer in time"
                self._listener.happened(Incident("unrecognised", why, mulaw.seconds(end - start), start, end))
            first.abort()
            self.end(first)

    def stop(self) -> None:
        """Abort all lanes, and close the ledger."""
        for lane in self._lanes:
            lane.abort()
        self.ledger.close()

    def tell_forgotten(self) -> None:
        """Report the audio that could not be kept."""
        self._forgotten.tell()

    def _forgot(self, start: int, end: int) -> None:
        whole = self._lanes[0].let_go(end)
        self.ledger.give_up(whole)
        self._forgotten.add(start, whole)
