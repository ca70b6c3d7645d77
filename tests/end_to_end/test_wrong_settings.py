import os
import socket
import subprocess
from pathlib import Path

import pytest

from voicestt.ops.services import Services

SECRET = "s3cr3t-that-nobody-may-see"


def started(
    folder: Path, *, settings: dict[str, str], more: tuple[str, ...] = (), port: int | None = None
) -> tuple[int, str]:
    """The exit code and the words of a server that must not start."""
    services = Services(folder) if port is None else Services(folder, server_port=port)
    ended = subprocess.run(
        [*services.server_command(), *more],
        cwd=folder,
        env=services.server_environment(os.environ) | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_every_wrong_setting_is_named_at_once_in_words(tmp_path: Path) -> None:
    wrong = {
        "PUBLIC_HOST": "",
        "STT_BATCH_MS": "often",
        "ENABLE_STREAMING_STT": "perhaps",
        "GCP_STT_ENDPOINT": "192.0.2.1:443",
        "GOOGLE_APPLICATION_CREDENTIALS": f'{{"private_key": "{SECRET}"',
        "TWILIO_AUTH_TOKEN": SECRET,
    }
    code, words = started(tmp_path, settings=wrong, more=("--listen", "carrier-pigeon:5"))
    assert code == 1
    for name in ("PUBLIC_HOST", "STT_BATCH_MS", "ENABLE_STREAMING_STT", "GCP_STT_INSECURE", "carrier-pigeon"):
        assert f"  - {name}" in words or f"  - --listen {name}" in words
    assert "  - GOOGLE_APPLICATION_CREDENTIALS is not JSON" in words
    assert "Traceback" not in words
    assert SECRET not in words


def test_a_missing_token_is_said_with_where_to_find_it(tmp_path: Path) -> None:
    code, words = started(tmp_path, settings={"TWILIO_AUTH_TOKEN": ""})
    assert code == 1
    assert "TWILIO_AUTH_TOKEN is not set. It is on the first page of the Twilio console" in words
    assert "Traceback" not in words


def test_google_without_any_key_is_refused_before_the_first_call_loses_its_words(tmp_path: Path) -> None:
    nowhere = {"CLOUDSDK_CONFIG": str(tmp_path), "NO_GCE_CHECK": "true"}
    code, words = started(tmp_path, settings={"GCP_STT_ENDPOINT": "", "GCP_STT_INSECURE": "", **nowhere})
    assert code == 1
    assert "  - GOOGLE_APPLICATION_CREDENTIALS is not set, and this machine has no application default" in words
    assert "Traceback" not in words


def test_a_port_that_is_taken_is_said_in_words_and_the_server_ends(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        code, words = started(tmp_path, settings={}, port=other.getsockname()[1])
    assert code == 1
    assert "The server could not start: Couldn't listen on 127.0.0.1" in words
    assert "Address already in use" in words
    assert "Traceback" not in words


def test_a_recogniser_that_cannot_be_loaded_is_said_in_words_and_the_server_ends(tmp_path: Path) -> None:
    settings = {"STT_ENGINE": "embedded", "WHISPER_MODEL": str(tmp_path / "nothing-here")}
    code, words = started(tmp_path, settings=settings)
    assert code == 1
    assert "  - WHISPER_MODEL: " in words
    assert "is not a Whisper model" in words
    assert "Traceback" not in words


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"HANDLER": "nowhere.at.all:Handler"}, "HANDLER=nowhere.at.all:Handler: there is no module nowhere"),
        ({"GREETING": "Good morning"}, "GREETING is a text, and nothing here speaks"),
        ({"GREETING": "missing.wav"}, "GREETING names the file missing.wav"),
        ({"JOURNAL_URL": "sqlite:///no/such/folder/journal.db"}, "JOURNAL_URL"),
        ({"TTS_ENGINE": "espeak-ng", "TTS_LANGUAGE": "zz-ZZ"}, "zz"),
    ],
)
def test_what_applications_need_is_checked_before_the_first_call(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    code, said = started(tmp_path, settings=settings)
    assert code == 1
    (line,) = [line for line in said.splitlines() if line.startswith("  - ")]
    assert words in line
    assert "Traceback" not in said
