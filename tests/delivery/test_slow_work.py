"""Slow work by one and by four workers of two machines, on events of two servers; figures: docs/redis.md."""

from pathlib import Path

import pytest

from tests.bench.slow_work import Work, is_in_order, run
from tests.recognisers.on_reactor import on_reactor
from tests.redis_server import RedisServer

WORK = Work(calls=12, events=10, milliseconds=5.0, lease=2.0)


@pytest.mark.parametrize(("workers", "kills"), [(1, False), (4, True)])
@on_reactor
async def test_each_call_is_worked_on_in_order_by_however_many_workers(
    tmp_path: Path, workers: int, kills: bool
) -> None:
    with RedisServer(tmp_path, keeps=False) as redis:
        done = await run(redis, tmp_path, WORK, workers, kills=kills)
    assert is_in_order(done, WORK)
    assert done.repeats <= (1 if kills else 0)
    assert sum(1 for ids in done.by_worker.values() if ids) == workers
