"""Three processes and a Redis: one command rolls all back, a quota is theirs together, and no word is lost."""

import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.rig import PATIENCE, Server, running_server, scripted_google, until
from tests.end_to_end.test_rollback import (
    EVERY_WORD,
    LENGTH,
    SCRIPT,
    Said,
    flag,
    hear_final,
    hear_partial,
    streams,
    words_of_finals,
)
from tests.end_to_end.twilio_line import TwilioLine
from tests.redis_server import RedisServer
from voicestt.emulators.google.service import LocalGoogle
from voicestt.fleet.port import fleet_key
from voicestt.ops.fleet.console import fleet_console
from voicestt.ops.services import beside_python

STREAMS = fleet_key("streams")


QUOTA = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fleet")


@pytest.fixture(scope="module")
def google() -> Iterator[LocalGoogle]:
    with scripted_google(SCRIPT) as service:
        yield service


@pytest.fixture(scope="module")
def redis(folder: Path) -> Iterator[RedisServer]:
    (folder / "redis").mkdir()
    with RedisServer(folder / "redis", keeps=False) as server:
        yield server


@contextmanager
def members(folder: Path, google: LocalGoogle, redis: RedisServer, *names: str) -> Iterator[list[Server]]:
    """Processes of the fleet, which are started at the same time."""

    def start(name: str) -> Server:
        (folder / name).mkdir()
        settings = {"VOICESTT_SOCKET": str(folder / name / "s"), "STT_BATCH_MS": "100"}
        fleet = {"FLEET_REDIS_URL": redis.url, "GCP_STT_STREAMS": str(QUOTA)}
        return stack.enter_context(running_server(folder / name, google.port, **settings, **fleet))

    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        yield list(pool.map(start, names))


@pytest.fixture(scope="module")
def fleet(folder: Path, google: LocalGoogle, redis: RedisServer) -> Iterator[list[Server]]:
    with members(folder, google, redis, "one", "two", "three") as servers:
        yield servers


@pytest.fixture(autouse=True)
def _redis_knows_all(redis: RedisServer) -> None:
    """It need not wait for others to say what they hold: there are no others."""
    with redis.client() as client:
        client.hset(STREAMS, "since", 0)


def listed(server: Server) -> list[dict[str, object]]:
    with fleet_console(server.environment) as console:
        return [member.json for member in console.members]


Calls = list[tuple[Server, TwilioLine, Said]]


def calls_to(fleet: Sequence[Server], stack: ExitStack, seed: int) -> Calls:
    """Two calls to each process, which have their leases and are being streamed in the middle of an utterance."""
    lines = [(server, stack.enter_context(TwilioLine(server.target))) for server in [*fleet, *fleet]]
    calls = [(server, line, Said(line, number)) for number, (server, line) in enumerate(lines, seed)]
    until(lambda: [leases(server)["in_use"] for server in fleet] == [2] * len(fleet), "all have a lease")
    for _, _, said in calls:
        said.up_to(1.9)
    for server, line, _ in calls:
        hear_partial(server, line.sids.call, "0.3")
    return calls


def recovered(server: Server, call: str) -> bool:
    return any(event["kind"] == "recovered" for event in server.events(call))


def leases(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.health()["streams"]
    return found


def test_one_command_rolls_all_processes_back_and_every_word_comes_once(
    fleet: list[Server], google: LocalGoogle, redis: RedisServer, folder: Path
) -> None:
    with ExitStack() as stack:
        calls = calls_to(fleet, stack, 60)
        said = fleet[0].asked("flag", "off", "--fleet")
        assert "The fleet's flag is off (voicestt flag off --fleet, by " in said
        assert "3 of 3 processes have followed." in said
        for server in fleet:
            (told,) = server.saying("ENABLE_STREAMING_STT=False (voicestt flag off --fleet, by ")
            assert "2 live calls leave streaming with their audio" in told
        opened = streams(google)
        for _, _, audio in calls:
            audio.up_to(4.4)
        for server, line, _ in calls:
            hear_final(server, line.sids.call, "0.7")

        (late,) = stack.enter_context(members(folder, google, redis, "late"))
        messages = late.messages
        order = next(at for at, each in enumerate(messages) if "ENABLE_STREAMING_STT=False (voicestt flag" in each)
        assert order < next(at for at, each in enumerate(messages) if "Listening on" in each)
        assert "kept for later, the fleet's flag is off" in flag(fleet[0], "on")
        assert streams(google) == opened

        redis.kill()  # it had no disk: it comes back without a memory
        fleet[1].wait_for("joins this process to the fleet, does not answer")
        assert "2 live calls return to streaming" in flag(fleet[1], "on")
        redis.start()
        fleet[1].wait_for("ENABLE_STREAMING_STT=False (voicestt flag off --fleet, by ", 2)
        assert "The fleet's flag is off" in fleet[2].asked("flag", "show", "--fleet")

        until(lambda: len(listed(late)) == 4, "all are in the fleet again")
        assert "4 of 4 processes have followed." in late.asked("flag", "--fleet", "clear")
        for server in fleet:
            server.wait_for("ENABLE_STREAMING_STT=True (voicestt flag clear --fleet, by ")
        for _, line, audio in calls:
            audio.up_to(LENGTH)
            assert line.hang_up() == 1000
        for server in fleet:
            server.wait_for("Call ended:", 2)
            assert "NOT RECOGNISED" not in server.output
            assert "Traceback" not in server.output
        for server, line, _ in calls:
            assert words_of_finals(server, line.sids.call) == EVERY_WORD


def test_the_quota_is_the_fleets_and_a_call_streams_when_another_has_ended(fleet: list[Server]) -> None:
    other = fleet[0]
    with ExitStack() as stack:
        calls = calls_to(fleet, stack, 70)
        with TwilioLine(other.target) as line:
            call, said = line.sids.call, Said(line, 80)
            other.wait_for(f"no stream is left: all {QUOTA} streams of GCP_STT_STREAMS are in use")
            said.up_to(4.0)
            hear_final(other, call, "0.7")
            assert other.texts("partial", call) == []
            assert "1 calls are not streamed" in " ".join(other.health()["reasons"])
            server, leaving, _ = calls[1]
            assert server is not other
            leaving.hang_up()
            until(lambda: recovered(other, call), "it is streamed")
            said.up_to(5.9)
            hear_partial(other, call, "1.2")
            said.up_to(LENGTH)
            line.hang_up()
        until(lambda: words_of_finals(other, call) == EVERY_WORD, "every word, once")


def test_the_fleet_is_listed_and_one_of_its_processes_drained_from_anywhere(fleet: list[Server]) -> None:
    with TwilioLine(fleet[1].target) as line:
        Said(line, 80).up_to(1.9)
        until(lambda: sorted(str(each.get("calls")) for each in listed(fleet[0])) == ["0", "0", "1"], "a call")
        members = listed(fleet[0])
        assert {each["pid"] for each in members} == {server.process.pid for server in fleet}
        assert {each["flag"] for each in members} == {True}
        assert {each["journal"] for each in members} == {"ok"}
        host = str(members[0]["host"])
        assert len(fleet[0].asked("fleet", "--json").splitlines()) == 3
        table = fleet[0].asked("fleet")
        assert "HOST" in table
        assert table.count(host) == 3
        assert "each process follows its own settings" in table

    drained = fleet[2]
    outcome = fleet[0].asked("fleet", "drain", f"{host}:{drained.process.pid}")
    assert f"pid {drained.process.pid}: " in outcome
    drained.process.wait(PATIENCE)
    assert drained.saying("voicestt fleet drain, by ")
    until(lambda: len(listed(fleet[0])) == 2, "it has left")
    wrong = subprocess.run(
        [beside_python("voicestt"), "fleet", "drain", "nowhere"],
        env=dict(fleet[0].environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert wrong.returncode == 1
    assert "No process of the fleet runs on nowhere" in wrong.stderr
