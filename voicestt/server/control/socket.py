"""The control socket: `voicestt flag` and `voicestt drain` speak to the running server through a Unix socket of
mode 0600.

One line of UTF-8 in, one line of JSON out, and the connection is closed:

    show    how the server stands
    on      ENABLE_STREAMING_STT is switched on, for new calls and live ones
    off     it is switched off
    drain   the server stops, as at SIGTERM: live calls may go on for SHUTDOWN_SECONDS

The answer to each of these, where `message` says it in words:

    {"enable_streaming_stt": false, "live_calls": 12, "streaming": 0, "single_shot": 12, "message": "…"}

The answer to anything else: {"error": "…"}. A line has at most 200 bytes, and comes within 10 seconds.

Control never keeps a server from taking calls: where the socket cannot be had, the log says so and that is all.
"""

# ruff: noqa: N802 (camelCase is Twisted's)

import json
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from voicestt.runtime.clock import Timer
from voicestt.server.control.socket_path import make_way, new_path

LONGEST_LINE = 200
PATIENCE_SECONDS = 10.0
MODE = 0o600
WORDS = "say one of: show, on, off, drain"

Answers = Callable[[bytes], "Mapping[str, object] | Deferred[Mapping[str, object]]"]
"""Answers a line, without its newline."""


class Control(Protocol):
    """One connection of the control socket: a question and its answer."""

    transport: Any
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        answers: Answers,
        open_ones: "set[Control]",
    ) -> None:
        self._answers = answers
        self._open_ones = open_ones
        self._patience = Timer(clock)
        self._received = b""
        self._answered = False

    def connectionMade(self) -> None:
        """Start the time limit for the question."""
        self._open_ones.add(self)
        self._patience.set(PATIENCE_SECONDS, self._heard_nothing)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop the time limit: the connection is gone."""
        self._open_ones.discard(self)
        self._patience.cancel()

    def dataReceived(self, data: bytes) -> None:
        """Take a question, or a part of it."""
        if self._answered:
            return
        line, newline, _ = (self._received + data).partition(b"\n")
        if len(line) > LONGEST_LINE:
            self._answer({"error": f"a line has at most {LONGEST_LINE} bytes; {WORDS}"})
        elif newline:
            self._answered = True
            self._ask(line.strip())
        else:
            self._received = line

    def drop(self) -> None:
        """Drop the connection at once."""
        self.transport.abortConnection()

    def _heard_nothing(self) -> None:
        self._answer({"error": f"no line came within {PATIENCE_SECONDS:g} s; {WORDS}"})

    def _ask(self, word: bytes) -> None:
        self._patience.cancel()
        answering: Deferred[Mapping[str, object]] = maybeDeferred(self._answers, word)  # type: ignore[call-overload]
        answering.addErrback(self._failed)
        answering.addCallback(self._answer)

    def _failed(self, failure: Failure) -> Mapping[str, object]:
        # Whoever asks is told, whatever befell.
        self._log.failure("The flag could not be turned for every call; the calls go on.", failure)
        return {"error": "that failed inside the server; its log says how"}

    def _answer(self, answer: Mapping[str, object]) -> None:
        self._answered = True
        if self not in self._open_ones:
            return  # whoever asked has gone
        self.transport.write(json.dumps(answer).encode() + b"\n")
        self.transport.loseConnection()
        # A client that does not take the answer either is cut off.
        self._patience.set(PATIENCE_SECONDS, self.drop)


class _Controls(Factory):
    noisy = False

    def __init__(self, clock: IReactorTime, answers: Answers) -> None:
        self._clock = clock
        self._answers = answers
        self.open_ones: set[Control] = set()

    def buildProtocol(self, _address: object) -> Control:
        return Control(self._clock, self._answers, self.open_ones)


class _Port(unix.Port):
    """Port that removes its socket file only if it is still its own; Twisted removes any, and hangs if it is gone.

    It can be gone: folders for temporary files are cleaned.
    """

    def __init__(self, path: Path, factory: Factory, reactor: IReactorTime) -> None:
        # No process can connect before its mode is set: Twisted sets it between binding and listening.
        super().__init__(os.fsencode(path), factory, mode=MODE, reactor=reactor)
        self._path = path
        self._inode: tuple[int, int] | None = None

    def createInternetSocket(self) -> socket.socket:
        """Make a socket to be bound, and keep it."""
        made: socket.socket = super().createInternetSocket()  # type: ignore[no-untyped-call]
        self._made = made
        return made

    def startListening(self) -> None:
        """Start to listen. A socket that cannot be bound is closed, which Twisted leaves to chance."""
        try:
            super().startListening()  # type: ignore[no-untyped-call]
        except CannotListenError:
            self._made.close()
            raise
        self._inode = _inode(self._path)

    def connectionLost(self, reason: Failure) -> None:
        """Remove the socket's file, because the port is closed."""
        if self._inode is not None and _inode(self._path) == self._inode:
            with suppress(OSError):
                self._path.unlink()
        tcp.Port.connectionLost(self, reason)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class ControlSocket:
    """The control socket at `path` (VOICESTT_SOCKET), or where `voicestt flag` looks without one.

    `answers` answers a line.
    """

    _log = Logger()

    def __init__(self, reactor: IReactorTime, path: str | None, answers: Answers) -> None:
        self._reactor = reactor
        self._asked_for = path
        self._controls = _Controls(reactor, answers)
        self._port: _Port | None = None

    def start(self) -> None:
        """Start to listen; if that fails, log what it means."""
        try:
            path = Path(self._asked_for) if self._asked_for else new_path(os.environ)
            self._listen(path)
        except (OSError, ValueError, CannotListenError) as problem:
            self._log.warn(
                "⚠️ `voicestt flag` will not reach this server: {path} cannot be its socket ({problem}). Calls are "
                "taken all the same. What to do: set VOICESTT_SOCKET to a path of its own and start again; until "
                "then SIGHUP turns the flag.",
                path=self._asked_for or "nothing",
                problem=_words(problem),
            )
        else:
            self._log.info("`voicestt flag` reaches this server at {path}", path=path)

    async def stop(self) -> None:
        """Stop listening, remove the socket's file, and drop the open connections."""
        port, self._port = self._port, None
        if port is not None:
            stopped: Any = port.stopListening()  # type: ignore[no-untyped-call]
            if isinstance(stopped, Deferred):
                await stopped
        for control in list(self._controls.open_ones):
            control.drop()

    def _listen(self, path: Path) -> None:
        make_way(path)
        port = _Port(path, self._controls, self._reactor)
        port.startListening()
        self._port = port


def _words(problem: Exception) -> str:
    cause = problem.socketError if isinstance(problem, CannotListenError) else problem
    return (cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)).lower()
