"""Whatever order messages and failures come in: no more streams than the quota, and those that the rule allows."""

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fleet.lease_model import LeaseModel
from tests.redis_server import RedisServer
from voicestt.fleet.allotment import GRANT, LEASE_SECONDS, RELEASE, Allotment, LeaseGrant, LeaseRequest

LEASE_MS = LEASE_SECONDS * 1000


@dataclass
class Process:
    """A process that uses its allotment, and how many of its streams it had while it was alone."""

    name: str
    allotment: Allotment
    kept: int = 0
    answers: list[tuple[LeaseRequest, LeaseGrant]] = field(default_factory=list)


class Leases(RuleBasedStateMachine):
    """Three processes, a Redis that may forget all, and messages that are late, lost and out of order."""

    @initialize(quota=st.integers(1, 12))
    def begin(self, quota: int) -> None:
        self.now = 0.0
        self.made = 0
        self.quota = quota
        self.redis = LeaseModel()
        self.requests: list[tuple[Process, LeaseRequest]] = []
        self.processes = [self.new_process() for _ in range(3)]

    def new_process(self) -> Process:
        self.made += 1
        return Process(f"p{self.made}", Allotment(self.quota))

    @rule(seconds=st.floats(0.01, 12.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.look()

    @rule(which=st.integers(0, 2), calls=st.integers(1, 6))
    def calls_begin(self, which: int, calls: int) -> None:
        process = self.processes[which]
        for _ in range(calls):
            if not process.allotment.takes(self.now):
                process.allotment.waiting += 1
        self.look()

    @rule(which=st.integers(0, 2), calls=st.integers(1, 6))
    def calls_end(self, which: int, calls: int) -> None:
        allotment = self.processes[which].allotment
        for _ in range(min(calls, allotment.in_use)):
            allotment.give_back()
        allotment.waiting = 0
        self.look()

    @rule(which=st.integers(0, 2))
    def asks(self, which: int) -> None:
        process = self.processes[which]
        self.requests.append((process, process.allotment.ask(self.now)))

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), is_answered=st.booleans())
    def redis_hears(self, data: st.DataObject, is_answered: bool) -> None:
        process, request = self.requests.pop(data.draw(st.integers(0, len(self.requests) - 1)))
        grant = self.redis.grant(self.now * 1000, process.name, request, LEASE_MS)
        if is_answered:
            process.answers.append((request, grant))

    @rule(which=st.integers(0, 2), data=st.data())
    def answer_comes(self, which: int, data: st.DataObject) -> None:
        process = self.processes[which]
        if process.answers:
            process.allotment.answered(*process.answers.pop(data.draw(st.integers(0, len(process.answers) - 1))))
        self.look()

    @rule(which=st.integers(0, 2))
    def beats(self, which: int) -> None:
        """As it goes nearly always: asked, granted and answered at once."""
        process = self.processes[which]
        request = process.allotment.ask(self.now)
        process.allotment.answered(request, self.redis.grant(self.now * 1000, process.name, request, LEASE_MS))
        self.look()

    @rule()
    def redis_forgets(self) -> None:
        self.redis.forget()

    @rule(which=st.integers(0, 2))
    def is_killed(self, which: int) -> None:
        self.processes[which] = self.new_process()

    def look(self) -> None:
        for process in self.processes:
            allotment = process.allotment
            is_joined = allotment.is_joined(self.now)
            process.kept = min(process.kept, allotment.in_use) if is_joined else allotment.in_use

    @invariant()
    def no_more_streams_than_the_rule_allows(self) -> None:
        if not hasattr(self, "processes"):
            return
        used = sum(process.allotment.in_use for process in self.processes)
        kept = sum(process.kept for process in self.processes)
        assert used <= self.quota + kept, "more than the quota, and not because a process was alone"

    @invariant()
    def alone_is_no_more_than_its_share_or_what_it_had(self) -> None:
        for process in getattr(self, "processes", ()):
            assert process.allotment.limit(self.now) <= self.quota


Leases.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestLeases = Leases.TestCase


class Steady:
    """Four processes and a Redis that never fails."""

    def __init__(self, quota: int) -> None:
        self.now = 0.0
        self.redis = LeaseModel(since=-1e9)
        self.allotments = {f"p{number}": Allotment(quota) for number in range(4)}
        self.beat()

    def beat(self) -> None:
        for name, allotment in self.allotments.items():
            request = allotment.ask(self.now)
            allotment.answered(request, self.redis.grant(self.now * 1000, name, request, LEASE_MS))

    @property
    def in_use(self) -> int:
        return sum(allotment.in_use for allotment in self.allotments.values())


def test_with_a_redis_that_never_fails_the_quota_is_never_passed() -> None:
    chance, fleet = random.Random(15), Steady(40)
    for _ in range(3_000):
        fleet.now += 0.1
        allotment = chance.choice(list(fleet.allotments.values()))
        if chance.random() < 0.6:
            allotment.takes(fleet.now)
        elif allotment.in_use:
            allotment.give_back()
        if chance.random() < 0.2:
            fleet.beat()
        assert fleet.in_use <= 40


def test_all_of_the_quota_can_be_used_by_the_one_that_needs_it() -> None:
    fleet = Steady(40)
    first = fleet.allotments["p0"]
    first.waiting = 40
    for _ in range(3):
        fleet.beat()
        while first.takes(fleet.now):
            first.waiting -= 1
    assert first.in_use == 40, "what others have only at hand goes to whoever needs it"


def test_a_process_that_nobody_answers_uses_all_of_the_quota_and_later_its_share() -> None:
    lonely = Allotment(9)
    assert lonely.limit(0.0) == 9
    request = lonely.ask(0.0)
    lonely.answered(request, LeaseGrant(2, 0, 3, 0))
    assert lonely.limit(1.0) == 2
    assert lonely.limit(LEASE_SECONDS) == 3


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> object:
    with RedisServer(tmp_path_factory.mktemp("redis"), keeps=False) as server:
        yield server


def test_the_script_in_redis_grants_what_the_model_grants(redis: RedisServer, tmp_path: Path) -> None:
    """Leases that are over at once, that last, and those of a Redis that does not know all yet."""
    chance = random.Random(26)
    with redis.client() as client:
        for round_ in range(40):
            key, model = f"leases{round_}", LeaseModel(since=0.0)
            client.hset(key, "since", 0)
            numbers = dict.fromkeys("abc", 0)
            for _ in range(25):
                name = chance.choice("abc")
                numbers[name] += chance.choice((-1, 0, 1, 1, 1, 1))
                wanted, waiting = chance.randrange(20), chance.randrange(5)
                request = LeaseRequest(
                    max(0, numbers[name]), 20, chance.randrange(12), wanted, chance.randrange(9), waiting
                )
                lease = chance.choice((0, 1_000_000, 1_000_000, 10**14))
                reply = client.evalsha(client.script_load(GRANT.text), 1, key, name, *request, lease)
                assert LeaseGrant(*reply) == model.grant(time.time() * 1000, name, request, lease)
                if chance.random() < 0.1:
                    client.eval(RELEASE.text, 1, key, name)
                    model.release(name)
            assert client.pttl(key) > 0
