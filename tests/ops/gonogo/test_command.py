import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from voicestt.cli import main
from voicestt.ops.gonogo import command
from voicestt.ops.gonogo.report import CheckOutcome, Finding
from voicestt.ops.gonogo.run_context import Where

GOOD = Finding("a", "it is good", CheckOutcome.OK, "12 ms")
BAD = Finding("b", "it is right", CheckOutcome.FAILED, "a page", "Ask the proxy.", 12100)
SKIPPED = Finding("c", "it was tried", CheckOutcome.SKIPPED, "no clip", "Give one.")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["gonogo", *arguments])


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[Where, str | None]]]:
    """Puts these findings in the place of real ones; gives which server was asked for."""

    def put(*findings: Finding) -> list[tuple[Where, str | None]]:
        asked: list[tuple[Where, str | None]] = []

        def instead(where: Where, address: str | None, *_: object, **__: object) -> tuple[Finding, ...]:
            asked.append((where, address))
            return findings

        monkeypatch.setattr(command, "_examine", instead)
        return asked

    return put


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--public", "--against", "127.0.0.1:1"], "exclude each other"),
        (["--against", "5000"], "is not HOST:PORT"),
        (["--against", "host:0"], "is not HOST:PORT"),
        (["--text", "hello"], "give that too"),
        (["--clip", "/nowhere.wav"], "there is no such file"),
    ],
)
def test_unusable_options_are_refused_before_anything_runs(arguments: list[str], words: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([], (Where.STARTED, None)),
        (["--public"], (Where.PUBLIC, None)),
        (["--against", "127.0.0.1:5000"], (Where.AGAINST, "127.0.0.1:5000")),
    ],
)
def test_which_server_is_examined(
    finds: Callable[..., list[tuple[Where, str | None]]], arguments: list[str], asked: tuple[Where, str | None]
) -> None:
    seen = finds(GOOD)
    assert invoke(*arguments).exit_code == 0
    assert seen == [asked]


def test_the_verdict_is_the_last_line(finds: Callable[..., object]) -> None:
    finds(GOOD)
    assert invoke().output.splitlines()[-1] == "GO"
    finds(GOOD, BAD, SKIPPED)
    result = invoke()
    assert (result.exit_code, result.output.splitlines()[-1]) == (1, "NO-GO: 2 of 3")
    assert "skipped: must be proved" in result.output
    assert "\x1b" not in result.output


def test_json_is_all_that_is_on_stdout(finds: Callable[..., object]) -> None:
    finds(GOOD, BAD)
    result = invoke("--json")
    assert (json.loads(result.stdout)["verdict"], result.exit_code) == ("NO-GO", 1)


def test_it_is_among_the_commands_and_explains_itself() -> None:
    assert "  gonogo " in CliRunner().invoke(main, ["--help"]).output
    assert "The exit code is 0 for GO and 1 for NO-GO" in " ".join(invoke("--help").output.split())


def test_colours_only_where_they_are_wanted() -> None:
    wants = command._wants_colour
    assert wants({}, True)
    assert wants({"NO_COLOR": ""}, True)
    assert not wants({}, False)
    assert not wants({"NO_COLOR": "1"}, True)
    assert not wants({"TERM": "dumb"}, True)
    assert command.lines([GOOD], 80, colour=True)[-1] == "\x1b[32m\x1b[1mGO\x1b[0m"


def test_a_run_tells_each_finding_as_it_comes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "run_with_reactor", _alone)

    async def run(_scene: object, tell: Callable[[Finding], None]) -> tuple[Finding, ...]:
        tell(GOOD)
        return (GOOD,)

    monkeypatch.setattr(command, "run", run)
    assert "      ok  it is good (12 ms)" in invoke().output.splitlines()


def _alone(main: Callable[[object], object]) -> object:
    """The result of a coroutine that waits for nothing."""
    coroutine = main(None)
    try:
        coroutine.send(None)  # type: ignore[attr-defined]
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")
