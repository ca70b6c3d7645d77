import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread

from tests.conftest import Logged
from tests.emulators.twilio.answering import with_reactor
from tests.server.fakes import CALL
from voicestt.call.facts import CallStarted
from voicestt.recognisers.modes import Flag
from voicestt.server.call_counts import ActiveCalls
from voicestt.server.control import socket as control_module
from voicestt.server.control.flag import FlagSwitch
from voicestt.server.control.socket import (
    LONGEST_LINE,
    PATIENCE_SECONDS,
    Control,
    ControlSocket,
)
from voicestt.server.control.socket_path import is_live
from voicestt.server.control.words import ControlWords

reactor: Any = installed_reactor


class Running:
    """A switch of one live call, and a control socket for it."""

    def __init__(self, path: Path | None) -> None:
        self.flag = Flag(is_on=True)
        active_calls = ActiveCalls(self.flag)
        active_calls.tell(CallStarted(CALL))
        self.switch = FlagSwitch(self.flag, active_calls)
        self.control = ControlSocket(reactor, None if path is None else str(path), ControlWords(self.switch))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a Unix socket's has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="v"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def running(folder: Path) -> Iterator[Running]:
    server = Running(folder / "s")
    server.control.start()
    yield server
    pytest_twisted.blockon(Deferred.fromCoroutine(server.control.stop()))


async def say(path: Path, data: bytes) -> bytes:
    """All that comes back until the server closes."""

    def exchange() -> bytes:
        received = b""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(path))
            connection.sendall(data)
            while piece := connection.recv(4_096):
                received += piece
        return received

    answer: bytes = await deferToThread(exchange)
    return answer


async def ask(path: Path, word: str) -> dict[str, Any]:
    line, rest = (await say(path, word.encode() + b"\n")).split(b"\n")
    assert rest == b""
    answer: dict[str, Any] = json.loads(line)
    return answer


@with_reactor
async def test_show_says_how_the_server_stands(running: Running, folder: Path) -> None:
    assert await ask(folder / "s", "show") == {
        "enable_streaming_stt": True,
        "live_calls": 1,
        "streaming": 1,
        "single_shot": 0,
        "message": "ENABLE_STREAMING_STT=True; live calls: 1, of these streaming: 1, "
        "with one request per utterance: 0",
    }


@with_reactor
async def test_off_and_on_turn_the_flag_and_are_logged(running: Running, folder: Path, logged: Logged) -> None:
    off = await ask(folder / "s", "off")
    assert off["enable_streaming_stt"] is running.switch.state.is_on is False
    assert (await ask(folder / "s", "on\r"))["enable_streaming_stt"] is True
    assert running.flag.is_on
    (first, second) = logged.matching("[CFG]")
    assert first == f"[CFG] {off['message']}"
    assert second.startswith("[CFG] ENABLE_STREAMING_STT=True (voicestt flag): ")


@with_reactor
async def test_the_socket_is_its_user_s_alone_and_goes_with_the_server(folder: Path) -> None:
    running = Running(folder / "s")
    running.control.start()
    assert stat.S_IMODE((folder / "s").stat().st_mode) == 0o600
    await running.control.stop()
    assert os.listdir(folder) == []
    await running.control.stop()


@with_reactor
async def test_a_dead_server_s_socket_is_replaced(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "s"))
        dead.listen()
    running = Running(folder / "s")
    running.control.start()
    assert (await ask(folder / "s", "show"))["live_calls"] == 1
    await running.control.stop()


@with_reactor
async def test_a_live_server_s_socket_is_not_stolen(running: Running, folder: Path, logged: Logged) -> None:
    second = Running(folder / "s")
    second.control.start()
    (line,) = logged.matching("will not reach this server")
    assert "another running server has it" in line
    assert "VOICESTT_SOCKET" in line
    await second.control.stop()
    await ask(folder / "s", "off")
    assert (running.flag.is_on, second.flag.is_on) == (False, True)


@with_reactor
async def test_a_file_that_is_no_socket_is_left_alone(folder: Path, logged: Logged) -> None:
    (folder / "s").write_text("precious")
    running = Running(folder / "s")
    running.control.start()
    await running.control.stop()
    assert (folder / "s").read_text() == "precious"
    assert "a file that is no socket is there" in logged.matching("will not reach this server")[0]


@pytest.mark.parametrize("name", ["none/s", "long" * 40, "nul\0"])
@with_reactor
async def test_where_no_socket_can_be_that_is_said_and_no_more(folder: Path, name: str, logged: Logged) -> None:
    running = Running(folder / name)
    running.control.start()
    await running.control.stop()
    assert len(logged.matching("will not reach this server")) == 1


@with_reactor
async def test_a_socket_that_somebody_removed_does_not_keep_the_server_from_stopping(folder: Path) -> None:
    running = Running(folder / "s")
    running.control.start()
    (folder / "s").unlink()
    await running.control.stop()


@with_reactor
async def test_a_socket_that_is_another_server_s_by_now_is_left_alone(folder: Path) -> None:
    first, second = Running(folder / "s"), Running(folder / "s")
    first.control.start()
    (folder / "s").unlink()
    second.control.start()
    await first.control.stop()
    assert is_live(folder / "s")
    await second.control.stop()


@with_reactor
async def test_without_a_path_it_lies_in_the_user_s_own_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    running = Running(None)
    running.control.start()
    path = folder / "voicestt" / f"{os.getpid()}.socket"
    assert (await ask(path, "show"))["live_calls"] == 1
    await running.control.stop()
    assert not path.exists()


@with_reactor
async def test_connected_clients_are_closed_when_the_server_stops(folder: Path) -> None:
    running = Running(folder / "s")
    running.control.start()

    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(folder / "s"))
        while not running.control._controls.open_ones:
            await deferLater(reactor, 0)
        await running.control.stop()
        assert await deferToThread(connection.recv, 1) == b""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\n", "what is ''?"),
        (b"ON\n", "what is 'ON'?"),
        (b"off on\n", "what is 'off on'?"),
        (b"\xff\xfe\n", "say one of: show, on, off"),
        ("כן\n".encode(), "what is 'כן'?"),
        (b"x" * (LONGEST_LINE + 1), "at most 200 bytes"),
        (b"x" * 1_000_000, "at most 200 bytes"),
    ],
)
@with_reactor
async def test_an_unknown_command_is_answered_in_words(
    running: Running, folder: Path, data: bytes, words: str
) -> None:
    try:
        answer = await say(folder / "s", data)
    except ConnectionError:  # it hung up on what was too long while that was still being said
        assert len(data) > LONGEST_LINE
    else:
        assert words in json.loads(answer)["error"]
    assert running.flag.is_on


class Line:
    """One connection in memory."""

    def __init__(self, switch: FlagSwitch | None = None, drain: Callable[[], str] | None = None) -> None:
        self.clock = Clock()
        self.open_ones: set[Control] = set()
        self.flag = Flag(is_on=True)
        self.transport = StringTransport()
        switch = switch or FlagSwitch(self.flag, ActiveCalls(self.flag))
        self.control = Control(self.clock, ControlWords(switch, drain), self.open_ones)
        self.control.makeConnection(self.transport)  # type: ignore[no-untyped-call]

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.transport.value().splitlines()]


@given(st.lists(st.one_of(st.binary(max_size=300), st.sampled_from([b"on", b"off", b"show", b"\n"])), max_size=20))
@example([b"o", b"ff", b"\n", b"on\n"])
def test_whatever_bytes_come_there_is_one_answer_at_most_and_then_the_end(pieces: list[bytes]) -> None:
    line = Line()
    for piece in pieces:
        line.control.dataReceived(piece)
    data = b"".join(pieces)
    first, newline, _ = data.partition(b"\n")
    expected = 1 if newline or len(first) > LONGEST_LINE else 0
    assert len(line.answers) == expected
    assert line.transport.disconnecting == bool(expected)
    assert line.flag.is_on == (first.strip() != b"off" or not newline)
    assert all(("error" in answer) != ("message" in answer) for answer in line.answers)
    line.control.connectionLost()
    assert line.clock.getDelayedCalls() == []
    assert line.open_ones == set()


def test_a_silent_client_is_told_so_and_cut_off_if_it_stays() -> None:
    line = Line()
    line.control.dataReceived(b"sho")
    line.clock.advance(PATIENCE_SECONDS)
    assert "no line came within 10 s" in line.answers[0]["error"]
    assert line.transport.disconnecting
    line.control.dataReceived(b"w\n")
    assert len(line.answers) == 1
    assert not line.transport.disconnected
    line.clock.advance(PATIENCE_SECONDS)
    assert line.transport.disconnected


def test_a_mistake_inside_is_answered_and_logged(logged: Logged) -> None:
    flag = Flag(is_on=True)

    def fail() -> None:
        raise ZeroDivisionError

    flag.watch(fail)
    line = Line(FlagSwitch(flag, ActiveCalls(flag)))
    line.control.dataReceived(b"off\n")
    assert line.answers == [{"error": "that failed inside the server; its log says how"}]
    assert len(logged.flush(ZeroDivisionError)) == 1


def test_drain_stops_the_server_where_that_can_be_done() -> None:
    line = Line()
    line.control.dataReceived(b"drain\n")
    assert "what is 'drain'" in line.answers[0]["error"]
    asked = Line(drain=lambda: "no new calls; live calls: 0")
    asked.control.dataReceived(b"drain\n")
    assert asked.answers[0]["message"] == "no new calls; live calls: 0"
    assert asked.answers[0]["live_calls"] == 0


def test_the_protocol_s_documentation_names_each_word_and_field() -> None:
    text = control_module.__doc__ or ""
    line = Line()
    line.control.dataReceived(b"show\n")
    for word in ("show", "on", "off", "error", *line.answers[0]):
        assert word in text
    assert str(LONGEST_LINE) in text
