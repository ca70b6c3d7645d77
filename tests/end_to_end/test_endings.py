import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

import pytest

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.rig import (
    ENDED_AS_ASKED,
    Server,
    running_server,
    scripted_google,
    stream_with,
    until,
)
from tests.end_to_end.twilio_line import TwilioLine
from voicestt.emulators.google.service import LocalGoogle

SCRIPT = {"utterances": [{"text": "one {key} three four five six", "start": 0.3, "end": 1.8}]}
HALF_SAID = 1.5  # seconds: the utterance goes on when the call ends


@pytest.fixture
def google() -> Iterator[LocalGoogle]:
    with scripted_google(SCRIPT) as service:
        yield service


@pytest.fixture
def server(google: LocalGoogle, tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path, google.port) as running:
        yield running


def half_said(line: TwilioLine, server: Server, number: int) -> bytes:
    """Begins a call and stops in the middle of an utterance, when the server has heard some of it: its audio."""
    pcm = speech(number, HALF_SAID, (0.3, HALF_SAID))
    line.begin()
    line.speak(as_mulaw(pcm))
    until(lambda: server.texts("partial", line.sids.call), "a first partial")
    return pcm


def lose(line: TwilioLine) -> None:
    """The connection is reset, as when a network breaks."""
    line.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    line.socket.close()


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda line: line.hang_up(), "stop"),
        (lambda line: line.close(), "the socket was closed"),
        (lambda line: line.socket.close(), "the socket was lost"),
        (lose, "the socket was lost"),
    ],
    ids=["stop", "no stop", "half a goodbye", "reset"],
)
def test_however_a_call_ends_its_last_words_come(
    server: Server, google: LocalGoogle, end: Callable[[TwilioLine], object], words: str
) -> None:
    with TwilioLine(server.target) as line:
        pcm = half_said(line, server, 21)
        end(line)
    assert server.wait_for_final(line.sids.call) == ["one 21 three four"]
    record = stream_with(google, pcm)
    assert (record.how, record.half_closed) == ("OK", True)
    assert server.wait_for("Call ended:")[0].startswith(f"Call ended: {words};")
    until(lambda: server.health()["live_calls"] == 0, "no live call")
    assert "Traceback" not in server.output


def test_sigterm_during_a_call_lets_the_last_words_come_and_ends_the_process(
    server: Server, google: LocalGoogle
) -> None:
    with TwilioLine(server.target) as line, TwilioLine(server.target) as silent:
        pcm = half_said(line, server, 22)
        began = time.monotonic()
        code = server.end()
        assert time.monotonic() - began < 8
        assert code in ENDED_AS_ASKED
        assert line.close_code() in {1000, 1001}
        assert silent.close_code() in {1000, 1001}
    assert server.texts("final", line.sids.call) == ["one 22 three four"]
    record = stream_with(google, pcm)
    assert (record.how, record.half_closed) == ("OK", True)
    assert server.saying("Call ended: the server is stopping;")
    assert "Traceback" not in server.output
    assert google.running == ()


def test_sigterm_ends_an_idle_server_at_once(server: Server) -> None:
    began = time.monotonic()
    assert server.end() in ENDED_AS_ASKED
    assert time.monotonic() - began < 5
    assert "Traceback" not in server.output
    assert server.health() == {}


def test_sigterm_ends_a_server_whose_google_hangs(tmp_path: Path) -> None:
    with (
        scripted_google(SCRIPT, faults="all: hang on half-close") as google,
        running_server(tmp_path, google.port, STT_DRAIN_SECONDS="1") as server,
        TwilioLine(server.target) as line,
    ):
        half_said(line, server, 23)
        began = time.monotonic()
        assert server.end() in ENDED_AS_ASKED
        assert time.monotonic() - began < 12
        assert "Traceback" not in server.output
