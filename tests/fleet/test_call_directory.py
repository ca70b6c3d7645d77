"""The fleet's registry of calls: its real scripts in a real Redis, in simulated time."""

import pytest
from redis import Redis
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.fleet.simulated import SimulatedProcess, SimulatedRedis, let_pass
from voicestt.fleet.call_leases import RENEW_SECONDS, WAIT_SECONDS
from voicestt.fleet.call_scripts import KEPT_MS, LEASE_SECONDS, Claim, claim_of, key_of

CALLER, CALLED = "+972501234567", "+972771234567"


class SimulatedFleet:
    """Three processes."""

    def __init__(self, client: Redis) -> None:
        self.clock = Clock()
        self.delay = 0.0
        self.redis = SimulatedRedis(client, self.clock)
        self.one, self.two, self.three = (
            SimulatedProcess(self.clock, self.redis, name, lambda: self.delay, shift)
            for name, shift in (("h:1:a", 0.0), ("h:2:b", 5000.0), ("i:3:c", -70.0))
        )

    def announce(self, process: SimulatedProcess, call_sid: str = "CA1", *, comes_back: bool = False) -> None:
        process.directory.announce(call_sid, CALLER, CALLED, "AC1", comes_back=comes_back)
        self.go()

    def claims(
        self, process: SimulatedProcess, call_sid: str = "CA1", *, must_be_known: bool = False
    ) -> Claim | None:
        stream = process.open(call_sid, must_be_known=must_be_known)
        self.go()
        (claim,) = stream.claims
        return claim

    def go(self, seconds: float = 0.3) -> None:
        let_pass(self.clock, seconds)


@pytest.fixture
def fleet(redis_client: Redis) -> SimulatedFleet:
    return SimulatedFleet(redis_client)


def verdict(claim: Claim | None) -> str:
    return "none" if claim is None else claim.verdict


def test_a_webhook_on_one_machine_and_the_socket_on_another_find_each_other(fleet: SimulatedFleet) -> None:
    fleet.announce(fleet.one, comes_back=True)
    claim = fleet.claims(fleet.two, must_be_known=True)
    assert claim is not None
    assert (claim.verdict, claim.caller, claim.called, claim.account_sid) == ("ok", CALLER, CALLED, "AC1")
    assert claim.is_announced
    assert claim.comes_back


def test_numbers_are_in_redis_until_the_socket_has_come_and_in_no_repr(
    fleet: SimulatedFleet, redis_client: Redis
) -> None:
    fleet.announce(fleet.one)
    assert redis_client.hget(key_of("CA1"), "from") == CALLER.encode()
    claim = fleet.claims(fleet.two)
    assert CALLER not in repr(claim)
    assert redis_client.hmget(key_of("CA1"), "from", "to") == [None, None]
    assert 0 < redis_client.pttl(key_of("CA1")) <= KEPT_MS


def test_an_announcement_is_used_once_wherever_the_sockets_come(fleet: SimulatedFleet) -> None:
    fleet.announce(fleet.one)
    assert verdict(fleet.claims(fleet.two, must_be_known=True)) == "ok"
    assert verdict(fleet.claims(fleet.three, must_be_known=True)) == "live"
    fleet.two.close(fleet.two.live[0])
    fleet.go()
    assert verdict(fleet.claims(fleet.one, must_be_known=True)) == "used"
    fleet.announce(fleet.three, comes_back=True)
    assert verdict(fleet.claims(fleet.one, must_be_known=True)) == "ok"


def test_what_was_not_announced_or_for_another_account_is_refused_where_it_must_be_known(
    fleet: SimulatedFleet,
) -> None:
    assert verdict(fleet.claims(fleet.one, must_be_known=True)) == "unknown"
    fleet.one.directory.announce("CA2", None, None, "AC2", comes_back=False)
    assert verdict(fleet.claims(fleet.two, "CA2", must_be_known=True)) == "account"
    assert verdict(fleet.claims(fleet.two, "CA3")) == "ok"


def test_a_later_stream_takes_the_call_over_and_the_older_one_is_told_at_once(fleet: SimulatedFleet) -> None:
    old = fleet.one.open("CA1")
    fleet.go(1)
    new = fleet.two.open("CA1")
    fleet.go()
    assert (old.is_live, new.is_live) == (False, True)
    assert fleet.one.directory.counts.displaced == 1


def test_where_the_message_is_lost_the_older_one_finds_out_when_it_renews(fleet: SimulatedFleet) -> None:
    old = fleet.one.open("CA1")
    fleet.go(1)
    fleet.two.link.loses_messages = True
    new = fleet.two.open("CA1")
    fleet.go(RENEW_SECONDS)
    assert (old.is_live, new.is_live) == (False, True)


def test_of_two_streams_of_one_millisecond_one_stays_though_no_message_arrives(fleet: SimulatedFleet) -> None:
    for process in (fleet.one, fleet.two):
        process.link.loses_messages = True
    streams = [fleet.one.open("CA1"), fleet.two.open("CA1")]
    fleet.go(3 * RENEW_SECONDS)
    assert [stream.is_live for stream in streams] == [False, True]


def test_without_redis_a_call_waits_for_nothing_and_is_made_known_when_it_is_back(
    fleet: SimulatedFleet, logged: Logged
) -> None:
    old = fleet.two.open("CA1")
    fleet.go(1)
    fleet.one.link.cut()
    new, another = fleet.one.open("CA1"), fleet.one.open("CA2")
    assert new.claims == another.claims == [None]
    assert len(logged.matching("Redis did not say")) == 1
    fleet.go(20)
    assert old.is_live
    fleet.one.link.heal()
    fleet.go()
    assert (old.is_live, new.is_live) == (False, True)


def test_a_redis_that_hangs_is_waited_for_a_fifth_of_a_second(fleet: SimulatedFleet) -> None:
    fleet.announce(fleet.two)
    fleet.delay = 0.7
    stream = fleet.one.open("CA1")
    fleet.clock.advance(WAIT_SECONDS - 0.01)
    assert stream.claims == []
    fleet.clock.advance(0.01)
    assert stream.claims == [None]
    fleet.go(3)
    assert stream.is_live
    assert fleet.one.directory.counts.unanswered == 1


def test_a_late_no_ends_a_stream_that_had_begun_but_not_that_nobody_has_announced_it(
    fleet: SimulatedFleet,
) -> None:
    fleet.announce(fleet.two)
    assert verdict(fleet.claims(fleet.two, must_be_known=True)) == "ok"
    fleet.delay = 0.7
    replayed = fleet.one.open("CA1", must_be_known=True)
    unknown = fleet.one.open("CA9", must_be_known=True)
    fleet.go(3)
    assert replayed.claims == unknown.claims == [None]
    assert (replayed.is_live, unknown.is_live) == (False, True)


def test_an_announcement_is_told_when_redis_is_back_and_again_if_it_lost_it(fleet: SimulatedFleet) -> None:
    fleet.one.link.cut()
    fleet.announce(fleet.one)
    fleet.one.link.heal()
    fleet.go()
    assert verdict(fleet.claims(fleet.two, must_be_known=True)) == "ok"
    fleet.announce(fleet.one, "CA2")
    fleet.one.link.cut()
    fleet.redis.lose_all()
    fleet.one.link.heal()
    fleet.go()
    assert verdict(fleet.claims(fleet.two, "CA2", must_be_known=True)) == "ok"


def test_what_is_told_again_is_not_announced_anew(fleet: SimulatedFleet) -> None:
    fleet.announce(fleet.one)
    assert verdict(fleet.claims(fleet.two, must_be_known=True)) == "ok"
    fleet.one.link.cut()
    fleet.one.link.heal()
    fleet.go()
    assert verdict(fleet.claims(fleet.three, must_be_known=True)) == "live"


def test_a_call_that_was_hung_up_is_taken_nowhere(fleet: SimulatedFleet) -> None:
    fleet.one.directory.note_hang_up("CA1")
    fleet.go()
    answers: list[bool] = []
    for process, call_sid in ((fleet.two, "CA1"), (fleet.two, "CA2")):
        process.directory.was_hung_up(call_sid).addCallback(answers.append)
    fleet.go()
    assert answers == [True, False]
    assert verdict(fleet.claims(fleet.three)) == "hung up"
    fleet.two.link.cut()
    fleet.two.directory.was_hung_up("CA1").addCallback(answers.append)
    assert answers[2:] == [False]


def test_a_status_goes_to_the_process_that_has_the_call_or_waits_for_it(fleet: SimulatedFleet) -> None:
    fleet.one.directory.note_status("CA1", "stream-started")
    fleet.go()
    claim = fleet.claims(fleet.two)
    assert claim is not None
    assert claim.statuses == ("stream-started",)
    fleet.three.directory.note_status("CA1", "stream-error")
    fleet.two.directory.note_status("CA1", "stream-stopped")  # its own: nobody is asked
    fleet.go()
    assert fleet.two.statuses == [("CA1", "stream-error")]
    assert fleet.one.statuses == fleet.three.statuses == []


def test_what_is_no_call_sid_is_told_to_nobody(fleet: SimulatedFleet, redis_client: Redis) -> None:
    for strange in ("", "C A", "CA\n", "C" * 65, "שלום"):
        fleet.one.directory.announce(strange, CALLER, CALLED, "AC1", comes_back=False)
        fleet.one.directory.note_status(strange, "stream-started")
        fleet.one.directory.note_hang_up(strange)
    fleet.go()
    assert [key for key in redis_client.keys("*") if key != b"simulated:now"] == []


def test_the_lease_of_a_killed_process_runs_out_and_its_call_has_no_owner(fleet: SimulatedFleet) -> None:
    fleet.one.open("CA1")
    fleet.go()
    fleet.one.kill()
    fleet.go(LEASE_SECONDS + 1)
    claim = fleet.claims(fleet.two)
    assert claim is not None
    assert (claim.verdict, claim.replaced_owner) == ("ok", "")


def test_messages_that_cannot_be_understood_are_ignored_in_words(fleet: SimulatedFleet, logged: Logged) -> None:
    for message in (b"", b"\xff", b"[]", b'{"call":1}'):
        fleet.two.link.publish("calls:h:1:a", message)
    fleet.go()
    assert len(logged.matching("was not understood, and ignored")) == 4


@pytest.mark.parametrize("reply", [None, 1, [b"ok"], [1] * 10, [b"ok", b"x", *[b""] * 8]])
def test_an_answer_that_is_none_is_an_error_in_words(reply: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        claim_of(reply)
