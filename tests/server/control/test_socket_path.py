import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from voicestt.server.control.socket_path import (
    NoFolder,
    folders,
    is_live,
    live_sockets,
    make_way,
    new_path,
)


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A short path: a Unix socket's has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="v"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def environ(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine of its own: two folders, and nobody there."""
    temporary = runtime / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return {"XDG_RUNTIME_DIR": str(runtime)}


@pytest.fixture
def ended_process() -> int:
    """The id of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(20)
    return process.pid


def listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def dead(path: Path) -> Path:
    listening(path).close()
    return path


def test_the_folder_is_made_for_this_user_alone(environ: dict[str, str], runtime: Path) -> None:
    path = new_path(environ)
    assert path == runtime / "voicestt" / f"{os.getpid()}.socket"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert new_path(environ) == path


@pytest.mark.parametrize("variables", [{}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "/none/at/all"}])
def test_without_a_runtime_folder_it_is_among_the_temporary_ones(
    environ: dict[str, str], runtime: Path, variables: dict[str, str]
) -> None:
    folder = runtime / "tmp" / f"voicestt-{os.getuid()}"
    assert new_path(variables).parent == folder
    assert folders(variables)[-1] == folder


def test_a_folder_that_others_can_write_to_is_not_used(environ: dict[str, str], runtime: Path) -> None:
    for folder in folders(environ):
        folder.mkdir()
        folder.chmod(0o770)
    with pytest.raises(NoFolder, match="not a folder of this user's alone"):
        new_path(environ)
    with listening(folder / "1.socket"):
        assert live_sockets(environ) == []


def test_a_link_to_a_folder_is_not_used(environ: dict[str, str], runtime: Path) -> None:
    elsewhere = runtime / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (runtime / "voicestt").symlink_to(elsewhere)
    assert new_path(environ).parent.parent == runtime / "tmp"


def test_running_servers_are_found_in_both_folders(environ: dict[str, str]) -> None:
    one, other = new_path(environ), new_path({}).with_stem("other")
    assert live_sockets(environ) == []
    with listening(one), listening(other):
        assert live_sockets(environ) == sorted([one, other])
        assert live_sockets({}) == [other]
    assert live_sockets(environ) == []


def test_sockets_of_dead_servers_are_removed(environ: dict[str, str], ended_process: int) -> None:
    folder = new_path(environ).parent
    left, unknown = dead(folder / f"{ended_process}.socket"), dead(folder / "x.socket")
    still_starting = dead(folder / f"{os.getppid()}.socket")
    with listening(folder / "y.socket"):
        new_path(environ)
        assert not left.exists()
        assert not unknown.exists()
        assert still_starting.exists(), "its process runs: it may be about to listen"
        assert (folder / "y.socket").exists(), "somebody listens there"


def test_a_socket_that_is_full_is_a_live_one(runtime: Path) -> None:
    with listening(runtime / "s") as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.listen(0)
        waiting.connect(str(runtime / "s"))
        assert is_live(runtime / "s")


def test_a_path_without_a_live_socket_is_free(runtime: Path) -> None:
    make_way(runtime / "none")
    make_way(dead(runtime / "s"))
    assert not (runtime / "s").exists()


def test_a_path_with_a_file_or_a_live_socket_is_not_free(runtime: Path) -> None:
    (runtime / "file").write_text("precious")
    for path in (runtime / "file", runtime):
        with pytest.raises(OSError, match="no socket"):
            make_way(path)
    with listening(runtime / "s"), pytest.raises(OSError, match="another running server"):
        make_way(runtime / "s")
    assert (runtime / "s").exists()
