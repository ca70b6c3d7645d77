"""Whatever way a call's audio goes, and however often it changes, every word is in exactly one final, in order."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
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
    World,
    energy_voicing,
    misplaced,
    numbers_in,
    place_of,
    said,
    words_in,
)
from voicestt.audio import vad
from voicestt.recognisers import single_shot
from voicestt.recognisers.fallback import SWITCHED_OFF, Fallback
from voicestt.recognisers.health import CircuitBreaker
from voicestt.recognisers.modes import Flag
from voicestt.recognisers.port import (
    CallSession,
    Incident,
    RecogniserError,
    Result,
)
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.single_shot import SingleShot
from voicestt.recognisers.stream_quota import NoQuota, StreamQuota
from voicestt.recognisers.streaming import Endless, StreamLimits

LIMITS = StreamLimits(soft=4.0, hard=7.0, hold=2.0, silent=3.0, queue=2.0, drain=1.5, window=10.0)
TICK = 0.05
PAUSE_AFTER_THREE = WORDS[2].end + 6_000  # nobody speaks, and single shot has closed the utterance
REFUSED = RecogniserError("PERMISSION_DENIED", "no")


@pytest.fixture(autouse=True, scope="module")
def _voicing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vad, "webrtc_voicing", energy_voicing)
        patch.setattr(single_shot, "webrtc_voicing", energy_voicing)
        yield


class Conversation:
    """A caller, the safety net, a world of streams, and requests that are answered after `latency`."""

    def __init__(
        self,
        *,
        is_on: bool = True,
        flag: Flag | None = None,
        recover_seconds: float = 2.0,
        retain: int = 60 * SECOND,
        quota: StreamQuota | None = None,
    ) -> None:
        self.clock = Clock()
        self.world = World()
        self.flag = flag or Flag(is_on)
        self.ear = Ear()
        self.began_on = self.flag.is_on
        self.latency = 0.3
        self.is_broken = False
        self.requests: list[bytes] = []
        self.health = CircuitBreaker(
            "Google", self.clock, lambda answer: Probe(self.clock, self.world).ask(answer), jitter=lambda: 0.5
        )
        fallback = Fallback(
            self.clock,
            self.flag,
            Endless(self.clock, self.world, LIMITS, lambda: 0.5, self.health),
            SingleShot(self._recognise, lambda action: self.clock.callLater(0, action)),
            Probe(self.clock, self.world),
            self.health,
            retain_bytes=retain,
            recover_seconds=recover_seconds,
            quota=quota or NoQuota(),
        )
        self.session: CallSession = fallback.open(self.ear)
        self.said = 0

    def _recognise(self, audio: bytes) -> "Deferred[Result | None]":
        self.requests.append(audio)
        answer: Deferred[Result | None] = Deferred()
        words = words_in(audio)
        if self.is_broken:
            self.world.clock.callLater(self.latency, answer.errback, NO_ROUTE)
        else:
            result = said(words, place_of(audio)) if words else None
            self.world.clock.callLater(self.latency, answer.callback, result)
        return answer

    def speak(self, audio_bytes: int) -> None:
        self.speak_to(self.said + audio_bytes)

    def speak_to(self, end: int) -> None:
        while self.said < end:
            batch = SPEECH[self.said : min(self.said + 1_200, end)]
            self.said += len(batch)
            self.pass_time(len(batch) / SECOND)
            self.session.write(batch)

    def pass_time(self, seconds: float) -> None:
        while seconds > 1e-9:
            step = min(TICK, seconds)
            seconds -= step
            self.world.clock.advance(step)
            self.clock.advance(step)

    def fail(self, error: RecogniserError | None) -> None:
        live = [stream for stream in self.world.streams if not (stream.is_aborted or stream.has_ended)]
        if live:
            live[-1].breaks(error)

    def hang_up(self) -> None:
        self.session.finish()
        self.pass_time(10)

    def check_account(self) -> None:
        totals = self.session.totals
        assert totals.received == self.said
        assert totals.received == totals.recognised + totals.passed_over + totals.given_up + totals.uncovered
        assert totals.requested == sum(map(len, self.requests))

    def check(self) -> None:
        """After the end."""
        self.check_account()
        assert self.ear.ends == [None]
        assert self.session.totals.uncovered == 0
        assert self.session.backlog == 0
        self.stop()
        assert self.flag.watched_by == 0
        assert all(stream.is_over for stream in self.world.streams)
        way = "recovered" if self.began_on else "degraded"
        for incident in self.changes:
            assert incident.kind in _NEXT[way], [incident.kind for incident in self.changes]
            way = incident.kind

    def stop(self) -> None:
        """The process ends: nothing is left."""
        self.health.stop()
        self.pass_time(6)
        assert self.clock.getDelayedCalls() == []

    def check_words(self) -> None:
        assert numbers_in(self.ear.finals) == [word.number for word in WORDS if word.end <= self.said]
        assert misplaced([result for result in self.ear.results if result.is_final]) == []

    @property
    def changes(self) -> list[Incident]:
        return [incident for incident in self.ear.incidents if incident.kind in _NEXT]


_NEXT = {
    "recovered": ("degraded", "interrupted"),
    "resumed": ("degraded", "interrupted"),
    "degraded": ("recovered",),
    "interrupted": ("degraded", "resumed"),
}


ERRORS = st.sampled_from([NO_ROUTE, RecogniserError("OUT_OF_RANGE", "305 seconds"), REFUSED, None])
MANNERS = st.builds(
    Manner,
    latency=st.sampled_from([0.0, 0.1, 0.3, 1.0]),
    fails_after=st.none() | st.none() | st.integers(0, 4 * SECOND),
    error=ERRORS,
    fails_at_finish=st.sampled_from([False, False, True]),
    is_deaf=st.sampled_from([False, False, False, True]),
    hangs_at_finish=st.sampled_from([False, False, True]),
)
Step = Callable[[Conversation], object]


def _speaking(audio_bytes: int) -> Step:
    return lambda talk: talk.speak(audio_bytes)


def _waiting(seconds: float) -> Step:
    return lambda talk: talk.pass_time(seconds)


def _pausing(seconds: float) -> Step:
    """No audio for so long, wherever it stops."""

    def pause(talk: Conversation) -> None:
        talk.session.pause()
        talk.pass_time(seconds)

    return pause


def _failing(error: RecogniserError | None) -> Step:
    return lambda talk: talk.fail(error)


def _opening(manner: Manner) -> Step:
    return lambda talk: talk.world.next_manners.append(manner)


def _turning(is_on: bool) -> Step:
    return lambda talk: talk.flag.turn(is_on)


def _answering_after(latency: float) -> Step:
    return lambda talk: setattr(talk, "latency", latency)


STEPS = st.lists(
    st.one_of(
        st.builds(_speaking, st.integers(1, 3 * SECOND)),
        st.builds(_speaking, st.integers(1, 8 * SECOND)),
        st.builds(_waiting, st.sampled_from([0.05, 0.3, 1.0, 2.1, 4.0])),
        st.builds(_pausing, st.sampled_from([0.0, 0.3, 1.0, 3.0])),
        st.builds(_failing, ERRORS),
        st.builds(_opening, MANNERS),
        st.builds(_turning, st.booleans()),
        st.builds(_answering_after, st.sampled_from([0.0, 0.3, 2.0])),
    ),
    max_size=14,
)


@settings(max_examples=250)
@given(STEPS, st.booleans(), st.sampled_from([0.0, 0.5, 3.0]))
def test_every_word_is_in_exactly_one_final_whatever_way_it_went(
    steps: list[Step], is_on: bool, recover_seconds: float
) -> None:
    talk = Conversation(is_on=is_on, recover_seconds=recover_seconds)
    for step in steps:
        step(talk)
        talk.check_account()
    talk.hang_up()
    talk.check()
    talk.check_words()
    assert talk.session.totals.given_up == 0


def test_while_it_is_on_speech_is_streamed() -> None:
    talk = Conversation()
    talk.speak_to(3 * SECOND)
    assert talk.ear.partials
    talk.hang_up()
    talk.check()
    talk.check_words()
    assert (talk.requests, talk.ear.kinds) == ([], [])


def test_while_it_is_off_each_utterance_is_one_request_and_nothing_is_streamed() -> None:
    talk = Conversation(is_on=False)
    talk.speak_to(WORDS[6].start)
    talk.hang_up()
    talk.check()
    talk.check_words()
    assert talk.world.streams == []
    assert [words_in(request) for request in talk.requests] == [list(WORDS[0:3]), list(WORDS[3:6])]
    assert talk.ear.partials == []
    assert talk.ear.kinds == []


@pytest.mark.parametrize("is_on", [True, False])
def test_in_a_gap_the_words_become_final_either_way(is_on: bool) -> None:
    talk = Conversation(is_on=is_on)
    talk.world.manner = Manner(pause=100 * SECOND)
    for last in (2, 5):
        talk.speak_to(WORDS[last].end + 400)
        talk.session.pause()
        talk.pass_time(0.35)
        assert numbers_in(talk.ear.finals) == list(range(1, last + 2))
    talk.hang_up()
    talk.check()


def test_switched_off_live_what_no_final_covers_goes_to_the_single_shot_byte_for_byte() -> None:
    talk = Conversation()
    talk.world.manner = Manner(pause=100 * SECOND)
    middle = (WORDS[1].start + WORDS[1].end) // 2
    talk.speak_to(middle)
    (stream,) = talk.world.streams
    uncovered = talk.session.backlog
    assert talk.flag.turn(False)
    assert not talk.flag.turn(False)
    assert stream.is_aborted
    assert talk.changes == [Incident("degraded", SWITCHED_OFF, uncovered / SECOND)]
    talk.speak_to(PAUSE_AFTER_THREE)
    talk.pass_time(1)
    (request,) = talk.requests
    assert (place_of(request), words_in(request)) == (middle - uncovered, list(WORDS[:3]))
    talk.hang_up()
    talk.check()
    talk.check_words()


def test_streaming_that_failed_for_good_is_left_with_the_reason() -> None:
    talk = Conversation(recover_seconds=0)
    talk.speak_to(SECOND)
    talk.fail(REFUSED)
    assert [(incident.kind, incident.why) for incident in talk.ear.incidents] == [
        ("degraded", "PERMISSION_DENIED: no")
    ]
    talk.speak_to(30 * SECOND)
    talk.hang_up()
    talk.check()
    talk.check_words()
    assert len(talk.world.streams) == 1, "recover_seconds=0: it never returns"


def test_switched_on_again_it_returns_between_two_utterances() -> None:
    talk = Conversation(is_on=False)
    talk.speak_to(WORDS[1].start)
    talk.flag.turn(True)
    talk.speak_to(WORDS[2].end)
    assert talk.changes == []
    talk.speak_to(PAUSE_AFTER_THREE)
    assert talk.changes == []
    talk.pass_time(0.5)  # the answer comes
    talk.speak(160)
    assert talk.changes == [Incident("recovered", "speech is streamed again")]
    talk.speak_to(WORDS[4].end)
    talk.hang_up()
    talk.check()
    talk.check_words()
    assert len(talk.requests) == 1


def test_on_a_line_without_a_pause_it_returns_after_a_while_at_a_cut_and_loses_nothing() -> None:
    talk = Conversation(is_on=False)
    talk.latency = 3.0  # a request is always under way
    talk.speak_to(WORDS[2].start)
    talk.flag.turn(True)
    talk.speak(14 * SECOND)
    assert talk.changes == []
    talk.speak(2 * SECOND)
    assert [incident.kind for incident in talk.changes] == ["recovered"]
    talk.speak(10 * SECOND)
    talk.hang_up()
    talk.check()
    talk.check_words()


def test_switched_off_before_it_returned_it_stays() -> None:
    talk = Conversation(is_on=False)
    talk.speak_to(WORDS[1].start)
    talk.flag.turn(True)
    talk.flag.turn(False)
    talk.speak_to(WORDS[5].end)
    talk.hang_up()
    talk.check()
    talk.check_words()
    assert talk.changes == []
    assert talk.world.streams == []


def test_after_a_failure_it_returns_when_a_probe_is_healthy_and_not_before() -> None:
    talk = Conversation(recover_seconds=2.0)
    talk.speak_to(SECOND)
    talk.world.next_manners = [Manner(fails_after=0, latency=0.0)]  # of the first probe
    talk.fail(REFUSED)
    talk.pass_time(1.9)
    assert len(talk.world.streams) == 1
    talk.pass_time(0.2)
    assert len(talk.world.streams) == 2
    talk.speak_to(PAUSE_AFTER_THREE)
    assert [incident.kind for incident in talk.changes] == ["degraded"]
    talk.pass_time(3)
    talk.speak(160)
    assert [incident.kind for incident in talk.changes] == ["degraded", "recovered"]
    talk.speak(4 * SECOND)
    talk.hang_up()
    talk.check()
    talk.check_words()


@pytest.mark.parametrize("latency", [0.1, 0.4])
def test_a_probe_answered_after_the_switch_was_turned_or_the_call_ended_changes_nothing(latency: float) -> None:
    for act in (lambda talk: talk.flag.turn(False), Conversation.hang_up):
        talk = Conversation(recover_seconds=1.0)
        talk.speak_to(PAUSE_AFTER_THREE)
        talk.world.manner = Manner(latency=latency)
        talk.fail(REFUSED)
        talk.pass_time(1.0)
        act(talk)
        talk.pass_time(2.0)
        assert [incident.kind for incident in talk.changes] == ["degraded"]


def test_google_s_bytes_are_what_was_streamed_and_what_was_asked_for() -> None:
    talk = Conversation()
    talk.speak_to(SECOND)
    talk.fail(REFUSED)
    talk.is_broken = True
    talk.speak_to(PAUSE_AFTER_THREE)
    talk.hang_up()
    totals = talk.session.totals
    (stream,) = talk.world.streams
    (request,) = talk.requests
    assert (totals.handed, totals.requested) == (len(stream.audio), len(request))
    assert totals.google_bytes == len(stream.audio) + len(request)
    assert totals.sent_again == 0, "it is about streams"


def test_what_nobody_can_recognise_is_told_and_given_up() -> None:
    talk = Conversation(is_on=False)
    talk.is_broken = True
    talk.speak_to(PAUSE_AFTER_THREE)
    talk.pass_time(1)
    (incident,) = talk.ear.incidents
    assert (incident.kind, incident.why) == ("unrecognised", "UNAVAILABLE: no route")
    assert incident.seconds == len(talk.requests[0]) / SECOND
    talk.is_broken = False
    talk.speak_to(WORDS[5].end)
    talk.hang_up()
    talk.check()
    assert numbers_in(talk.ear.finals) == [4, 5, 6]
    assert talk.session.totals.given_up >= len(talk.requests[0])


def test_a_stream_that_fails_at_hang_up_leaves_its_words_to_the_single_shot() -> None:
    talk = Conversation()
    talk.world.manner = Manner(fails_at_finish=True, pause=100 * SECOND)
    talk.speak_to(WORDS[1].end)
    talk.hang_up()
    talk.check()
    talk.check_words()
    assert [incident.kind for incident in talk.changes] == ["degraded"]


def test_a_silent_rest_is_not_asked_for() -> None:
    talk = Conversation()
    talk.speak_to(WORDS[0].start)
    talk.flag.turn(False)
    talk.hang_up()
    talk.check()
    assert talk.requests == []


def test_more_than_may_be_kept_is_given_up_and_accounted_for() -> None:
    talk = Conversation(is_on=False, retain=SECOND)
    talk.latency = 5.0
    talk.speak_to(4 * SECOND)
    talk.check_account()
    assert talk.session.totals.given_up > 0
    talk.hang_up()
    talk.check()


@pytest.mark.parametrize("is_on", [True, False])
def test_after_abort_nothing_is_heard_and_nothing_is_left(is_on: bool) -> None:
    talk = Conversation(is_on=is_on)
    talk.speak_to(PAUSE_AFTER_THREE)
    told = len(talk.ear.results)
    talk.session.abort()
    talk.pass_time(10)
    assert (len(talk.ear.results), talk.ear.ends, talk.ear.incidents) == (told, [], [])
    assert talk.flag.watched_by == 0
    talk.stop()


def test_each_live_call_follows_the_flag() -> None:
    talk = Conversation()
    other = Conversation(flag=talk.flag)
    assert talk.flag.watched_by == 2
    talk.flag.turn(False)
    assert talk.ear.kinds == other.ear.kinds == ["degraded"]


def test_one_who_is_told_of_the_fall_may_abort() -> None:
    talk = Conversation()
    happened = talk.ear.happened

    def hear_and_abort(incident: Incident) -> None:
        happened(incident)
        talk.session.abort()

    talk.ear.happened = hear_and_abort  # type: ignore[method-assign]
    talk.speak_to(SECOND)
    talk.flag.turn(False)
    talk.pass_time(10)
    assert (talk.ear.kinds, talk.ear.ends, talk.ear.finals) == (["degraded"], [], [])
    talk.stop()


def test_a_probe_that_fails_is_asked_again_as_long_as_it_takes() -> None:
    talk = Conversation(recover_seconds=1.0)
    talk.speak_to(SECOND)
    talk.world.manner = Manner(fails_after=0, latency=0.1)
    talk.fail(REFUSED)
    talk.pass_time(5.0)
    assert len(talk.world.streams) == 5
    talk.world.manner = Manner()
    talk.latency = 0.1  # within the pause: it returns when nobody speaks and nothing is unanswered
    talk.speak_to(PAUSE_AFTER_THREE + 3 * SECOND)
    assert [incident.kind for incident in talk.changes] == ["degraded", "recovered"]
    talk.hang_up()
    talk.check()
    talk.check_words()
