"""Two hosts of two workers each, Redis and PostgreSQL on a third: what breaks costs no word and ends no call."""

import socket
from pathlib import Path

import pytest

from tests.bench.fleet_proof import KILLED, Result, proved
from tests.bench.hosts import LoopbackHosts
from tests.recognisers.on_reactor import on_reactor, reactor

CALLS = 8
PARTS = ("redis-cut", "rollback", "worker")
SHORT = {"longest": 30.0, "before": 1.5, "disturbed": 6.0, "after": 0.5}


def check(result: Result) -> None:
    """Nobody was hung up on, and every word came once, but those of a gap."""
    assert result.ended == 0, [outcome.report.problems for outcome in result.outcomes]
    assert result.lost == []
    assert result.doubled == 0
    assert all(len(outcome.said) > 5 for outcome in result.outcomes)
    assert "Traceback" not in "".join(result.lines)


@on_reactor
async def test_a_redis_that_is_cut_off_a_rollback_and_a_killed_worker_cost_the_fleet_no_word(
    tmp_path: Path,
) -> None:
    cut, rollback, worker = await proved(reactor, tmp_path, CALLS, PARTS, **SHORT)
    for result in (cut, rollback, worker):
        check(result)
    assert worker.killed < CALLS
    assert all(not outcome.missing or KILLED in outcome.reasons for outcome in worker.outcomes)
    assert sum(len(outcome.missing) for outcome in (*cut.outcomes, *rollback.outcomes)) == 0
    assert any("joins this process to the fleet, does not answer" in line for line in cut.lines)
    assert any("this process is in the fleet again" in line for line in cut.lines)
    assert any("the fleet's Redis has been away" in reason for reason in cut.reasons)
    assert any("leave streaming with their audio" in line for line in rollback.lines)


def test_where_namespaces_cannot_be_made_a_way_that_is_cut_is_silent_and_loses_nothing() -> None:
    hosts = LoopbackHosts("this test wants it")
    try:
        with socket.create_server((hosts.address("redis"), 0)) as server:
            way, _, port = hosts.way("one", "redis", server.getsockname()[1]).partition(":")
            with socket.create_connection((way, int(port))) as near:
                far, _ = server.accept()
                far.settimeout(0.2)
                hosts.cut("one", "redis")
                near.sendall(b"said while it was cut")
                with pytest.raises(TimeoutError):
                    far.recv(100)
                hosts.mend("one", "redis")
                far.settimeout(20)
                assert far.recv(100) == b"said while it was cut"
                far.close()
    finally:
        hosts.close()
    assert (hosts.address("one"), hosts.address("two"), way) == ("127.0.0.2", "127.0.0.3", "127.0.0.2")
