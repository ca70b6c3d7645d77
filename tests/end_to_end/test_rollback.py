import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.clips import RATE, as_mulaw, speech
from tests.end_to_end.rig import (
    PATIENCE,
    Server,
    running_server,
    scripted_google,
    until,
)
from tests.end_to_end.twilio_line import TwilioLine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.ops.services import beside_python

WORDS = 8
SPOKEN = [(0.5, 2.9), (4.5, 6.9), (8.5, 10.9), (12.5, 14.9)]
LENGTH = 16.5
SCRIPT = {
    "utterances": [
        {"text": " ".join(f"{number}.{word}" for word in range(WORDS)), "start": start, "end": end}
        for number, (start, end) in enumerate(SPOKEN)
    ],
    "final_delay": 0.4,
}
EVERY_WORD = [f"{number}.{word}" for number in range(len(SPOKEN)) for word in range(WORDS)]


class Said:
    """A call whose audio is said piece by piece."""

    def __init__(self, line: TwilioLine, number: int) -> None:
        self._line = line
        self._audio = as_mulaw(speech(number, LENGTH, *SPOKEN))
        self._at = 0
        line.begin()

    def up_to(self, seconds: float) -> None:
        """Says the call's audio up to there."""
        end = int(seconds * RATE)
        self._line.speak(self._audio[self._at : end])
        self._at = end


@pytest.fixture
def google() -> Iterator[LocalGoogle]:
    with scripted_google(SCRIPT) as service:
        yield service


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / "env"
    path.write_text("STT_BATCH_MS=100\n")
    return path


@pytest.fixture
def server(google: LocalGoogle, tmp_path: Path, env_file: Path) -> Iterator[Server]:
    settings = {"VOICESTT_SOCKET": str(tmp_path / "s"), "VOICESTT_ENV_FILE": str(env_file)}
    with running_server(tmp_path, google.port, **settings) as running:
        running.wait_for("`voicestt flag` reaches this server at ")
        yield running


def flag(server: Server, state: str) -> str:
    """The output of `voicestt flag`; it ends well."""
    command = [beside_python("voicestt"), "flag", state, "--socket", str(server.services.folder / "s")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


def words_of_finals(server: Server, call: str) -> list[str]:
    return " ".join(server.texts("final", call)).split()


def streams(google: LocalGoogle) -> int:
    """The number of streams so far, open ones too."""
    return sum(record.method == "StreamingRecognize" for record in (*google.streams, *google.running))


def hear_partial(server: Server, call: str, word: str) -> None:
    until(lambda: any(word in text for text in server.texts("partial", call)), f"a partial with {word}")


def hear_final(server: Server, call: str, word: str) -> None:
    until(lambda: word in words_of_finals(server, call), f"a final with {word} in:\n{server.output}")


def test_the_flag_is_turned_during_a_call_and_every_word_comes_once(
    server: Server, google: LocalGoogle, env_file: Path
) -> None:
    with TwilioLine(server.target) as line:
        call, said = line.sids.call, Said(line, 31)
        said.up_to(1.9)
        hear_partial(server, call, "0.3")
        off = "ENABLE_STREAMING_STT=False (voicestt flag): 1 live call leaves streaming with its audio"
        assert flag(server, "off") == off
        assert server.saying(f"[CFG] {off}")
        said.up_to(4.4)
        hear_final(server, call, "0.7")

        said.up_to(5.7)
        on = "ENABLE_STREAMING_STT=True (voicestt flag): 1 live call returns to streaming after its utterance"
        assert flag(server, "on") == on
        assert server.saying(f"[CFG] {on}")
        before = streams(google)
        said.up_to(6.9)
        assert streams(google) == before, "it returned in the middle of an utterance"
        said.up_to(8.4)
        hear_final(server, call, "1.7")

        said.up_to(9.7)
        hear_partial(server, call, "2.2")
        env_file.write_text("STT_BATCH_MS=200\nENABLE_STREAMING_STT=false\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("[CFG] ENABLE_STREAMING_STT=False (SIGHUP): 1 live call leaves streaming with its audio")
        server.wait_for("take effect at the next start only: STT_BATCH_MS")
        said.up_to(12.4)
        hear_final(server, call, "2.7")

        said.up_to(LENGTH)
        assert line.hang_up() == 1000
    server.wait_for("Call ended:")
    assert words_of_finals(server, call) == EVERY_WORD
    (end,) = server.saying("Call ended:")
    assert "2 degraded" in end
    assert "NOT RECOGNISED" not in end
    assert "Traceback" not in server.output


def test_a_new_call_after_off_opens_no_stream_and_one_after_on_does(server: Server, google: LocalGoogle) -> None:
    assert "0 live calls leave streaming" in flag(server, "off")
    assert "nothing changes" in flag(server, "off")
    with TwilioLine(server.target) as line:
        call, said = line.sids.call, Said(line, 32)
        said.up_to(4.0)
        hear_final(server, call, "0.7")
        assert flag(server, "show").startswith("ENABLE_STREAMING_STT=False; live calls: 1, of these streaming: 0")
        line.hang_up()
    assert streams(google) == 0
    assert server.texts("partial", call) == []
    flag(server, "on")
    with TwilioLine(server.target) as line:
        Said(line, 33).up_to(2.0)
        hear_partial(server, line.sids.call, "0.3")
    assert words_of_finals(server, call) == EVERY_WORD[:WORDS]


@pytest.mark.parametrize("every", [0.7, 1.3])
def test_a_flag_that_never_rests_loses_nothing_and_says_nothing_twice(
    server: Server, env_file: Path, every: float
) -> None:
    states = itertools.cycle(["false", "true"])
    with TwilioLine(server.target) as line:
        said = Said(line, 34)
        at = 0.0
        for turns in itertools.count(1):
            at += every
            if at >= LENGTH:
                break
            said.up_to(at)
            env_file.write_text(f"STT_BATCH_MS=100\nENABLE_STREAMING_STT={next(states)}\n")
            os.kill(server.process.pid, signal.SIGHUP)
            server.wait_for("(SIGHUP)", turns)
        said.up_to(LENGTH)
        line.hang_up()
    server.wait_for("Call ended:")
    assert words_of_finals(server, line.sids.call) == EVERY_WORD
    assert "Traceback" not in server.output


def test_off_for_many_calls_at_once_keeps_every_word(server: Server, google: LocalGoogle) -> None:
    lines = [TwilioLine(server.target) for _ in range(12)]
    calls = [Said(line, number) for number, line in enumerate(lines, 40)]
    for said in calls:
        said.up_to(1.9)
    for line in lines:
        hear_partial(server, line.sids.call, "0.3")
    assert "12 live calls leave streaming with their audio" in flag(server, "off")
    opened = streams(google)
    for said in calls:
        said.up_to(4.0)
    for line in lines:
        hear_final(server, line.sids.call, "0.7")
        line.hang_up()
        line.socket.close()
    server.wait_for("Call ended:", len(lines))
    for line in lines:
        assert words_of_finals(server, line.sids.call) == EVERY_WORD[:WORDS]
    assert streams(google) == opened
    until(lambda: google.running == (), "no stream is left")
