from pathlib import Path

from click.testing import CliRunner

from tests.ops.test_flag import Answering, folder
from voicestt.cli import main

__all__ = ["folder"]  # a fixture


def test_the_server_is_asked_to_drain_and_its_words_are_printed(folder: Path) -> None:
    server = Answering(folder / "s", b'{"message": "no new calls; live calls: 7", "live_calls": 7}\n')
    result = CliRunner().invoke(main, ["drain", "--socket", str(folder / "s")])
    server.close()
    assert (result.exit_code, result.output) == (0, "no new calls; live calls: 7\n")
    assert server.asked == [b"drain\n"]


def test_an_error_of_the_server_is_reported(folder: Path) -> None:
    server = Answering(folder / "s", b'{"error": "what is that?"}\n')
    result = CliRunner().invoke(main, ["drain", "--socket", str(folder / "s")])
    server.close()
    assert result.exit_code == 1
    assert "The server says: what is that?" in result.output


def test_a_missing_server_is_reported(folder: Path) -> None:
    result = CliRunner().invoke(main, ["drain"])
    assert result.exit_code == 1
    assert "No running server of this user was found" in result.output
