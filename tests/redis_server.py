"""A real redis-server of a test's own: on a free port of 127.0.0.1 and a Unix socket, in a folder of the test."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE = 20.0


def _program() -> str:
    found = shutil.which("redis-server")
    if found is None:
        raise AssertionError("redis-server is missing, which this test needs: apt-get install redis-server")
    return found


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """Keeps its port from start to start. With `keeps` it writes every change to the disk, and a kill loses
    nothing; without, a kill loses everything. `options` are redis-server's own.
    """

    def __init__(self, folder: Path, *, keeps: bool = True, options: Sequence[str] = ()) -> None:
        self._folder = folder
        self._keeps = keeps
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.socket = folder / "redis.sock"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, **options: Any) -> Any:
        """A client that does not try again."""
        return Redis(port=self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0), protocol=2, **options)

    def start(self) -> "RedisServer":
        """Returns when it answers."""
        keeping = ["--appendonly", "yes", "--appendfsync", "always"] if self._keeps else ["--appendonly", "no"]
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.socket)]
        files = ["--dir", str(self._folder), "--logfile", "redis.log", "--save", ""]
        self._process = subprocess.Popen([_program(), *where, *files, *keeping, *self._options])
        self._await_answer()
        return self

    def kill(self) -> None:
        """SIGKILL: as when the machine loses its power."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """In order; nothing where it does not run."""
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self._end(signal.SIGTERM)

    def pause(self) -> None:
        """It is there and says nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> "RedisServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _end(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(PATIENCE)

    def _await_answer(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            code = self._process.poll()
            assert code is None, f"redis-server ended with {code}: {self._log()}"
            assert time.monotonic() < deadline, f"redis-server does not answer: {self._log()}"
            time.sleep(0.02)

    def _answers(self) -> bool:
        with Redis(unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0)) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False

    def _log(self) -> str:
        return (self._folder / "redis.log").read_text("utf-8", "replace")[-2_000:]
