import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click.testing
import pytest

from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.ops.load import command, plot
from voicestt.ops.load.accounts import BytesAccount
from voicestt.ops.load.command import load_command
from voicestt.ops.load.figures import Cost, Delays, LoadResult
from voicestt.ops.load.own_server import Server
from voicestt.ops.load.run import LoadFailed
from voicestt.ops.processes import ProcessNotStarted


def figures(calls: int, *faults: str) -> LoadResult:
    return LoadResult(calls, calls, 0.0, Cost(2.0, 100.0, 11), Delays([0.01], [0.02]), BytesAccount(), faults)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The load that the command asks for, instead of loading it."""
    seen: list[Any] = []

    @contextmanager
    def own_server(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
        assert folder.is_dir()
        yield Server(ServerTarget("http://both.example" if settings else "http://own.example"))

    def load(server: Server, count: int, seconds: float, *, together: bool, both_tracks: bool) -> LoadResult:
        assert both_tracks == (server.target.url == "http://both.example")
        seen.append((server.target.url, server.pid, count, seconds, together))
        return figures(count, *(["call 0: -2 bytes"] if count == 13 else []))

    monkeypatch.setattr(command, "own_server", own_server)
    monkeypatch.setattr(command, "load", load)
    return seen


def run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(load_command, list(arguments))


def test_a_list_of_numbers_is_a_list_of_loads_and_one_table(asked: list[Any]) -> None:
    result = run("--calls", "2", "4", "6", "--seconds", "3", "--together")
    assert result.exit_code == 0
    assert asked == [("http://own.example", None, count, 3.0, True) for count in (2, 4, 6)]
    assert result.output.count("RSS KB per call") == 1
    assert result.output.splitlines()[-1].startswith("Every byte of every call arrived once")


def test_a_fault_is_exit_code_1(asked: list[Any]) -> None:
    result = run("--calls", "13")
    assert result.exit_code == 1
    assert "FAULT, 13 calls: call 0: -2 bytes" in result.output


def test_calls_of_both_tracks_have_a_server_that_hears_both(asked: list[Any]) -> None:
    assert run("--both-tracks", "--calls", "2").exit_code == 0
    assert asked == [("http://both.example", None, 2, 20.0, False)]
    refused = run("--both-tracks", "--calls", "2", "--api", "0")
    assert refused.exit_code == 2
    assert "not for --both-tracks" in refused.output


def test_another_server_is_called_by_its_url(asked: list[Any]) -> None:
    run("--to", "http://there.example", "--pid", "7", "--calls", "1")
    assert asked == [("http://there.example", 7, 1, 20.0, False)]


def test_too_much_is_said_before_it_is_begun(asked: list[Any]) -> None:
    result = run("--calls", "1000", "--seconds", "3600")
    assert result.exit_code == 2
    assert "Take fewer calls or shorter ones" in result.output
    assert asked == []


@pytest.mark.parametrize("error", [LoadFailed("nobody there"), ProcessNotStarted("it did not start")])
def test_a_load_that_cannot_be_is_said_in_words(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(command, "load", fail)
    result = run("--calls", "1")
    assert result.exit_code == 1
    assert f"Error: {error}" in result.output


def test_a_missing_matplotlib_is_said_with_its_extra_and_before_the_load(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_module(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(plot, "import_module", no_module)
    result = run("--plot", str(tmp_path / "p.png"))
    assert result.exit_code == 1
    assert "pip install '.[bench]'" in result.output
    assert asked == []


def test_a_picture_is_drawn(asked: list[Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = run("--calls", "2", "4", "--plot", str(tmp_path / "load.png"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")
    assert "Error: the picture cannot be written" in run("--plot", str(tmp_path / "no" / "load.png")).output


def test_a_picture_of_a_server_elsewhere_is_empty_but_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot.plot([LoadResult(3, 3, 0.0)], tmp_path / "load.svg", "elsewhere")
    assert "<svg" in (tmp_path / "load.svg").read_text()


def test_nobody_there_is_an_error_in_words() -> None:
    result = run("--to", "http://127.0.0.1:9", "--calls", "1")
    assert result.exit_code == 1
    assert "Error: nothing answers at http://127.0.0.1:9" in result.output


def test_three_real_calls_lose_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", "--calls", "3", "--seconds", "4", "--keep", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    headings, row = done.stdout.splitlines()[:2]
    assert headings.split()[0] == "calls"
    assert row.split()[0] == "3"
    events = [json.loads(line) for line in (tmp_path / "3" / "events.jsonl").read_text().splitlines()]
    words = [event for event in events if event["kind"] in {"partial", "final"}]
    assert {event["text"].split()[0] for event in words} >= {"0", "1", "2"}


def test_two_voices_in_each_call_are_each_told_under_their_own_track() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", "--calls", "3", "--seconds", "5", "--both-tracks"],
        capture_output=True, text=True, timeout=90, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0].endswith("CPU ms per track-s")
    assert "under its own track" in done.stdout


def test_a_webhook_that_refuses_is_twilios_number(tmp_path: Path) -> None:
    from voicestt.ops.load.own_server import own_server
    from voicestt.ops.load.run import load

    with own_server(tmp_path) as server:
        stranger = Server(ServerTarget(server.target.url, server.target.public_host, "another token"))
        with pytest.raises(LoadFailed, match=r"answered 403 \(Twilio's error 11200\)"):
            load(stranger, 1, 2.0)
