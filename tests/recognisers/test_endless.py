"""Whatever happens to the streams, every word is in exactly one final, in order, or its audio is still there."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.recognisers.simulated import (
    SECOND,
    SPEECH,
    WORDS,
    Application,
    Manner,
    World,
    energy_voicing,
    numbers_in,
    words_in,
)
from voicestt import voice
from voicestt.ledger import Ledger
from voicestt.recogniser import RecogniserError
from voicestt.recognisers.endless import Endless, Limits

# Soft and hard limits come soon, so that seams are everywhere.
LIMITS = Limits(soft=4.0, hard=7.0, hold=2.0, silent=3.0, queue=2.0, drain=1.5, window=10.0)
TICK = 0.05


@pytest.fixture(autouse=True, scope="module")
def _voicing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voice, "webrtc_voicing", energy_voicing)
        yield


class Conversation:
    """A caller, an endless session, and a world that can be made to fail."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.clock = Clock()
        self.world = World()
        self.ledger = Ledger(60 * SECOND)
        self.heard = Application(self.ledger)
        self.limits = limits
        self.session = Endless(self.clock, self.world, limits, lambda: 0.5).open(self.heard, self.ledger)
        self.said = 0

    def speak(self, audio_bytes: int) -> None:
        """In batches, as fast as a caller speaks."""
        end = min(self.said + audio_bytes, len(SPEECH))
        while self.said < end and not self.heard.ends:
            batch = SPEECH[self.said : min(self.said + 1_200, end)]
            self.said += len(batch)
            self.pass_time(len(batch) / SECOND)
            if not self.heard.ends:
                self.ledger.receive(batch)
                self.session.write(batch)

    def pass_time(self, seconds: float) -> None:
        while seconds > 1e-9:
            step = min(TICK, seconds)
            seconds -= step
            self.world.clock.advance(step)
            self.clock.advance(step)

    def fail(self, which: int, error: RecogniserError | None) -> None:
        live = [stream for stream in self.world.streams if not (stream.is_aborted or stream.has_ended)]
        if live:
            live[which % len(live)].breaks(error)

    def hang_up(self) -> None:
        if not self.heard.ends:
            self.session.finish()
            self.pass_time(self.limits.drain + 0.5)

    def settle(self) -> None:
        self.pass_time(self.limits.drain + 0.5)

    def check(self) -> None:
        received = self.ledger.received
        heard = numbers_in(self.heard.finals)
        if received >= 64:
            spoken = [word.number for word in words_in(SPEECH[:received])]
        else:
            spoken = []
        (end,) = self.heard.ends
        if end is None:
            assert heard == spoken
        else:
            assert heard == spoken[: len(heard)]
            for word in WORDS[len(heard) : len(spoken)]:
                assert self.ledger.start <= word.start, f"the audio of {word} is gone"
        account = self.ledger.account
        assert account.given_up == 0
        assert account.received == account.recognised + account.passed_over + account.uncovered
        assert self.clock.getDelayedCalls() == []
        assert all(stream.is_over for stream in self.world.streams)
        assert self.world.most_at_once <= 2


ERRORS = st.sampled_from(
    [
        RecogniserError("UNAVAILABLE", "no route"),
        RecogniserError("OUT_OF_RANGE", "305 seconds"),
        RecogniserError("INTERNAL", "in-band"),
        RecogniserError("RESOURCE_EXHAUSTED", "quota"),
        RecogniserError("PERMISSION_DENIED", "no"),
        None,
    ]
)
MANNERS = st.builds(
    Manner,
    latency=st.sampled_from([0.0, 0.1, 0.3, 1.0, 2.0]),
    fails_after=st.none() | st.none() | st.integers(0, 4 * SECOND),
    error=ERRORS,
    fails_at_finish=st.sampled_from([False, False, False, True]),
    is_deaf=st.sampled_from([False, False, False, True]),
    hangs_at_finish=st.sampled_from([False, False, False, True]),
    pause=st.sampled_from([1_000, 2_000, 8_000]),
)
Step = Callable[[Conversation], None]


def _speaking(audio_bytes: int) -> Step:
    return lambda talk: talk.speak(audio_bytes)


def _waiting(seconds: float) -> Step:
    return lambda talk: talk.pass_time(seconds)


def _failing(which: int, error: RecogniserError | None) -> Step:
    return lambda talk: talk.fail(which, error)


def _opening(manner: Manner) -> Step:
    return lambda talk: talk.world.next_manners.append(manner)


STEPS = st.lists(
    st.one_of(
        st.builds(_speaking, st.integers(1, 3 * SECOND)),
        st.builds(_speaking, st.integers(1, 10 * SECOND)),
        st.builds(_waiting, st.sampled_from([0.05, 0.3, 1.0, 2.1, 3.0, 4.0, 6.0])),
        st.builds(_failing, st.integers(0, 2), ERRORS),
        st.builds(_opening, MANNERS),
    ),
    max_size=14,
)


@settings(max_examples=150)
@given(STEPS, st.sampled_from([3, 3, 30]))
def test_every_word_is_in_exactly_one_final_or_its_audio_is_still_there(steps: list[Step], restarts: int) -> None:
    talk = Conversation(replace(LIMITS, restarts=restarts))
    for step in steps:
        step(talk)
    talk.hang_up()
    talk.settle()
    talk.check()
