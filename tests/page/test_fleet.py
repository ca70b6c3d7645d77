"""The page in a fleet, on a real Redis."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Logged
from tests.journal.made import eventually
from tests.recognisers.on_reactor import on_reactor, reactor
from tests.redis_server import RedisServer
from tests.server.fakes import settings_of
from voicestt.page.fleet_api import FlagApi, FleetApi
from voicestt.page.visit import PageError, Role, Visit
from voicestt.recognisers.modes import Flag
from voicestt.runtime.deadline import Deadline
from voicestt.server.call_counts import ActiveCalls
from voicestt.server.control.flag import FlagSwitch
from voicestt.server.fleet_member import FleetMember


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, keeps=False) as server:
        yield server


class Process:
    """A member of the fleet, and what its page answers."""

    def __init__(self, redis: RedisServer) -> None:
        self.member = FleetMember(reactor, settings_of(FLEET_REDIS_URL=redis.url), lambda: "")
        flag = Flag(True)
        self.switch: FlagSwitch = self.member.switch_of(flag, ActiveCalls(flag))
        apis = (FlagApi(reactor, self.switch, self.member.fleet), FleetApi(self.member.fleet))
        self._answers = {(each.method, each.path): each.answer for api in apis for each in api.endpoints}

    async def ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        nobody: Any = None
        answer: Any = await self._answers[method, path](Visit(nobody, Role.ACT, "", 0.0, {}, body))
        return dict(answer)


@on_reactor
async def test_the_page_of_one_process_shows_and_turns_the_flag_of_all(redis: RedisServer, logged: Logged) -> None:
    one, other = Process(redis), Process(redis)
    for each in (one, other):
        await each.member.start()
    await eventually(lambda: one.member.fleet.processes == 2)
    shown = (await one.ask("GET", "/api/fleet"))["processes"]
    assert len(shown) == 2
    assert json.dumps(shown)
    turned = await one.ask("POST", "/api/flag", streaming=False)
    assert (turned["streaming"], turned["moved"]) == (False, 0)
    assert "for the fleet" in turned["message"]
    await eventually(lambda: not other.switch.state.is_on)
    state = await other.ask("GET", "/api/flag")
    assert (state["streaming"], state["processes"], "the page" in state["ordered"]) == (False, 2, True)
    for each in (one, other):
        await each.member.stop(Deadline(reactor, 5))
    with pytest.raises(PageError, match="Redis does not answer"):
        await one.ask("GET", "/api/fleet")
