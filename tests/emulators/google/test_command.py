import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click.testing
import pytest

from tests.emulators.google.client import (
    SILENCE,
    audio,
    begin,
    finals,
    stream,
    transport,
)
from voicestt.emulators.google.command import google_local
from voicestt.recognisers import whisper as whisper_package
from voicestt.recognisers.whisper import engine as whisper

TEXTS = '{"utterances": [{"text": "שלום לך", "start": 0.1, "end": 0.5}]}'


@pytest.fixture
def script_file(tmp_path: Path) -> Path:
    path = tmp_path / "hello.json"
    path.write_text(TEXTS, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "records"


@pytest.fixture
def process(script_file: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", "from voicestt.cli import main; main()", "google-local"]
    options = ["--script", str(script_file), "--record", str(folder), "--record-audio"]
    options += ["--tls", str(folder.parent)]
    with subprocess.Popen(command + options, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


def test_it_says_where_it_listens_serves_and_ends_quietly(process: subprocess.Popen[str], folder: Path) -> None:
    assert process.stdout is not None
    line = process.stdout.readline()
    said = re.fullmatch(r"google-local: listening on (127\.0\.0\.1:\d+) \(script\)\n", line)
    assert said, line
    roots = folder.parent / "certificate.pem"
    proxy = f"grpc_proxy=http://{said[1]} GRPC_DEFAULT_SSL_ROOTS_FILE_PATH={roots}"
    assert process.stdout.readline() == f"google-local: for Google's clients: {proxy}\n"
    assert roots.read_text().startswith("-----BEGIN CERTIFICATE-----")
    with transport(said[1]) as speech:
        responses = stream(speech, [begin(), *[audio(SILENCE)] * 4])
        assert isinstance(responses, list)
        assert finals(responses) == ["שלום לך"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    (record,) = (folder / "streams.jsonl").read_text("utf-8").splitlines()
    assert json.loads(record)["finals"] == ["שלום לך"]
    assert (folder / "stream-1.raw").read_bytes() == SILENCE * 4


def refused(*arguments: str) -> str:
    result = click.testing.CliRunner().invoke(google_local, arguments)
    assert result.exit_code != 0
    return result.output


def test_an_address_is_host_and_port() -> None:
    assert "'8085' is not HOST:PORT" in refused("--listen", "8085")
    assert "not HOST:PORT" in refused("--listen", "127.0.0.1:99999")


def test_a_bad_script_is_said(script_file: Path) -> None:
    script_file.write_text('{"utterances": []}')
    assert "hello.json: The script cannot be read: there is nothing to say" in refused(
        "--script", str(script_file)
    )


def test_options_that_do_not_go_together(script_file: Path, tmp_path: Path) -> None:
    assert "exclude each other" in refused("--script", str(script_file), "--model", str(tmp_path))
    assert "--record-audio needs --record DIR" in refused("--record-audio", "--script", str(script_file))


def test_files_that_cannot_be_used_are_named(script_file: Path, tmp_path: Path) -> None:
    trouble = tmp_path / "trouble"
    trouble.write_text("next: rubbish")
    said = refused("--script", str(script_file), "--faults", str(trouble))
    assert "trouble: line 1: 'rubbish' is no fault" in said
    for option in ("--record", "--tls"):
        said = refused("--script", str(script_file), option, str(trouble / "records"))
        assert "records cannot be used: Not a directory" in said


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(whisper_package, "engine", raising=False)
    monkeypatch.setitem(sys.modules, "voicestt.recognisers.whisper.engine", None)
    output = refused()
    assert "pip install '.[embedded]'" in output
    assert "--script FILE" in output


def test_what_the_engine_misses_is_said_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load(model: Path, _warn: object) -> None:
        raise whisper.WeightsError(f"{model.name} has no model.bin.")

    monkeypatch.setattr(whisper, "load", load)
    assert "has no model.bin. Or give scripted texts with --script FILE." in refused("--model", str(tmp_path))


def test_an_open_address_is_warned_of(script_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicestt.emulators.google.command._run", lambda *_: None)
    run = click.testing.CliRunner().invoke
    assert (
        "WARNING: 0.0.0.0:0 can be reached"
        in run(google_local, ["--script", str(script_file), "--listen", "0.0.0.0:0"]).output
    )
    for local in ("127.0.0.1:0", "localhost:0", "[::1]:0"):
        assert run(google_local, ["--script", str(script_file), "--listen", local]).output == ""


def test_a_port_that_is_taken_is_an_error(process: subprocess.Popen[str], script_file: Path) -> None:
    assert process.stdout is not None
    address = process.stdout.readline().split()[3]
    assert f"cannot listen on {address}" in refused("--script", str(script_file), "--listen", address)
