import json
import random
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from tests.emulators.twilio.answering import with_reactor
from voicestt.ops.demo import show as module
from voicestt.ops.demo.judgement import Judged, all_problems
from voicestt.ops.demo.show import DemoFailed, show
from voicestt.ops.demo.voices import Voice
from voicestt.ops.services import Services

SCRIPT = {"utterances": [{"text": "go forward ten meters", "start": 0.1, "end": 1.1}], "final_delay": 0.2}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(SCRIPT))
    return path


@pytest.fixture
def voices(tmp_path: Path) -> list[Voice]:
    """Two of different noise, that the script hears as the same words."""
    paths = [tmp_path / "one.ulaw", tmp_path / "two.ulaw"]
    for seed, path in enumerate(paths):
        path.write_bytes(random.Random(seed).randbytes(9_600))
    return [Voice(path.stem, path, "Go forward 10 meters.") for path in paths]


class NoServer(Services):
    """Services whose server does not come up."""

    def server_command(self) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no settings here')"]


class DeafServer(Services):
    """Services whose server is up and never answers."""

    def server_command(self) -> list[str]:
        return [sys.executable, "-c", "import time; time.sleep(60)"]


class Fleeting(Services):
    """Services whose server dies soon after it has come up."""

    def server_command(self) -> list[str]:
        run, *arguments = super().server_command()
        code = f"import runpy, signal, sys; sys.argv = {[run, *arguments]!r}; signal.alarm(4)"
        return [sys.executable, "-c", f"{code}; runpy.run_path({run!r}, run_name='__main__')"]


class Broken(Services):
    """Services whose recogniser does not come up."""

    def google_command(self) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no model here')"]


async def showing(services: Services, voices: list[Voice], lines: list[str]) -> list[Judged]:
    from twisted.internet import reactor

    return await show(cast(Any, reactor), services, [voices], lines.append)


@with_reactor
async def test_voices_go_through_the_server_and_their_words_come_back(
    script: Path, voices: list[Voice], tmp_path: Path
) -> None:
    lines: list[str] = []
    judged = await showing(Services(tmp_path, script=script), voices, lines)
    assert all_problems(judged) == []
    assert [call.heard for call in judged] == ["go forward ten meters"] * 2
    assert all(call.errors and call.errors.wrong == 0 for call in judged)
    assert any(line.startswith("google | ") and "listening" in line for line in lines)
    assert any(line.startswith("server | ") and "🟢 Final: go forward ten meters" in line for line in lines)
    assert "caller | one calls, and will say: Go forward 10 meters." in lines


@with_reactor
async def test_a_recogniser_that_does_not_come_up_is_told_in_its_words(
    tmp_path: Path, voices: list[Voice]
) -> None:
    lines: list[str] = []
    with pytest.raises(DemoFailed, match=r"(?s)the local Google service ended .*exit code 1.*no model here"):
        await showing(Broken(tmp_path), voices, lines)
    assert lines == ["google | no model here"]


@with_reactor
async def test_a_server_that_does_not_come_up_is_told_in_words(
    tmp_path: Path, script: Path, voices: list[Voice]
) -> None:
    with pytest.raises(DemoFailed, match=r"(?s)the server ended .*exit code 1.*no settings here"):
        await showing(NoServer(tmp_path, script=script), voices, [])


@with_reactor
async def test_waiting_for_a_server_that_never_answers_has_an_end(
    tmp_path: Path, script: Path, voices: list[Voice], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SERVER_SECONDS", 0.3)
    with pytest.raises(DemoFailed, match="the server did not answer /healthz within"):
        await showing(DeafServer(tmp_path, script=script), voices, [])


@with_reactor
async def test_a_server_that_dies_while_somebody_calls_ends_the_demonstration(
    tmp_path: Path, script: Path, voices: list[Voice]
) -> None:
    long = tmp_path / "long.ulaw"
    long.write_bytes(random.Random(3).randbytes(8_000 * 30))
    lines: list[str] = []
    with pytest.raises(DemoFailed, match=r"the server ended although it should not have \(signal 14\)"):
        await showing(Fleeting(tmp_path, script=script), [Voice("long", long, None)], lines)
