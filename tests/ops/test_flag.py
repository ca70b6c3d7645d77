import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from voicestt.cli import main
from voicestt.ops import flag as flag_command
from voicestt.server.control.socket_path import new_path

ANSWER = {
    "enable_streaming_stt": False,
    "message": "ENABLE_STREAMING_STT=False (voicestt flag): 12 live calls leave",
}


class Answering:
    """A server at a real socket: it says `answer` to the first line of each who calls, and keeps that line."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.path = path
        self.asked: list[bytes] = []
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                asked = connection.recv(1_000)
                if asked:  # who only looks whether somebody is there asks nothing
                    self.asked.append(asked)
                    connection.sendall(self._answer)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine of its own, where no server runs. A short path: a Unix socket's has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="v"))
    (path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path / "tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    monkeypatch.delenv("VOICESTT_SOCKET", raising=False)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def server(folder: Path) -> Iterator[Answering]:
    answering = Answering(new_path({"XDG_RUNTIME_DIR": str(folder)}), json.dumps(ANSWER).encode() + b"\n")
    yield answering
    answering.close()


def flag(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["flag", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize("state", ["on", "off", "show"])
def test_it_finds_the_one_server_and_prints_what_that_says(server: Answering, state: str) -> None:
    assert flag(state) == (0, f"{ANSWER['message']}\n")
    assert server.asked == [state.encode() + b"\n"]


def test_a_socket_can_be_named(server: Answering, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "elsewhere"))
    assert flag("show", "--socket", str(server.path))[0] == 0
    monkeypatch.setenv("VOICESTT_SOCKET", str(server.path))
    assert flag("show")[0] == 0


def test_no_server_is_said_in_words(folder: Path) -> None:
    code, output = flag("off")
    assert code == 1
    assert "No running server of this user was found" in output
    assert str(folder / "voicestt") in output
    assert "--socket PATH" in output


def test_of_several_servers_one_must_be_named(server: Answering) -> None:
    other = Answering(server.path.with_stem("other"), b"")
    code, output = flag("off")
    other.close()
    assert code == 1
    assert f"--socket {server.path}\n" in output
    assert f"--socket {other.path}\n" in output
    assert server.asked == other.asked == []


def test_a_named_socket_where_nobody_is(folder: Path) -> None:
    code, output = flag("off", "--socket", str(folder / "none"))
    assert code == 1
    assert "no server listens there" in output
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(folder / "gone"))
    assert "no server listens there" in flag("off", "--socket", str(folder / "gone"))[1]


def test_a_path_that_no_socket_can_have_is_refused(folder: Path) -> None:
    code, output = flag("off", "--socket", str(folder / ("long" * 40)))
    assert code == 1
    assert "cannot be used: " in output


def test_another_user_s_socket_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(flag_command, "_exchange", refuse)
    code, output = flag("off", "--socket", "/run/other")
    assert code == 1
    assert "it belongs to another user" in output


def test_an_objection_of_the_server_is_an_error(folder: Path) -> None:
    answering = Answering(folder / "s", b'{"error": "what is that?"}\n')
    assert flag("off", "--socket", str(folder / "s")) == (1, "Error: The server says: what is that?\n")
    answering.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n", b"[]\n", b"{}\n", b"\xff\n"])
def test_a_socket_of_another_program_is_reported_in_words(folder: Path, answer: bytes) -> None:
    answering = Answering(folder / "s", answer)
    code, output = flag("off", "--socket", str(folder / "s"))
    answering.close()
    assert code == 1
    assert "does not answer as voicestt does" in output


def test_a_server_that_says_nothing_is_not_waited_for_without_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flag_command, "_PATIENCE_SECONDS", 0.1)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "s"))
        silent.listen()
        code, output = flag("off", "--socket", str(folder / "s"))
    assert code == 1
    assert "did not answer within 0.1 s" in output


def test_a_word_that_it_does_not_know_is_a_usage_error() -> None:
    assert flag("maybe")[0] == 2
