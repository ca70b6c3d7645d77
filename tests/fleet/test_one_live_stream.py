"""A model of the fleet: whatever order messages and failures come in, a call has one live stream."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis
from twisted.internet.task import Clock

from tests.fleet.simulated import STEP, SimulatedProcess, SimulatedRedis, SimulatedStream
from voicestt.fleet.call_scripts import LEASE_SECONDS

CALLS = ("CA1", "CA2")
SLOWEST = 2.0
"""A link that takes longer is taken for one that is cut (`ANSWER_SECONDS`)."""

indices = st.integers(0, 2)


class FleetOfThree(RuleBasedStateMachine):
    """Three processes with clocks of their own, and links that are slow, cut, or lose messages."""

    client: Redis

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.redis = SimulatedRedis(self.client, self.clock)
        self.processes: list[SimulatedProcess] = []
        self.both_since: dict[str, float] = {}
        self.killed: list[SimulatedStream] = []
        self.random = Random(0)
        self.slowest = 0.0
        self.started = 0

    @initialize(random=st.randoms(use_true_random=False))
    def begin(self, random: Random) -> None:
        self.random = random
        self.processes = [self.new_process() for _ in range(3)]

    def new_process(self) -> SimulatedProcess:
        self.started += 1
        shift = self.random.choice([0.0, 3600.0, -7.5])
        return SimulatedProcess(self.clock, self.redis, f"h:{self.started}:x", self.delay, shift)

    def delay(self) -> float:
        return self.random.random() * self.slowest

    @rule(slowest=st.sampled_from([0.0, 0.05, 0.5, SLOWEST]))
    def links_have_this_speed(self, slowest: float) -> None:
        self.slowest = slowest

    @rule(process=indices, call=st.sampled_from(CALLS), comes_back=st.booleans())
    def a_webhook_announces(self, process: int, call: str, comes_back: bool) -> None:
        self.processes[process].directory.announce(call, "+1", "+2", "AC1", comes_back=comes_back)

    @rule(process=indices, call=st.sampled_from(CALLS), must_be_known=st.booleans())
    def a_stream_comes(self, process: int, call: str, must_be_known: bool) -> None:
        self.processes[process].open(call, must_be_known=must_be_known)

    @precondition(lambda self: any(process.live for process in self.processes))
    @rule(data=st.data())
    def a_stream_ends(self, data: st.DataObject) -> None:
        live = [(process, stream) for process in self.processes for stream in process.live]
        process, stream = data.draw(st.sampled_from(live))
        process.close(stream)

    @rule(process=indices, loses=st.booleans())
    def messages_are_lost(self, process: int, loses: bool) -> None:
        self.processes[process].link.loses_messages = loses

    @rule(process=indices)
    def a_link_is_cut(self, process: int) -> None:
        self.processes[process].link.cut()

    @rule(process=indices)
    def a_link_heals(self, process: int) -> None:
        self.processes[process].link.heal()

    @rule(process=indices)
    def a_process_is_killed_and_another_started(self, process: int) -> None:
        self.killed += self.processes[process].live
        self.processes[process].kill()
        self.redis.links.remove(self.processes[process].link)
        self.processes[process] = self.new_process()

    @rule()
    def redis_loses_everything(self) -> None:
        self.redis.lose_all()

    @rule(seconds=st.sampled_from([STEP, 1.0, 4.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)
            self.look()

    def live(self, call: str, *, connected: bool) -> list[SimulatedStream]:
        processes = [each for each in self.processes if each.link.is_up or not connected]
        return [stream for process in processes for stream in process.live if stream.call_sid == call]

    @invariant()
    def look(self) -> None:
        for call in CALLS:
            if len(self.live(call, connected=True)) < 2:
                self.both_since.pop(call, None)
            else:
                since = self.both_since.setdefault(call, self.clock.seconds())
                assert self.clock.seconds() - since <= LEASE_SECONDS, f"two live streams of {call}"

    def teardown(self) -> None:
        """When all is well again, each call has the latest of its streams, and no other."""
        if not self.processes:
            return
        self.random = Random(0)  # hypothesis gives no more where an example was too long for it
        self.time_passes(3 * SLOWEST)  # what is asked is answered
        before = {call: self.live(call, connected=False) for call in CALLS}
        for process in self.processes:
            process.link.loses_messages = False
            process.link.heal()
        self.time_passes(LEASE_SECONDS + 3 * SLOWEST)
        for call in CALLS:
            after = self.live(call, connected=False)
            assert len(after) <= 1, f"two live streams of {call}"
            latest = max((stream.began for stream in before[call]), default=0.0) - SLOWEST
            if after:
                assert after[0].began >= latest
            elif before[call]:
                # A killed process still had the lease for a stream of that moment.
                assert any(each.began >= latest for each in self.killed if each.call_sid == call)
        for process in self.processes:
            process.directory.stop()


@contextmanager
def in_redis(client: Redis) -> Iterator[type[FleetOfThree]]:
    class Connected(FleetOfThree):
        pass

    Connected.client = client
    yield Connected


def test_never_two_live_streams_of_a_call_for_longer_than_a_lease(redis_client: Redis) -> None:
    with in_redis(redis_client) as machine:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=60,
                stateful_step_count=30,
                suppress_health_check=list(HealthCheck),
            ),
        )
