import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Logged
from tests.journal.made import eventually
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt.config.settings import BadSettings
from voicestt.page.gonogo_api import GoNoGoApi, examination_command
from voicestt.page.visit import PageError, PageReply


class Examined:
    """The two endpoints, with another program in the place of `voicestt gonogo`."""

    def __init__(self, program: str, environment: Any = dict, why_not: str | None = None) -> None:
        command = [sys.executable, "-c", program]
        self.api = GoNoGoApi(reactor, environment, lambda: 1_800_000_000.0, lambda: why_not, command)
        self._answers = {endpoint.method: endpoint.answer for endpoint in self.api.endpoints}

    async def run(self) -> PageReply:
        nobody: Any = None
        reply = await self._answers["POST"](nobody)
        assert isinstance(reply, PageReply)
        return reply

    async def show(self) -> dict[str, Any]:
        nobody: Any = None
        shown: Any = await self._answers["GET"](nobody)
        return dict(shown)

    async def report(self) -> dict[str, Any]:
        assert (await self.run()).code == 202
        await eventually(lambda: not self.api.is_running)
        return await self.show()


@on_reactor
async def test_the_last_report_is_shown_with_its_progress(logged: Logged) -> None:
    report = {"verdict": "NO-GO", "against": 1, "of": 2, "checks": []}
    program = f"import sys, os; print('ok  first', file=sys.stderr); print({json.dumps(report)!r}); sys.exit(1)"
    examined = Examined(program, lambda: {"PATH": "/usr/bin"})
    assert await examined.show() == {"running": False, "progress": [], "report": None, "at": None}
    shown = await examined.report()
    assert shown == {
        "running": False,
        "progress": ["ok  first"],
        "report": report,
        "at": "2027-01-15T08:00:00.000Z",
    }
    assert logged.matching("By the page: `voicestt gonogo` is over: NO-GO.")


@on_reactor
async def test_one_at_a_time_and_it_is_ended_with_the_server(tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    program = f"import sys, time, pathlib; pathlib.Path({str(mark)!r}).touch(); time.sleep(600)"
    examined = Examined(program)
    await examined.run()
    assert (await examined.show())["running"] is True
    with pytest.raises(PageError, match="An examination is running"):
        await examined.run()
    await eventually(mark.exists)
    examined.api.stop()
    await eventually(lambda: not examined.api.is_running)
    assert (await examined.show())["report"] is None


@on_reactor
async def test_a_run_that_says_anything_else_has_no_report() -> None:
    shown = await Examined("print('[1, 2'); raise SystemExit('it cannot start')").report()
    assert (shown["report"], shown["progress"]) == (None, ["it cannot start"])


@on_reactor
async def test_variables_that_cannot_be_read_are_said_in_words() -> None:
    def unreadable() -> dict[str, str]:
        raise BadSettings(["--env-file x: there is no such file"])

    with pytest.raises(PageError, match="no such file"):
        await Examined("", unreadable).run()


@on_reactor
async def test_a_server_that_refuses_calls_is_not_examined() -> None:
    with pytest.raises(PageError, match="Live calls come first"):
        await Examined("", why_not="the reactor is late").run()


def test_it_yields_to_live_calls() -> None:
    command = examination_command()
    assert command[-2:] == ["gonogo", "--json"]
    assert command[0].endswith("/nice")
    assert command[1:3] == ["-n", "19"]
    assert Path(command[3]).exists()
