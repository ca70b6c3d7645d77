import os
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.emulators.twilio.answering import with_reactor
from voicestt.ops import processes
from voicestt.ops.processes import Lines, ProcessDied, ProcessNotStarted, WatchedProcess, running


class Watched:
    """A Python process, what it said, and the deaths that were told."""

    def __init__(self, code: str) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.lines: list[str] = []
        self.died: Deferred[ProcessDied] = Deferred()
        self.process = WatchedProcess("the parrot", self.lines.append, self.died.callback)
        self.ready = self.process.says("ready")
        self.process.start(cast(Any, reactor), [sys.executable, "-u", "-c", code], os.environ)


def test_lines_are_whole_whatever_the_pieces() -> None:
    taken: list[str] = []
    lines = Lines(taken.append)
    for piece in (b"one\r\ntw", b"o\n", "שלו".encode()[:3], "שלו".encode()[3:], b""):
        lines.feed(piece)
    assert taken == ["one", "two"]
    lines.end()
    lines.end()
    assert taken == ["one", "two", "שלו"]


@with_reactor
async def test_it_is_ready_when_it_says_so_and_ends_when_asked() -> None:
    watched = Watched("import time; print('ready now'); time.sleep(60)")
    await watched.ready
    assert watched.lines == ["ready now"]
    await watched.process.stop()
    assert not watched.died.called


@with_reactor
async def test_an_unexpected_end_is_told_with_the_last_lines() -> None:
    watched = Watched("import sys; print('one'); print('two', file=sys.stderr, end=''); sys.exit(3)")
    words = str(await watched.died)
    assert "the parrot ended although it should not have (exit code 3)" in words
    assert "    one" in words
    assert "    two" in words
    await watched.process.stop()


@with_reactor
async def test_a_process_that_said_nothing_is_told_so() -> None:
    words = str(await Watched("import os; os.kill(os.getpid(), 9)").died)
    assert "(signal 9)" in words
    assert "(it said nothing)" in words


@with_reactor
async def test_a_process_that_ignores_sigterm_is_killed() -> None:
    code = "import signal, time; signal.signal(15, lambda *_: print('no')); print('ready')\nwhile 1: time.sleep(1)"
    watched = Watched(code)
    await watched.ready
    stopping = Deferred.fromCoroutine(watched.process.stop())
    while "no" not in watched.lines:
        await deferLater(watched.reactor, 0.01)
    watched.process.kill()
    await stopping
    assert not watched.died.called


def test_a_process_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    said = r"(?s)It did not start \(exit code 3\).*the reason"
    with running("It", words, os.environ, tmp_path / "log") as up, pytest.raises(ProcessNotStarted, match=said):
        up.wait_until(lambda: False)


def test_a_process_that_will_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_STOP_SECONDS", 0.2)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    with running("It", [sys.executable, "-c", stubborn], os.environ, tmp_path / "log") as up:
        up.wait_until(lambda: (tmp_path / "log").read_bytes() == b"1\n")
    assert up.process.returncode == -9
