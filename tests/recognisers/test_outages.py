"""Google is away for a while: nothing is lost that can still be had, and what is lost is told, to the word.

The composition is the server's own (`ServicesHealth`, `Persistent`, `Fallback`, `Endless`); Google, Whisper and
time are simulated. Outages refuse, reset what is under way, or hang; they begin in mid-utterance, at a seam, or at
hang-up.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import coverage
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.recognisers.fakes import Ear
from tests.recognisers.simulated import (
    NO_ROUTE,
    SECOND,
    SPEECH,
    WORDS,
    Manner,
    Stream,
    World,
    energy_voicing,
    numbers_in,
    place_of,
    said,
    words_in,
)
from voicestt.audio import vad
from voicestt.audio.ledger import RetainedAudioLimit
from voicestt.recognisers import single_shot
from voicestt.recognisers.fallback import Fallback
from voicestt.recognisers.modes import Flag
from voicestt.recognisers.port import (
    Incident,
    RecogniserError,
    Result,
    ResultListener,
)
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.services import Persistent, ServicesHealth
from voicestt.recognisers.single_shot import SingleShot
from voicestt.recognisers.streaming import Endless, StreamLimits
from voicestt.runtime.backoff import Chance

LIMITS = StreamLimits(soft=18.0, hard=22.0, silent=5.0, hold=5.0, drain=4.0)  # seams are everywhere
TICK = 0.05
EXAMPLES = int(os.environ.get("VOICESTT_OUTAGE_CALLS", "2000"))
SEED = int(os.environ.get("VOICESTT_OUTAGE_SEED", random.SystemRandom().randrange(1 << 32)))
REFUSING, RESETTING, HANGING = "refusing", "resetting", "hanging"
REQUEST_TIMEOUT = 12.0
OFF = RecogniserError("FAILED_PRECONDITION", "not installed")


@pytest.fixture
def _untraced() -> Iterator[None]:
    """Without coverage, which makes a simulation five times as slow; what it covers is covered beside it."""
    tracing = coverage.Coverage.current()
    if tracing is not None:
        tracing.stop()
    yield
    if tracing is not None:
        tracing.start()


@pytest.fixture(autouse=True, scope="module")
def _voicing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vad, "webrtc_voicing", energy_voicing)
        patch.setattr(single_shot, "webrtc_voicing", energy_voicing)
        yield


class Google(World):
    """Streams and requests that can be away, and a Whisper beside them."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.away: str | None = None
        self.has_whisper = False
        self.whims: list[Manner] = []  # of streams that are opened while it is there
        self.asked_whisper = 0
        self.opened_at: list[float] = []
        self.remade = 0
        self.latency = 0.3

    def open(self, listener: ResultListener) -> Stream:
        self.opened_at.append(self.clock.seconds())
        if self.away == HANGING:
            self.next_manners = [Manner(is_deaf=True, hangs_at_finish=True)]
        elif self.away is not None:
            self.next_manners = [Manner(fails_after=0, latency=0.01)]
        elif self.whims:
            self.next_manners = [self.whims.pop(0)]
        return super().open(listener)

    def go(self, how: str) -> None:
        """Away, as `how` says."""
        self.away = how
        for stream in self.streams:
            if stream.is_aborted or stream.has_ended:
                continue
            if how == HANGING:
                stream._manner = replace(stream._manner, is_deaf=True, hangs_at_finish=True)
            else:
                stream.breaks(NO_ROUTE)

    def return_(self) -> None:
        """Keeps hanging what hung, as on a connection that leads nowhere."""
        self.away = None

    def remake_channels(self) -> None:
        self.remade += 1

    def recognise(self, audio: bytes) -> "Deferred[Result | None]":
        answer: Deferred[Result | None] = Deferred(lambda _: None)
        if self.away == HANGING:
            late = RecogniserError("DEADLINE_EXCEEDED", "no answer")
            self._later(REQUEST_TIMEOUT, answer, late)
        elif self.away is not None:
            self._later(0.01, answer, NO_ROUTE)
        else:
            self._later(self.latency, answer, _final(audio))
        return answer

    def whisper(self, audio: bytes) -> "Deferred[Result | None]":
        answer: Deferred[Result | None] = Deferred(lambda _: None)
        self.asked_whisper += 1
        final = _final(audio)
        heard = final and replace(final, source="whisper")
        self._later(0.5 if self.has_whisper else 0.01, answer, heard if self.has_whisper else OFF)
        return answer

    def _later(self, delay: float, answer: "Deferred[Result | None]", outcome: Result | Exception | None) -> None:
        def fire() -> None:
            if not answer.called:
                answer.callback(outcome) if not isinstance(outcome, Exception) else answer.errback(outcome)

        self.clock.callLater(delay, fire)


def _final(audio: bytes) -> Result | None:
    if not audio.strip(b"\xff"):
        return None
    words = words_in(audio)
    return said(words, place_of(audio)) if words else None


class Caller:
    """One call through the whole safety net."""

    def __init__(self, office: "Office") -> None:
        self.office = office
        self.ear = Ear()
        self.session = office.fallback.open(self.ear)
        self.said = 0
        self.partials_at: list[float] = []
        heard = self.ear.heard

        def keep(result: Result) -> None:
            heard(result)
            if not result.is_final:
                self.partials_at.append(office.clock.seconds())

        self.ear.heard = keep  # type: ignore[method-assign]

    def write(self, audio_bytes: int) -> None:
        batch = SPEECH[self.said : self.said + audio_bytes]
        self.said += len(batch)
        if batch:
            self.session.write(batch)

    @property
    def spoken(self) -> list[int]:
        return [word.number for word in WORDS if word.end <= self.said]

    @property
    def finals(self) -> list[int]:
        return numbers_in(self.ear.finals)

    @property
    def losses(self) -> list[Incident]:
        return [incident for incident in self.ear.incidents if incident.kind == "unrecognised"]

    @property
    def lost(self) -> list[int]:
        """Words that lie in a stretch that was told as lost, wholly or in part."""
        stretches = [(loss.start or 0, loss.end or 0) for loss in self.losses]
        return [
            number
            for number in self.spoken
            if any(WORDS[number - 1].start < end and WORDS[number - 1].end > start for start, end in stretches)
        ]

    def check_account(self) -> None:
        totals = self.session.totals
        assert totals.received == totals.recognised + totals.passed_over + totals.given_up + totals.uncovered

    def check_every_word(self) -> None:
        assert self.finals == self.spoken, self.story
        assert self.losses == [], self.story

    @property
    def story(self) -> str:
        return f"{self.ear.incidents} {self.ear.finals}"


class Office:
    """A server with some callers, one picture of Google's health, and simulated time."""

    def __init__(
        self,
        callers: int = 1,
        *,
        whisper: bool = False,
        retain: int = 600 * SECOND,
        total: int = 1 << 30,
        limits: StreamLimits = LIMITS,
        jitter: Chance = random.random,
    ) -> None:
        self.clock = Clock()
        self.google = Google(self.clock)
        self.google.has_whisper = whisper
        self.health = ServicesHealth(self.clock, self.google, self.google.whisper, jitter=jitter)
        self.flag = Flag(True)
        self.retention = RetainedAudioLimit(total)
        self.fallback = Fallback(
            self.clock,
            self.flag,
            Endless(self.clock, self.google, limits, lambda: 0.5, self.health.streaming),
            SingleShot(
                Persistent(self.clock, self.health.services), lambda action: self.clock.callLater(0, action)
            ),
            Probe(self.clock, self.google),
            self.health.streaming,
            retain_bytes=retain,
            retention=self.retention,
        )
        self.callers = [Caller(self) for _ in range(callers)]

    def talk(self, seconds: float, batch: float = TICK) -> None:
        """In batches of so many seconds; time passes in steps of `TICK` at most."""
        for _ in range(round(seconds / batch)):
            for _ in range(max(1, round(batch / TICK))):
                self.clock.advance(min(TICK, batch))
            for caller in self.callers:
                caller.write(round(batch * SECOND))

    def be_silent(self, seconds: float) -> None:
        """Time passes, and no audio comes."""
        for _ in range(round(seconds / TICK)):
            self.clock.advance(TICK)

    def hang_up(self, drain: float = 20.0) -> None:
        for caller in self.callers:
            caller.session.finish()
        deadline = self.clock.seconds() + drain
        while self.clock.seconds() < deadline and not all(caller.ear.ends for caller in self.callers):
            self.clock.advance(TICK)
        for caller in self.callers:
            if not caller.ear.ends:
                caller.session.give_up()
                left = caller.session.totals
                start = left.received - left.uncovered
                caller.ear.happened(Incident("unrecognised", "drain", 0, start, left.received))

    def check_nothing_is_left(self) -> None:
        self.health.stop()
        self.be_silent(15)
        assert self.clock.getDelayedCalls() == []
        assert self.retention.kept == 0
        assert self.flag.watched_by == 0


WAYS = [REFUSING, HANGING, RESETTING]
CELLS = [
    *product(WAYS, [0.5, 1.4, 5.0], [False, True], [2.0, 6.05, 19.1]),
    *product(WAYS, [30.0, 120.0, 500.0], [False, True], [6.05]),
]


@pytest.mark.usefixtures("_untraced")
@pytest.mark.parametrize(("how", "away", "whisper", "begins"), CELLS)
def test_no_word_is_lost_however_long_google_is_away(how: str, away: float, whisper: bool, begins: float) -> None:
    office = Office(whisper=whisper)
    (caller,) = office.callers
    office.talk(begins)
    office.google.go(how)
    office.talk(away)
    office.google.return_()
    back = office.clock.seconds()
    office.talk(25)
    office.hang_up()
    caller.check_every_word()
    caller.check_account()
    if away <= 10:
        assert "degraded" not in caller.ear.kinds, caller.story
    if how != HANGING:
        # The probe comes within a second, and the caller may be in a pause of 0.8 s.
        assert min(at for at in caller.partials_at if at > back) - back <= 3.0
    office.check_nothing_is_left()


@pytest.mark.parametrize(("how", "whisper"), list(product([REFUSING, HANGING], [False, True])))
@pytest.mark.parametrize("away", [0.5, 1.4, 5.0])
def test_at_hang_up_the_words_are_waited_for(how: str, whisper: bool, away: float) -> None:
    office = Office(whisper=whisper)
    (caller,) = office.callers
    office.talk(3.0)
    office.google.go(how)
    office.talk(1.0)
    office.clock.callLater(away, office.google.return_)
    office.hang_up()
    caller.check_every_word()
    office.check_nothing_is_left()


@pytest.mark.parametrize("how", [REFUSING, HANGING])
def test_with_whisper_behind_an_outage_without_end_costs_no_word_at_hang_up(how: str) -> None:
    office = Office(whisper=True)
    (caller,) = office.callers
    office.talk(3.0)
    office.google.go(how)
    office.talk(1.0)
    office.hang_up()
    caller.check_every_word()


def test_words_that_nobody_could_be_asked_for_are_told_as_lost_to_the_word() -> None:
    office = Office()
    (caller,) = office.callers
    office.talk(10.0)
    office.google.go(REFUSING)
    office.talk(5.0)
    office.hang_up()
    assert caller.losses
    assert sorted(caller.finals + caller.lost) == caller.spoken
    caller.check_account()


def test_what_retention_could_not_keep_is_told_when_it_is_let_go() -> None:
    office = Office(retain=20 * SECOND)
    (caller,) = office.callers
    office.talk(10.0)
    office.google.go(REFUSING)
    office.talk(60.0)
    assert caller.losses, "before Google is back"
    office.google.return_()
    office.talk(20.0)
    office.hang_up()
    assert sorted(caller.finals + caller.lost) == caller.spoken, caller.story
    caller.check_account()
    office.check_nothing_is_left()


def test_what_all_calls_keep_is_bounded_and_the_longest_lets_go_first() -> None:
    office = Office(2, total=60 * SECOND)
    first, second = office.callers
    office.google.go(REFUSING)
    first.write(30 * SECOND)
    office.talk(20.0)
    assert office.retention.kept <= 60 * SECOND
    assert first.losses
    assert not second.losses
    office.google.return_()
    office.talk(20.0)
    office.hang_up()
    second.check_every_word()
    assert sorted(first.finals + first.lost) == first.spoken, first.story
    office.check_nothing_is_left()


def test_a_stream_that_ends_well_without_its_final_leaves_its_words_to_a_request() -> None:
    office = Office()
    (caller,) = office.callers
    office.google.whims = [Manner(forgets_final=True, pause=100 * SECOND)]
    office.talk(4.0)
    office.hang_up()
    caller.check_every_word()
    office.check_nothing_is_left()


def test_hung_up_right_after_it_resumed_what_was_kept_is_still_recognised() -> None:
    office = Office()
    (caller,) = office.callers
    office.talk(0.5)
    office.google.go(REFUSING)
    office.be_silent(1.0)
    office.google.return_()
    office.be_silent(1.5)
    assert caller.ear.kinds[-1] == "resumed"
    office.hang_up()
    caller.check_every_word()
    assert caller.spoken == [1]
    office.check_nothing_is_left()


def test_a_long_outage_is_interrupted_and_resumed_and_not_degraded() -> None:
    office = Office()
    (caller,) = office.callers
    office.talk(3.0)
    office.google.go(RESETTING)
    office.talk(40.0)
    office.google.return_()
    office.talk(10.0)
    office.hang_up()
    caller.check_every_word()
    assert [kind for kind in caller.ear.kinds if kind != "restarted"] == ["interrupted", "resumed"]


def test_with_whisper_a_long_outage_is_degraded_and_recovered() -> None:
    office = Office(whisper=True)
    (caller,) = office.callers
    office.talk(3.0)
    office.google.go(REFUSING)
    office.talk(40.0)
    office.google.return_()
    office.talk(10.0)
    office.hang_up()
    caller.check_every_word()
    assert [kind for kind in caller.ear.kinds if kind != "restarted"] == ["interrupted", "degraded", "recovered"]


def test_a_google_that_hangs_costs_one_time_out_and_not_one_for_each_utterance() -> None:
    office = Office(whisper=True)
    office.flag.turn(False)
    (caller,) = office.callers
    office.talk(2.0)
    office.google.go(HANGING)
    office.talk(60.0)
    spoken = [word for word in caller.spoken if WORDS[word - 1].end < (62 - 8) * SECOND]
    assert caller.finals[: len(spoken)] == spoken, "Whisper was asked for each but the first at once"
    office.hang_up()
    caller.check_every_word()


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("_untraced")
def test_two_hundred_calls_are_all_back_within_six_seconds_and_without_a_burst() -> None:
    office = Office(200, jitter=lambda: 1.0)  # the probes are as rare as they can be
    office.talk(2.0)
    office.google.go(REFUSING)
    office.talk(15.0)
    probes = len(office.google.opened_at)
    while len(office.google.opened_at) == probes:
        office.talk(TICK)
    office.google.return_()  # just after a probe: the longest wait for the next
    back = office.clock.seconds()
    office.google.opened_at.clear()
    office.talk(6.0, batch=0.02)  # a slot is 22 ms: in longer steps some are missed
    opened = list(office.google.opened_at)
    assert len(opened) > 200, "the probe, and a stream for each call"
    office.talk(1.5)  # a pause of the caller, a word, and the answer to it
    assert all(any(at > back for at in caller.partials_at) for caller in office.callers)
    assert max(sum(at <= other < at + 1.0 for other in opened) for at in opened) <= 50
    office.hang_up()
    for caller in office.callers:
        caller.check_every_word()
    office.check_nothing_is_left()


@pytest.mark.usefixtures("_untraced")
def test_all_calls_change_their_streams_within_a_second_and_no_word_is_lost() -> None:
    office = Office(30)
    office.talk(17.4)
    assert len(office.google.opened_at) == 30
    office.talk(1.1)
    assert len(office.google.opened_at) >= 60, "each has a second stream"
    office.talk(3.0)
    office.hang_up()
    for caller in office.callers:
        caller.check_every_word()
        assert "restarted" not in caller.ear.kinds
    office.check_nothing_is_left()


@pytest.mark.parametrize("away", [None, REFUSING, HANGING])
def test_a_monologue_without_a_pause_through_fifty_half_closes_loses_no_word(away: str | None) -> None:
    """An hour at the default of 48 s of audio without a final, here 2.4 s."""
    office = Office(limits=replace(LIMITS, monologue=3.0))
    (caller,) = office.callers
    office.google.manner = Manner(pause=1_000 * SECOND)
    office.talk(60.0)
    if away is not None:
        office.google.go(away)
        office.talk(3.0)
        office.google.return_()
    office.talk(80.0)
    office.hang_up()
    caller.check_every_word()
    office.check_nothing_is_left()


@pytest.mark.parametrize("batch", [0.02, 1.0])
@pytest.mark.parametrize("how", [REFUSING, HANGING])
def test_the_smallest_and_the_largest_batches_lose_no_word(batch: float, how: str) -> None:
    office = Office()
    (caller,) = office.callers
    office.talk(20.0, batch)  # over a seam
    office.google.go(how)
    office.talk(3.0, batch)
    office.google.return_()
    office.talk(10.0, batch)
    office.hang_up()
    caller.check_every_word()
    office.check_nothing_is_left()


Step = Callable[[Office], object]
WHIMS = st.builds(
    Manner,
    latency=st.sampled_from([0.1, 0.3, 1.0, 3.0]),
    fails_after=st.none() | st.none() | st.integers(0, 4 * SECOND),
    error=st.sampled_from([NO_ROUTE, RecogniserError("INTERNAL", "in-band"), RecogniserError("ABORTED", "5 min")]),
    fails_at_finish=st.sampled_from([False, False, True]),
    is_deaf=st.sampled_from([False, False, False, True]),
    hangs_at_finish=st.sampled_from([False, False, True]),
    forgets_final=st.sampled_from([False, True]),
    pause=st.sampled_from([2_000, 2_000, 30 * SECOND]),
)
STEPS = st.lists(
    st.one_of(
        st.builds(lambda s: lambda office: office.talk(s), st.sampled_from([0.4, 0.5, 1.0, 2.5, 6.0, 13.0])),
        st.builds(lambda s: lambda office: office.be_silent(s), st.sampled_from([0.3, 2.0])),
        st.builds(lambda how: lambda office: office.google.go(how), st.sampled_from([REFUSING, HANGING])),
        st.builds(lambda: lambda office: office.google.return_()),
        st.builds(lambda is_on: lambda office: office.flag.turn(is_on), st.booleans()),
        st.builds(lambda has: lambda office: setattr(office.google, "has_whisper", has), st.booleans()),
        st.builds(lambda s: lambda office: setattr(office.google, "latency", s), st.sampled_from([0.1, 2.0])),
        st.builds(lambda whim: lambda office: office.google.whims.append(whim), WHIMS),
    ),
    max_size=12,
)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("_untraced")
@seed(SEED)
@settings(max_examples=EXAMPLES, deadline=None)
@given(STEPS, st.booleans(), st.sampled_from([15, 40, 600]))
def test_words_told_and_words_told_as_lost_are_the_words_spoken(
    steps: list[Step], whisper: bool, retain: int
) -> None:
    print(f"VOICESTT_OUTAGE_SEED={SEED}")  # pytest shows it where this fails
    office = Office(whisper=whisper, retain=retain * SECOND)
    (caller,) = office.callers
    for step in steps:
        step(office)
        caller.check_account()
    office.hang_up()
    assert sorted([*caller.finals, *caller.lost]) == caller.spoken, caller.story
    assert caller.finals == sorted(caller.finals), caller.story
    caller.check_account()
    office.check_nothing_is_left()
