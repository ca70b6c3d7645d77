import os
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import click.testing
import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.utils import getProcessOutputAndValue

from tests.emulators.twilio.answering import Answering, Server, with_reactor
from voicestt.audio.mulaw import decode
from voicestt.emulators.twilio.bad_input import KINDS
from voicestt.emulators.twilio.call_values import CallReport, ServerTarget
from voicestt.emulators.twilio.command import (
    call,
    report_lines,
    save_audio,
    target_from,
)
from voicestt.emulators.twilio.problems import CallProblem


def test_the_target_comes_from_the_environment_as_the_servers_settings_do() -> None:
    environment = {"PORT": "8080", "PUBLIC_HOST": "https://demo.example/", "TWILIO_AUTH_TOKEN": "hush"}
    assert target_from(environment, None) == ServerTarget("http://127.0.0.1:8080", "demo.example", "hush")
    several = {"TWILIO_AUTH_TOKEN": "new , old"}  # while it is rotated, as the server understands it
    assert target_from(several, None) == ServerTarget("http://127.0.0.1:5000", None, "new")
    assert target_from({}, None) == ServerTarget("http://127.0.0.1:5000")
    assert target_from({}, "https://a.example") == ServerTarget("https://a.example")


def test_the_report_says_what_happened() -> None:
    report = CallReport(
        "CA1",
        "MZ1",
        bytes_sent=320,
        frames_sent=2,
        seconds=0.04,
        webhook_status=200,
        status_callbacks=(("stream-started", 204),),
        close_code=1000,
        problems=(CallProblem("it rained", 31903),),
    )
    assert report_lines(report) == [
        "sent      320 bytes in 2 frames, 0.04 s; the latest frame 0 ms late",
        "received  0 bytes, 0 marks",
        "webhook   200; status callbacks: stream-started 204",
        "closed    1000",
        "PROBLEM   it rained (Twilio's error 31903)",
    ]
    assert "status callbacks: none" in "\n".join(report_lines(CallReport("CA1", "MZ1")))


def test_the_report_says_when_something_was_heard() -> None:
    report = CallReport("CA1", "MZ1", first_frame_at=10.0, first_heard_at=10.0314, cleared_at=(11.0,))
    assert "heard     first after 31 ms; 1 clears" in report_lines(report)


def test_what_the_caller_hears_can_be_kept(tmp_path: Path) -> None:
    audio = bytes(range(256))
    save_audio(tmp_path / "heard.ulaw", audio)
    save_audio(tmp_path / "heard.wav", audio)
    assert (tmp_path / "heard.ulaw").read_bytes() == audio
    with wave.open(str(tmp_path / "heard.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.readframes(256)) == (8000, 1, decode(audio))


def test_a_recording_that_is_not_there_is_an_error_in_words() -> None:
    result = click.testing.CliRunner().invoke(call, ["gone.wav"])
    assert result.exit_code == 1
    assert result.output == "Error: the recording gone.wav cannot be read: No such file or directory\n"


@pytest.fixture
def answering() -> Answering:
    return Answering()


@pytest.fixture
def url(answering: Answering) -> Iterator[str]:
    from twisted.internet import reactor

    server = Server(reactor, answering)
    yield server.url
    pytest_twisted.blockon(server.close())


async def run(folder: Path, *arguments: str) -> tuple[str, str, int]:
    clip = folder / "clip.ulaw"
    clip.write_bytes(b"\x00\x80" * 160)
    command = ["-c", "from voicestt.cli import main; main()", "call", str(clip), "--silence", "0", *arguments]
    environment = os.environ | {"PUBLIC_HOST": "demo.example", "TWILIO_AUTH_TOKEN": "hush"}
    out, err, code = await getProcessOutputAndValue(sys.executable, command, env=environment)
    return out.decode(), err.decode(), code


@with_reactor
async def test_the_command_calls_and_ends_with_0(answering: Answering, url: str, tmp_path: Path) -> None:
    out, err, code = await run(tmp_path, "--to", url, "--save", str(tmp_path / "heard.ulaw"))
    assert (err, code) == ("", 0), out
    assert "the webhook took the call CA" in out
    assert "sent      320 bytes in 2 frames" in out
    assert answering.ends == [(True, 1000)]
    heard = (tmp_path / "heard.ulaw").read_bytes()
    assert set(heard) == {0xFF}
    assert 320 <= len(heard) < 16_000
    assert "hush" not in out
    assert "5555550100" not in out


@with_reactor
async def test_a_call_that_is_not_taken_ends_with_1_and_words(
    answering: Answering, url: str, tmp_path: Path
) -> None:
    answering.webhook_code = 403
    out, err, code = await run(tmp_path, "--to", url)
    assert (err, code) == ("", 1)
    assert "PROBLEM   the webhook /webhook/incoming_call answered 403 (Twilio's error 11200)" in out


@with_reactor
async def test_each_recording_of_a_folder_is_a_call(answering: Answering, url: str, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("b.ulaw", "a.ulaw"):
        (clips / name).write_bytes(b"\x00\x80" * 80)
    (clips / "README").write_text("no recording")
    command = ["-c", "from voicestt.cli import main; main()", "call", str(clips), "--silence", "0", "--to", url]
    out, err, code = await getProcessOutputAndValue(
        sys.executable,
        [*command, "--save", str(tmp_path / "heard"), "--dtmf", "0:1", "--bad", "json@0", "--frame-ms", "10"],
        env=os.environ,
    )
    assert (err, code) == (b"", 0), out
    assert out.count(b"between   key 1, bad json") == 2
    assert out.index(b"--- a.ulaw") < out.index(b"--- b.ulaw")
    assert sorted(path.name for path in (tmp_path / "heard").iterdir()) == ["a.ulaw.wav", "b.ulaw.wav"]
    assert answering.events() == ["connected", "start", "dtmf", "media", "stop"] * 2


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--bad", "rain", "'rain' is no kind of bad input"),
        ("--bad", "json@soon", "'soon' is no number of seconds"),
        ("--pause", "3", "'3' has no number of seconds where '' stands"),
        ("--dtmf", "1:2x", "the keys of a telephone"),
        ("--frame-ms", "0", "1<=x<=5000"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(option: str, value: str, words: str) -> None:
    result = click.testing.CliRunner().invoke(call, ["clip.wav", option, value])
    assert result.exit_code == 2
    assert words in result.output


def test_a_folder_without_recordings_is_said_so(tmp_path: Path) -> None:
    result = click.testing.CliRunner().invoke(call, [str(tmp_path)])
    assert result.exit_code == 1
    assert "holds no recordings (.flac, " in result.output


def test_the_help_lists_every_kind_of_bad_input() -> None:
    text = " ".join(click.testing.CliRunner().invoke(call, ["--help"]).output.split())
    assert all(f"{name}: {kind.words}" in text for name, kind in KINDS.items())
