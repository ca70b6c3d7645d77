from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.ops.journal.made import refused, run
from tests.recording.made import BEGAN, played, recorded, sound, tone
from voicestt.audio import mulaw
from voicestt.cli import main
from voicestt.recording.folder import RecordingFolder

CALL = "CA0123456789"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordingFolder:
    monkeypatch.setenv("RECORD_DIR", str(tmp_path / "recordings"))
    for name in ("VOICESTT_ENV_FILE", "RECORD_STORE"):
        monkeypatch.delenv(name, raising=False)
    return RecordingFolder(tmp_path / "recordings")


def test_it_says_where_a_recording_is_by_the_beginning_of_its_callsid(folder: RecordingFolder) -> None:
    path = recorded(folder, CALL)
    assert run("recording", CALL[:6]) == f"{path}\n"


def test_it_writes_the_whole_call_as_one_file(folder: RecordingFolder, tmp_path: Path) -> None:
    recorded(folder, CALL, tone(8_000))
    recorded(folder, CALL, tone(4_000, 9), began=BEGAN + 1.25)
    target = tmp_path / "call.wav"
    said = run("recording", CALL, "--save", str(target), "--format", "pcm16")
    assert said == f"{target}: 1.8 s, 2 streams, 1 track.\n"
    whole = tone(8_000) + mulaw.SILENCE * 2_000 + tone(4_000, 9)
    assert (played(target) == sound(whole)).all()
    assert target.stat().st_mode & 0o777 == 0o600
    assert "File exists" in refused("recording", CALL, "--save", str(target))


def test_it_writes_to_its_output_what_another_program_may_read(folder: RecordingFolder) -> None:
    path = recorded(folder, CALL)
    result = CliRunner().invoke(main, ["recording", CALL, "--save", "-"])
    assert result.stdout_bytes == path.read_bytes()


def test_what_is_not_there_or_not_one_is_said(folder: RecordingFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"There is no recording of a call {CALL} in {folder.path}. Was RECORD on then" in refused(
        "recording", CALL
    )
    recorded(folder, CALL)
    recorded(folder, f"{CALL}x")
    assert f"Several calls begin so: {CALL}, {CALL}x." in refused("recording", "CA")
    monkeypatch.setenv("RECORD_DAYS", "many")
    assert "RECORD_DAYS is not a number of days" in refused("recording", CALL)


def test_of_a_file_that_is_no_recording_it_says_so(folder: RecordingFolder) -> None:
    path = recorded(folder, CALL)
    path.write_bytes(b"x" * 1_000)
    assert "The recording cannot be read: does not say when it began" in refused(
        "recording", CALL, "--save", str(path.with_suffix(".copy"))
    )
