"""The commands of the fleet, with a real Redis, and processes that are not there but say so."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.redis_server import RedisServer
from voicestt.cli import main
from voicestt.fleet.flag import FLAG_KEY, GIVE_ORDER, order_of
from voicestt.fleet.membership import ALIVE_KEY, BEAT, MEMBERS_KEY
from voicestt.ops.fleet import console
from voicestt.ops.services import free_port

KEYS = [MEMBERS_KEY, ALIVE_KEY, FLAG_KEY]
STREAMS = {"quota": 9, "in_use": 3, "limit": 4, "waiting": 2, "is_alone": True}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), keeps=False) as server:
        yield server


@pytest.fixture(autouse=True)
def _empty(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(console.wait_for, "__defaults__", (0.3,))
    with redis.client() as client:
        client.flushall()


def beat(redis: RedisServer, instance: str, *, ago: float = 0.0, **about: object) -> None:
    """A process says how it is, or did so some seconds ago."""
    with redis.client() as client:
        client.eval(BEAT.text, 3, *KEYS, instance, json.dumps(about), 30_000, 0, "", "", 0)
        client.zincrby(ALIVE_KEY, -ago * 1000, instance)


def run(redis: RedisServer | None, *arguments: str, **environ: str) -> Result:
    known: Mapping[str, str] = {} if redis is None else {"FLEET_REDIS_URL": redis.url}
    cleared = {"REDIS_URL": "", "FLEET_REDIS_URL": "", "VOICESTT_ENV_FILE": ""}
    return CliRunner().invoke(main, list(arguments), env={**cleared, **known, **environ})


def test_all_processes_are_in_the_table_with_how_they_are(redis: RedisServer) -> None:
    beat(
        redis, "web-1:17:aa", version="1.2", since=0, calls=7, lag_ms=0.4, flag=True, journal="ok", streams=STREAMS
    )
    beat(redis, "web-2:18:bb", ago=12, flag=False, draining=True)
    done = run(redis, "fleet")
    head, one, two, last = done.output.splitlines()
    assert head.split()[:3] == ["HOST", "PID", "VERSION"]
    assert one.split("  ")[0] == "web-1"
    assert "1970-01-01 00:00:00" in one
    assert "3 of 4, 2 wait, alone" in one
    assert one.endswith("now")
    assert "silent for 12 s" in two
    assert last == (
        "The fleet has no flag: each process follows its own settings. Processes: 2, of these "
        "ENABLE_STREAMING_STT=True: 1."
    )


def test_as_json_a_process_is_a_line(redis: RedisServer) -> None:
    beat(redis, "web-1:17:aa", calls=7)
    (line,) = run(redis, "fleet", "--json").output.splitlines()
    assert json.loads(line) == {"host": "web-1", "pid": 17, "seen": pytest.approx(0, abs=5), "calls": 7}


def test_it_is_shown_again_and_again_until_it_is_stopped(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([None, None])

    def rest(_seconds: float) -> None:
        if next(looks, "end") == "end":
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", rest)
    assert run(redis, "fleet", "--watch").output.count("HOST") == 3


def test_an_order_that_a_process_does_not_follow_is_an_error_that_names_it(redis: RedisServer) -> None:
    beat(redis, "web-1:17:aa", order=2**53)
    beat(redis, "web-2:18:bb", order=0)
    done = run(redis, "flag", "off", "--fleet")
    assert done.exit_code == 1
    assert "1 of 2 processes have followed" in done.output
    assert "web-2, pid 18 has not" in done.output
    assert "`voicestt flag off` on their machines" in done.output
    with redis.client() as client:
        order = order_of(client.hmget(FLAG_KEY, "number", "state", "by", "at"))
    assert order is not None
    assert (order.is_on, "@" in order.by) == (False, True)


def test_a_process_that_is_silent_is_named_and_is_no_error(redis: RedisServer) -> None:
    beat(redis, "web-1:17:aa", ago=9, order=0)
    done = run(redis, "flag", "clear", "--fleet")
    assert done.exit_code == 0
    assert "0 of 1 processes have followed" in done.output
    assert "it said nothing for 9 s" in done.output


def test_the_order_is_shown(redis: RedisServer) -> None:
    with redis.client() as client:
        client.eval(GIVE_ORDER.text, 1, FLAG_KEY, "off", "oren@ops")
    shown = run(redis, "flag", "show", "--fleet").output
    assert shown.startswith("The fleet's flag is off (voicestt flag off --fleet, by oren@ops, 20")


def test_a_process_that_does_not_drain_is_an_error(redis: RedisServer) -> None:
    beat(redis, "web-1:17:aa", draining=False)
    done = run(redis, "fleet", "drain", "web-1")
    assert done.exit_code == 1
    assert "web-1, pid 17: has not answered" in done.output


def test_a_host_that_is_not_there_is_said_with_those_that_are(redis: RedisServer) -> None:
    assert "There are: none at all." in run(redis, "fleet", "drain", "web-9").output
    beat(redis, "web-1:17:aa")
    done = run(redis, "fleet", "drain", "web-9")
    assert (done.exit_code, "No process of the fleet runs on web-9. There are: web-1." in done.output) == (1, True)


def test_where_there_is_no_fleet_it_says_so() -> None:
    done = run(None, "fleet")
    assert done.exit_code == 1
    assert "There is no fleet" in done.output


def test_a_wrong_address_is_said_and_not_shown() -> None:
    done = run(None, "fleet", FLEET_REDIS_URL="http://user:secret@host")
    assert done.exit_code == 1
    assert "FLEET_REDIS_URL is not redis://HOST" in done.output
    assert "secret" not in done.output


def test_a_redis_that_is_away_is_said_with_what_to_do() -> None:
    done = run(None, "flag", "off", "--fleet", FLEET_REDIS_URL=f"redis://:secret@127.0.0.1:{free_port()}/0")
    assert done.exit_code == 1
    assert "does not answer" in done.output
    assert "`voicestt flag`" in " ".join(done.output.split())
    assert "secret" not in done.output


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = run(None, "fleet", VOICESTT_ENV_FILE=str(tmp_path / "none"))
    assert "there is no such file" in done.output


def test_clear_is_for_the_fleet_only() -> None:
    assert "voicestt flag clear --fleet" in run(None, "flag", "clear").output
