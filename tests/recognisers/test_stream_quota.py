"""A call without a lease loses no word: it begins with single requests, says why, and streams when it gets one."""

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recognisers.simulated import NO_ROUTE, SECOND, WORDS, Manner
from tests.recognisers.test_fallback import PAUSE_AFTER_THREE, STEPS, Conversation, Step, _voicing
from voicestt.recognisers.fallback import SWITCHED_OFF
from voicestt.recognisers.modes import Flag
from voicestt.recognisers.stream_quota import NO_STREAM_LEFT, NoQuota

__all__ = ["_voicing"]  # a fixture


class Pool:
    """So many leases, for whoever comes first."""

    reason = "all are in use"

    def __init__(self, free: int) -> None:
        self.free = free
        self.waiting: deque[Callable[[], object]] = deque()

    def take(self) -> bool:
        if self.free:
            self.free -= 1
            return True
        return False

    def give_back(self) -> None:
        self.free += 1
        self.serve()

    def wait(self, came: Callable[[], object]) -> Callable[[], None]:
        self.waiting.append(came)
        return lambda: self.waiting.remove(came) if came in self.waiting else None

    def serve(self) -> None:
        while self.free and self.waiting:
            self.free -= 1
            self.waiting.popleft()()


def ended(talk: Conversation) -> None:
    talk.hang_up()
    talk.check()
    talk.check_words()


def test_a_call_that_has_a_lease_streams_and_gives_it_back_with_its_last_word() -> None:
    pool = Pool(1)
    talk = Conversation(quota=pool)
    talk.speak_to(WORDS[1].end)
    assert talk.ear.partials
    assert pool.free == 0
    talk.session.finish()
    assert pool.free == 0, "its last words are still being streamed"
    ended(talk)
    assert pool.free == 1


def test_a_call_without_one_says_why_and_streams_between_two_utterances_when_one_is_free() -> None:
    pool = Pool(0)
    talk = Conversation(quota=pool)
    talk.speak_to(PAUSE_AFTER_THREE)
    talk.pass_time(0.5)
    assert talk.world.streams == []
    assert [(each.kind, each.why) for each in talk.changes] == [("degraded", NO_STREAM_LEFT + "all are in use")]
    pool.give_back()
    talk.speak_to(WORDS[4].end)
    assert [each.kind for each in talk.changes] == ["degraded", "recovered"]
    assert len(talk.world.streams) == 1
    ended(talk)
    assert pool.free == 1


def test_one_that_comes_in_a_moment_is_said_nothing_of() -> None:
    pool = Pool(0)
    talk = Conversation(quota=pool)
    talk.pass_time(0.1)
    pool.give_back()
    talk.speak_to(WORDS[3].end)
    assert talk.ear.partials
    assert talk.changes == []
    ended(talk)


def test_a_stream_that_fails_is_replaced_without_asking_the_quota() -> None:
    pool = Pool(1)
    talk = Conversation(quota=pool)
    talk.speak_to(SECOND)
    talk.fail(NO_ROUTE)
    talk.speak_to(12 * SECOND)
    assert len(talk.world.streams) > 2, "restarted, and rotated"
    assert talk.changes == []
    ended(talk)
    assert pool.free == 1


def test_the_flag_gives_all_leases_back_and_takes_them_again() -> None:
    pool, flag = Pool(2), Flag(is_on=True)
    talks = [Conversation(quota=pool, flag=flag) for _ in range(4)]
    for talk in talks:
        talk.speak_to(WORDS[1].end)
    assert pool.free == 0
    flag.turn(False)
    assert (pool.free, len(pool.waiting)) == (2, 0)
    assert [each.why for each in talks[3].changes] == [NO_STREAM_LEFT + "all are in use"]
    for talk in talks:
        talk.speak_to(PAUSE_AFTER_THREE)
    flag.turn(True)
    assert (pool.free, len(pool.waiting)) == (0, 2)
    for talk in talks:
        talk.speak_to(WORDS[7].end)
        talk.session.finish()
        talk.pass_time(10)
    assert pool.free == 2
    for talk in talks:
        talk.hang_up()
        talk.check_words()


def test_off_before_anything_was_said_of_it_is_said_as_what_it_is() -> None:
    talk = Conversation(quota=Pool(0))
    talk.flag.turn(False)
    assert [each.why for each in talk.changes] == [SWITCHED_OFF]
    talk.speak_to(3 * SECOND)
    ended(talk)


def test_the_call_that_gets_a_lease_in_an_outage_waits_for_the_service() -> None:
    pool = Pool(0)
    talk = Conversation(quota=pool)
    talk.world.manner = Manner(fails_after=0, error=NO_ROUTE)
    talk.health.doubt("UNAVAILABLE: away")
    pool.give_back()
    talk.pass_time(0.6)
    assert [each.why for each in talk.changes] == ["UNAVAILABLE: away"]
    talk.world.manner = Manner()
    talk.speak_to(8 * SECOND)
    assert [each.kind for each in talk.changes] == ["degraded", "recovered"]
    ended(talk)


@settings(max_examples=80)
@given(STEPS, st.booleans(), st.lists(st.integers(0, 13)), st.integers(0, 1))
def test_every_word_comes_once_and_every_lease_comes_back_whenever_there_is_one(
    steps: list[Step], is_on: bool, freed: list[int], free: int
) -> None:
    pool = Pool(free)
    talk = Conversation(is_on=is_on, quota=pool, recover_seconds=0.5)
    for number, step in enumerate(steps):
        step(talk)
        if number in freed:
            pool.give_back()
            free += 1
        talk.check_account()
    ended(talk)
    assert (pool.free, len(pool.waiting)) == (free, 0)


def test_without_a_quota_there_is_always_one() -> None:
    quota, came = NoQuota(), []
    assert quota.take()
    quota.wait(lambda: came.append(True))()
    assert came == [True]
    quota.give_back()


@pytest.mark.parametrize("way", ["abort", "give_up"])
def test_a_call_that_is_cut_gives_its_lease_back_once(way: str) -> None:
    pool = Pool(1)
    talk = Conversation(quota=pool)
    talk.speak_to(SECOND)
    getattr(talk.session, way)()
    getattr(talk.session, way)()
    assert pool.free == 1
