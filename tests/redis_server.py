"""A real redis-server of a test's own: on a free port of 127.0.0.1 and a Unix socket, in a folder of the test."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from voicestt.ops.services import free_port

PATIENCE = 20.0


def program() -> str:
    """redis-server, which is a Sentinel too."""
    found = shutil.which("redis-server")
    if found is None:
        raise AssertionError("redis-server is missing, which this test needs: apt-get install redis-server")
    return found


class Moving:
    """An address that leads new connections to `target` and leaves open ones alone, as a DNS name does."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = [self._listening]

    def __enter__(self) -> "Moving":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


class RedisServer:
    """Keeps its port from start to start. With `keeps` it writes every change to the disk, and a kill loses
    nothing; without, a kill loses everything. `options` are redis-server's own, `within` begins its command line.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keeps: bool = True,
        options: Sequence[str] = (),
        address: str = "127.0.0.1",
        within: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._keeps = keeps
        self._options = options
        self._address = address
        self._within = within
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.socket = folder / "redis.sock"

    @property
    def url(self) -> str:
        return f"redis://{self._address}:{self.port}/0"

    def client(self, **options: Any) -> Any:
        """A client that does not try again."""
        return Redis(
            self._address, self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0), protocol=2, **options
        )

    def start(self) -> "RedisServer":
        """Returns when it answers."""
        keeping = ["--appendonly", "yes", "--appendfsync", "always"] if self._keeps else ["--appendonly", "no"]
        where = ["--bind", self._address, "--port", str(self.port), "--unixsocket", str(self.socket)]
        files = ["--dir", str(self._folder), "--logfile", "redis.log", "--save", ""]
        self._process = subprocess.Popen([*self._within, program(), *where, *files, *keeping, *self._options])
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
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # a machine that is busy, or a disk
            self._process.kill()
            self._process.wait()

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
