"""The fleet's Redis, as GO or NO-GO sees it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ops.gonogo.run_contexts import findings_of, run_context
from tests.recognisers.on_reactor import on_reactor
from tests.redis_server import RedisServer
from voicestt.fleet.flag import FLAG_KEY, GIVE_ORDER
from voicestt.ops.gonogo.fleet_check import fleet_check
from voicestt.ops.gonogo.report import CheckOutcome, Finding
from voicestt.ops.gonogo.run_context import Where
from voicestt.ops.services import free_port


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), keeps=False) as server:
        yield server


async def found(folder: Path, where: Where = Where.STARTED, **variables: str) -> Finding:
    return (await findings_of([fleet_check(run_context(folder, where, **variables))]))["fleet.answers"]


@on_reactor
async def test_a_redis_that_answers_is_ok_and_an_order_off_is_said(redis: RedisServer, tmp_path: Path) -> None:
    finding = await found(tmp_path, FLEET_REDIS_URL=redis.url)
    assert (finding.outcome, finding.figure) == (CheckOutcome.OK, "processes in it now: 0")
    with redis.client() as client:
        client.eval(GIVE_ORDER.text, 1, FLAG_KEY, "off", "oren@ops")
    finding = await found(tmp_path, FLEET_REDIS_URL=redis.url)
    assert "its flag is off (voicestt flag off --fleet, by oren@ops" in finding.figure
    assert "flag clear --fleet" in finding.advice


@on_reactor
async def test_one_that_is_away_or_cannot_be_used_is_no_go(tmp_path: Path) -> None:
    away = await found(tmp_path, FLEET_REDIS_URL=f"redis://:secret@127.0.0.1:{free_port()}/0")
    assert away.outcome is CheckOutcome.FAILED
    assert "secret" not in away.figure + away.advice
    wrong = await found(tmp_path, FLEET_REDIS_URL="redis://127.0.0.1/0?db=x")
    assert (wrong.outcome, wrong.figure) == (CheckOutcome.FAILED, "it cannot be used")


@on_reactor
async def test_where_there_is_none_or_it_cannot_be_seen_it_says_so(tmp_path: Path) -> None:
    assert "there is none" in (await found(tmp_path)).figure
    seen = await found(tmp_path, Where.PUBLIC, FLEET_REDIS_URL="redis://127.0.0.1/0")
    assert seen.outcome is CheckOutcome.UNSEEN
