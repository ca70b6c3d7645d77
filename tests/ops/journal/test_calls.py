import pytest

from tests.journal.made import CALLER
from tests.ops.journal.made import (
    Call,
    Desk,
    refused,
    run,
    run_json,
)


@pytest.fixture
def _two(desk: Desk) -> None:
    first, second = Call("CA1"), Call("CA2")
    desk.write(
        first.started(timestamp="2026-11-23T07:00:00.000000Z"),
        first.final(),
        first.partial(),
        first.final(),
        first.ended("the caller hung up", 62.5),
        second.started(timestamp="2026-11-23T08:00:00.000000Z", caller=None),
        second.final(),
    )


@pytest.mark.usefixtures("_two")
def test_calls_are_listed_the_latest_last_with_the_last_digits_of_numbers() -> None:
    head, first, second = run("calls").splitlines()
    assert head.split() == ["CALL", "BEGAN", "TOOK", "FINALS", "FROM", "TO", "ENDED"]
    assert " ".join(first.split()) == "CA1 2026-11-23 07:00:00Z 1:02 2 …4567 …4567 the caller hung up"
    assert " ".join(second.split()) == "CA2 2026-11-23 08:00:00Z 1 …4567 still going on"
    assert CALLER not in run("calls") + run("calls", "--json")


@pytest.mark.usefixtures("_two")
def test_whole_phone_numbers_are_shown_when_asked_for() -> None:
    assert CALLER in run("calls", "--numbers")
    assert run_json("calls", "--numbers")[0]["from"] == CALLER


@pytest.mark.usefixtures("_two")
def test_machines_get_json() -> None:
    first, second = run_json("calls")
    del first["session"], second["session"]
    assert first == {
        "call_sid": "CA1",
        "stream_sid": "MZ1",
        "account_sid": "AC1",
        "from": "…4567",
        "to": "…4567",
        "started_at": "2026-11-23T07:00:00.000Z",
        "ended_at": "2026-11-23T07:00:00.000Z",
        "duration": 62.5,
        "finals": 2,
        "reason": "the caller hung up",
        "recovered": False,
    }
    assert (second["ended_at"], second["duration"], second["finals"]) == (None, None, 1)


@pytest.mark.usefixtures("_two")
def test_the_latest_and_the_later_ones() -> None:
    def names(*options: str) -> list[str]:
        return [call["call_sid"] for call in run_json("calls", *options)]

    assert names("--limit", "1") == ["CA2"]
    assert names("--since", "2026-11-23T07:30") == ["CA2"]
    assert names("--since", "2026-11-23T10:30+02:00") == []
    assert names("--since", "2026-11-23") == ["CA1", "CA2"]
    assert names("--since", "999999d") == ["CA1", "CA2"]


@pytest.mark.parametrize("since", ["yesterday", "5y", "", "-2h", "99999-01-01"])
def test_an_invalid_time_is_refused(desk: Desk, since: str) -> None:
    assert "neither an age such as 2h or 7d nor a date" in refused("calls", "--since", since)


@pytest.mark.usefixtures("desk")
def test_an_empty_journal() -> None:
    assert run("calls") == "No calls.\n"
    assert run_json("calls") == []


def test_nothing_that_came_from_outside_is_obeyed_by_a_terminal(desk: Desk) -> None:
    call = Call("CA\x1b[2J\n")
    desk.write(call.started(caller="\x1b]0;x\x07"), call.ended("gone\r\x1b[31m"))
    assert not any(character in run("calls") for character in "\x1b\x07\r")
    assert len(run("calls").splitlines()) == 2
