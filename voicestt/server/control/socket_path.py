"""The path of a server's control socket, by which `voicestt flag` finds the one running server by itself.

The socket is named after the server's process, in a folder that is its user's alone: `voicestt` in
$XDG_RUNTIME_DIR, or `voicestt-UID` in the folder for temporary files if that is not set. The command line looks in
both: a service often runs without $XDG_RUNTIME_DIR, and a shell has it. No Twisted here: the command line does
without.
"""

import os
import socket
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

_SUFFIX = ".socket"


class NoFolder(OSError):
    """The error of having no folder that is safe for a socket; the text says why."""


def folders(environ: Mapping[str, str]) -> list[Path]:
    """Return the folders for sockets, the best first."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    own = [Path(runtime) / "voicestt"] if runtime else []
    return [*own, Path(tempfile.gettempdir()) / f"voicestt-{os.getuid()}"]


def new_path(environ: Mapping[str, str]) -> Path:
    """Return the path of this process's socket; make its folder, and remove sockets that dead servers left there.

    Raises:
        NoFolder: where no folder can be made, or it is open to others.
    """
    problems = []
    for folder in folders(environ):
        try:
            _make_private(folder)
        except OSError as problem:
            problems.append(f"{folder}: {problem.strerror or problem}")
            continue
        _clear(folder)
        return folder / f"{os.getpid()}{_SUFFIX}"
    raise NoFolder("; ".join(problems))


def live_sockets(environ: Mapping[str, str]) -> list[Path]:
    """Return the sockets of this user's running servers, from the folders that only this user can write."""
    found = [path for folder in folders(environ) if _is_private(folder) for path in folder.glob(f"*{_SUFFIX}")]
    return sorted(path for path in found if is_live(path))


def is_live(path: Path) -> bool:
    """Return True if a process listens on the Unix socket `path`. Never waits."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True  # its queue of connections is full, or it is another user's
    return True


def make_way(path: Path) -> None:
    """Remove the socket of a dead server at `path`, if there is one.

    Raises:
        OSError: where something is that is not a dead server's, or that cannot be removed.
    """
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise FileExistsError("a file that is no socket is there, and is left alone")
    if is_live(path):
        raise FileExistsError("another running server has it")
    path.unlink(missing_ok=True)


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(folder):
        raise PermissionError("it is not a folder of this user's alone (mode 0700)")


def _is_private(folder: Path) -> bool:
    # The folder for temporary files is everybody's: another user may have made it first.
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _clear(folder: Path) -> None:
    for path in folder.glob(f"*{_SUFFIX}"):
        if not _is_running(path.stem) and not is_live(path):
            path.unlink(missing_ok=True)


def _is_running(pid: str) -> bool:
    """Return True if the process exists: its socket may be bound, and not yet listened on."""
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    return True
