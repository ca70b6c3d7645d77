"""The supervisor with real processes, which only speak the protocol; the server's own are in tests/end_to_end."""

import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.conftest import Logged
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from tests.server.fakes import ENVIRONMENT
from voicestt.config.env_file import EnvironmentFile
from voicestt.config.settings import Settings
from voicestt.workers.process import CommandLine
from voicestt.workers.supervisor import Supervisor, SupervisorOptions
from voicestt.workers.wire import Relayed

SETTINGS = replace(Settings.from_environment(ENVIRONMENT), workers=2, shutdown_seconds=0.0)
PROGRAM = str(Path(__file__).with_name("a_worker.py"))


class Reactor:
    """The reactor of the tests, which a supervisor must not stop."""

    def __init__(self) -> None:
        self.stops = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def stop(self) -> None:
        self.stops += 1


class Control:
    """A control socket that nobody can reach."""

    def __init__(self, answers: Any) -> None:
        self.answers = answers
        self.is_open = False

    def start(self) -> None:
        self.is_open = True

    async def stop(self) -> None:
        self.is_open = False


class Rig:
    """A supervisor of processes that behave in some way; `said` is what they wrote."""

    def __init__(
        self,
        behaviour: str,
        *,
        reloads: bool = False,
        file: Path | None = None,
        endpoint: str = "tcp:0:interface=127.0.0.1",
    ) -> None:
        self.reactor = Reactor()
        self.said: list[str] = []
        self.failed = 0
        command = [sys.executable, "-S", "-E", PROGRAM, behaviour]
        environ = {"PATH": os.defpath, "LISTEN_FDS": "1"}
        options = SupervisorOptions(
            settings=SETTINGS,
            endpoints=[endpoint],
            line=lambda: CommandLine(command, environ, lambda lines: self.said.append(lines.decode())),
            reloads=reloads,
            read_again=EnvironmentFile(str(file), dict(ENVIRONMENT), {}).read_again if file else None,
            control=self._control,
            failed=self._fail,
        )
        made: Any = self.reactor
        self.supervisor = Supervisor(made, options)

    def _control(self, answers: Any) -> Control:
        self.control = Control(answers)
        return self.control

    def _fail(self) -> None:
        self.failed += 1

    def heard(self, words: str) -> list[str]:
        return [line for line in "".join(self.said).splitlines() if words in line]


async def until(found: Callable[[], Any]) -> Any:
    """Return what is found, once something is."""
    for _ in range(1_500):
        if result := found():
            return result
        await deferLater(reactor, 0.02)
    raise AssertionError("not so within 30 s")


@asynccontextmanager
async def supervised(behaviour: str, **options: Any) -> AsyncIterator[Rig]:
    rig = Rig(behaviour, **options)
    rig.supervisor.startService()
    try:
        yield rig
    finally:
        await soon(rig.supervisor.stopService())
        assert not rig.control.is_open


def ready(logged: Logged, count: int) -> Callable[[], bool]:
    return lambda: len(logged.matching("is ready.")) >= count


async def asked(rig: Rig, word: bytes) -> dict[str, Any]:
    answer: Deferred[Any] = rig.control.answers(word)
    return dict(await soon(answer))


@on_reactor
async def test_workers_get_the_sockets_hear_what_is_said_and_answer_together(logged: Logged) -> None:
    async with supervised("well") as rig:
        await until(ready(logged, 2))
        assert len(rig.heard("has sockets [1]")) == 2
        answer = await asked(rig, b"show")
        assert answer["live_calls"] == 4
        assert answer["message"].splitlines() == ["worker 1: done", "worker 2: done"]
        gathered: Any = await soon(rig.supervisor.asked("health", 9.0))
        assert gathered["workers"] == {"1": None, "2": None}
        assert gathered["crew"]["phases"] == {"1": "ready", "2": "ready"}
        rig.supervisor.hear("1", Relayed("announced", {"call_sid": "CA1"}))
        await until(lambda: rig.heard('"CA1"'))
        assert [line.split()[1] for line in rig.heard('"CA1"')] == ["2"]
        rig.supervisor.hang_up()
        await until(lambda: len(rig.heard('"hang-up"')) == 2)
    assert len(rig.heard('"stop"')) == 2


@on_reactor
async def test_one_that_is_killed_is_replaced_with_the_flag_as_it_was_turned(logged: Logged) -> None:
    async with supervised("well") as rig:
        await until(ready(logged, 2))
        await asked(rig, b"off")
        pid = re.findall(r"Worker 1 is started: process (\d+)", "\n".join(logged.lines))[0]
        os.kill(int(pid), 9)
        await until(ready(logged, 3))
        assert logged.matching(f"Worker 1 died (process {pid}, signal 9)")
        assert rig.heard(f'"pid":{pid}')[0].startswith("worker 2 hears")
        gathered: Any = await soon(rig.supervisor.asked("health", 9.0))
        assert gathered["workers"] == {"1": False, "2": None}
        assert gathered["crew"]["restarts"] == 1


@on_reactor
async def test_a_flag_that_one_worker_turned_is_remembered_and_a_drain_of_one_stops_all(logged: Logged) -> None:
    async with supervised("well") as rig:
        await until(ready(logged, 2))
        rig.supervisor.hear("2", Relayed("pass on", {"kind": "flag"}))
        await until(lambda: rig.heard('"kind":"flag"'))
        assert (await asked(rig, b"drain"))["message"].endswith("live calls: 4")
        await until(lambda: rig.reactor.stops)
        rig.supervisor.hear("2", Relayed("drain", {}))
        assert rig.reactor.stops == 2


@on_reactor
async def test_a_question_of_one_is_for_all(logged: Logged) -> None:
    async with supervised("well") as rig:
        await until(ready(logged, 2))
        rig.supervisor.hear("2", Relayed("ask", {}))
        reply = await until(lambda: rig.heard('"type":"reply"'))
        assert '"workers":{"1":null,"2":null}' in reply[0]


@on_reactor
async def test_workers_that_end_before_any_was_ready_are_a_server_that_cannot_start(logged: Logged) -> None:
    async with supervised("dies") as rig:
        await until(lambda: rig.reactor.stops)
        assert rig.failed == 1
        [words] = logged.flush_critical()
        assert "exit code 3" in words


@on_reactor
async def test_new_workers_take_over_and_bad_ones_do_not(logged: Logged, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("ENABLE_STREAMING_STT=false\nWEB_CONCURRENCY=2\n")
    behaviour = tmp_path / "well"
    async with supervised(str(behaviour), reloads=True, file=file) as rig:
        await until(ready(logged, 2))
        bad = tmp_path / "well.bad"
        bad.touch()
        rig.supervisor.hang_up()
        await until(lambda: logged.matching("the reload is given up"))
        bad.unlink()
        file.write_text("ENABLE_STREAMING_STT=false\nWEB_CONCURRENCY=1\n")
        await until(lambda: len(logged.matching("is gone: ")) == 2)
        rig.supervisor.hang_up()
        await until(lambda: logged.matching("The new workers are ready"))
        await until(lambda: len(logged.matching("is gone")) == 4)
        gathered: Any = await soon(rig.supervisor.asked("health", 9.0))
        assert list(gathered["workers"].values()) == [False], "the file's flag"
        file.write_text("PORT=no number\n")
        rig.supervisor.hang_up()
        await until(lambda: rig.heard('"hang-up"'))
        assert logged.matching("no worker is replaced")


@on_reactor
async def test_one_that_hangs_at_its_stop_is_killed(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicestt.workers.supervisor.KILL_SECONDS", 0.3)
    async with supervised("hangs"):
        await until(ready(logged, 2))
    assert len(logged.matching("takes too long (leaving): it is killed")) == 2


@on_reactor
async def test_workers_that_still_start_are_ended_at_a_stop(logged: Logged) -> None:
    async with supervised("well"):
        await until(lambda: len(logged.matching("is started: process")) == 2)
    assert len(logged.matching("is gone: ")) == 2


@on_reactor
async def test_a_process_that_cannot_be_started_is_said_and_gives_up(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_arguments: object, **_options: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(reactor, "spawnProcess", no_memory)
    async with supervised("well") as rig:
        await until(lambda: rig.reactor.stops)
    assert logged.matching("could not be started: [Errno 12] Cannot allocate memory")
    assert logged.flush_critical()


@on_reactor
async def test_a_port_that_is_taken_is_a_server_that_cannot_start(logged: Logged) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with supervised("well", endpoint=f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1") as rig:
            await until(lambda: rig.reactor.stops)
        assert rig.failed == 1
        assert "The server could not start" in logged.flush_critical()[0]
