from pathlib import Path

import pytest

from tests.server.fakes import ENVIRONMENT, TOKEN
from voicestt.config.env_file import EnvironmentFile
from voicestt.config.settings import BadSettings, differences


def written(folder: Path, text: str, environ: dict[str, str] | None = None) -> EnvironmentFile:
    path = folder / "env"
    path.write_text(text)
    return EnvironmentFile(str(path), ENVIRONMENT if environ is None else environ, {"PORT": "7"})


def problems(file: EnvironmentFile) -> str:
    with pytest.raises(BadSettings) as caught:
        file.read_again()
    return str(caught.value)


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    file = written(tmp_path, "STT_BATCH_MS=100\nPORT=1\n", {"STT_BATCH_MS": "200", "PORT": "2"})
    assert file.variables() == {"STT_BATCH_MS": "200", "PORT": "7"}


def test_the_flag_of_a_file_that_is_read_again_wins_over_the_environment(tmp_path: Path) -> None:
    file = written(tmp_path, "ENABLE_STREAMING_STT=off\n", ENVIRONMENT | {"ENABLE_STREAMING_STT": "true"})
    again = file.read_again()
    assert again.is_on is False
    assert again.at_restart.enable_streaming_stt is True


@pytest.mark.parametrize("text", ["", "ENABLE_STREAMING_STT=\n", "ENABLE_STREAMING_STT\n", "# nothing\n"])
def test_a_file_without_the_flag_leaves_it_as_it_is(tmp_path: Path, text: str) -> None:
    assert written(tmp_path, text).read_again().is_on is None


def test_the_settings_after_a_restart_are_read(tmp_path: Path) -> None:
    file = written(tmp_path, "STT_BATCH_MS=100\nENABLE_STREAMING_STT=true\n")
    before = file.read_again().at_restart
    after = (
        written(tmp_path, "STT_BATCH_MS=200\nENABLE_STREAMING_STT=true\nIDLE_SECONDS=60\n").read_again().at_restart
    )
    assert differences(before, after) == ["STT_BATCH_MS", "IDLE_SECONDS"]
    assert differences(before, before) == []


def test_a_file_with_problems_is_refused_and_no_secret_is_in_the_words(tmp_path: Path) -> None:
    words = problems(written(tmp_path, "ENABLE_STREAMING_STT=maybe\nSTT_BATCH_MS=often\n"))
    assert "ENABLE_STREAMING_STT is neither true nor false" in words
    assert "STT_BATCH_MS is not a whole number" in words
    assert TOKEN not in words


def test_a_bad_flag_is_refused_though_the_environment_has_a_good_one(tmp_path: Path) -> None:
    file = written(tmp_path, "ENABLE_STREAMING_STT=maybe\n", ENVIRONMENT | {"ENABLE_STREAMING_STT": "true"})
    assert "ENABLE_STREAMING_STT is neither true nor false" in problems(file)


def test_a_file_that_is_gone_or_no_text_or_was_never_named(tmp_path: Path) -> None:
    file = written(tmp_path, "")
    (tmp_path / "env").write_bytes(b"\xff\xfe\n")
    assert "it is no text that can be read" in problems(file)
    (tmp_path / "env").unlink()
    assert "there is no such file" in problems(file)
    assert "no file was named" in problems(EnvironmentFile(None, ENVIRONMENT, {}))
