from pathlib import Path

import click.testing
import pytest

from tests.ops.demo.made import EVENTS, STREAM, placed
from voicestt.ops.demo import command
from voicestt.ops.demo.judgement import Judged, judge
from voicestt.ops.demo.show import DemoFailed
from voicestt.ops.demo.voices import NoVoices, Voice
from voicestt.ops.services import Services

Waves = list[list[Voice]]


def run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(command.demo, arguments)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "hello.ulaw"
    path.write_bytes(b"\x00\x80" * 800)
    return path


scripts: list[str | None] = []
"""What each demonstration's recogniser was to say; None for one that listens."""


def shows(monkeypatch: pytest.MonkeyPatch, *judged: Judged) -> list[Waves]:
    """Puts a demonstration with this result in the place of the real one; gives what it was asked to show."""
    asked: list[Waves] = []
    scripts.clear()

    def instead(waves: Waves, services: Services) -> list[Judged]:
        asked.append(waves)
        scripts.append(None if services.script is None else services.script.read_text())
        return list(judged)

    monkeypatch.setattr(command, "_show", instead)
    return asked


def test_a_recording_of_ones_own_can_be_used(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    asked = shows(monkeypatch, judge(placed(), EVENTS, [STREAM]))
    result = run("--clip", str(clip), "--text", "hello")
    assert asked == [[[Voice("hello.ulaw", clip, "hello")]]]
    assert scripts == [None]
    assert result.exit_code == 0
    assert result.output.splitlines()[-1].startswith("It works: 1 call")


def test_hebrew_is_a_script_and_it_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = shows(monkeypatch, judge(placed(), EVENTS, [STREAM]))
    result = run("--language", "he-IL")
    (((voice,),),) = asked
    assert voice.text is not None
    assert voice.text.startswith("שלום")
    assert scripts[0] is not None
    assert "שלום אני" in scripts[0]
    assert result.output.count("No recogniser listens in this demonstration") == 2


def test_a_hebrew_recording_is_listened_to(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    asked = shows(monkeypatch, judge(placed(), EVENTS, [STREAM]))
    result = run("--language", "iw-IL", "--clip", str(clip))
    assert (asked, scripts) == ([[[Voice("hello.ulaw", clip, None)]]], [None])
    assert "No recogniser listens" not in result.output


def test_a_failed_demonstration_ends_with_1(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    shows(monkeypatch, judge(placed(), [], []))
    result = run("--clip", str(clip))
    assert result.exit_code == 1
    assert "The demonstration failed" in result.output


def test_a_text_needs_a_recording() -> None:
    assert "--text says what is spoken in --clip" in run("--text", "hello").output


def test_a_recording_that_cannot_be_used_is_refused_first(tmp_path: Path) -> None:
    result = run("--clip", str(tmp_path / "gone.wav"))
    assert (result.exit_code, "gone.wav cannot be read" in result.output) == (1, True)


@pytest.mark.parametrize("error", [NoVoices("install some"), DemoFailed("the server ended")])
def test_errors_are_words_and_not_tracebacks(
    monkeypatch: pytest.MonkeyPatch, clip: Path, error: Exception
) -> None:
    def fail(*_arguments: object) -> list[Judged]:
        raise error

    monkeypatch.setattr(command, "_show", fail)
    result = run("--clip", str(clip))
    assert (result.exit_code, result.output) == (1, f"Error: {error}\n")
