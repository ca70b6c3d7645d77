import json
import sys
from pathlib import Path

import pytest

from tests.config.test_credentials import TEXT
from tests.recognisers.google.test_channels import good_key
from tests.server.fakes import ENVIRONMENT
from voicestt.config.settings import read_settings
from voicestt.server.preflight import problems_of

__all__ = ["good_key"]  # a fixture

LOCAL = {"GCP_STT_ENDPOINT": "127.0.0.1:1", "GCP_STT_INSECURE": "true"}


def problems(**variables: str) -> list[str]:
    return problems_of(read_settings({**ENVIRONMENT, **variables}))


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which Google's library finds no credentials."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


def test_settings_that_can_be_used_have_no_problem() -> None:
    assert problems(**LOCAL) == []


@pytest.mark.usefixtures("no_key")
def test_google_without_a_key_is_refused_with_what_to_do() -> None:
    (problem,) = problems()
    assert problem.startswith("GOOGLE_APPLICATION_CREDENTIALS is not set, and this machine has no application")
    assert "STT_ENGINE=embedded" in problem


@pytest.mark.usefixtures("no_key")
def test_a_secure_endpoint_needs_a_key_too() -> None:
    (problem,) = problems(GCP_STT_ENDPOINT="eu-speech.googleapis.com:443")
    assert problem.startswith("GOOGLE_APPLICATION_CREDENTIALS is not set")


@pytest.mark.usefixtures("no_key")
def test_no_key_is_needed_where_google_is_not_asked() -> None:
    assert problems(STT_ENGINE="embedded") == []
    assert problems(**LOCAL, TTS_ENGINE="google", GCP_TTS_ENDPOINT="127.0.0.1:2") == []


@pytest.mark.usefixtures("no_key")
def test_speech_by_google_needs_a_key_too() -> None:
    (problem,) = problems(**LOCAL, TTS_ENGINE="google")
    assert problem.startswith("TTS_ENGINE=google needs a key")


@pytest.mark.usefixtures("no_key")
def test_the_machine_s_own_credentials_are_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, good_key: dict[str, str]
) -> None:
    default = tmp_path / "gcloud" / "application_default_credentials.json"
    default.parent.mkdir()
    default.write_text(json.dumps(good_key))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(default.parent))
    assert problems() == []


def test_a_key_that_cannot_be_loaded_is_one_problem_and_not_two() -> None:
    (problem,) = problems(GOOGLE_APPLICATION_CREDENTIALS=TEXT, TTS_ENGINE="off")
    assert "is a service_account key that Google cannot load" in problem
    assert "c2VjcmV0" not in problem


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    found = problems(
        **LOCAL,
        PUBLIC_HOST="",
        HANDLER="nowhere.at.all:Handler",
        GREETING="Good morning",
        WHISPER_MODEL=str(tmp_path),
        JOURNAL_URL=f"sqlite:///{tmp_path}/none/journal.db",
        REDIS_URL="redis://127.0.0.1:1/0?no_such_option=1&socket_timeout=never",
        STT_BATCH_MS="often",
    )
    assert [problem.split(maxsplit=1)[0].partition("=")[0].rstrip(":") for problem in found] == [
        "PUBLIC_HOST",
        "STT_BATCH_MS",
        "WHISPER_MODEL",
        "GREETING",
        "HANDLER",
        "JOURNAL_URL",
        "REDIS_URL",
    ]
    assert "there is no module nowhere" in found[4]


def test_an_address_of_the_fleet_that_the_library_does_not_take_is_said_once(tmp_path: Path) -> None:
    wrong = "redis://127.0.0.1:1/0?socket_timeout=never"
    (problem,) = problems(**LOCAL, FLEET_REDIS_URL=wrong)
    assert problem.startswith("FLEET_REDIS_URL has something")
    (problem,) = problems(**LOCAL, REDIS_URL=wrong, JOURNAL_URL=f"sqlite:///{tmp_path}/j")
    assert problem.startswith("REDIS_URL has something")
    assert problems(**LOCAL, FLEET_REDIS_URL="off") == []


def test_what_depends_on_a_setting_that_cannot_be_used_is_not_checked() -> None:
    (problem,) = problems(**LOCAL, GREETING="Good morning", TTS_ENGINE="siri")
    assert problem.startswith("TTS_ENGINE is not one of")


def test_a_text_to_speak_is_fine_where_something_speaks() -> None:
    assert problems(**LOCAL, GREETING="Good morning", TTS_ENGINE="espeak-ng", TTS_LANGUAGE="en-US") == []


def test_a_voice_that_does_not_exist_is_said() -> None:
    (problem,) = problems(**LOCAL, TTS_ENGINE="espeak-ng", TTS_LANGUAGE="zz-ZZ")
    assert "zz" in problem


def test_the_application_is_not_imported_in_a_process_that_will_fork() -> None:
    reading = read_settings({**ENVIRONMENT, **LOCAL, "HANDLER": "nowhere.at.all:Handler"})
    assert problems_of(reading, may_import=False) == []


def test_nothing_is_written(tmp_path: Path) -> None:
    assert (
        problems(**LOCAL, JOURNAL_URL=f"sqlite:///{tmp_path}/journal.db", EVENTS_FILE=f"{tmp_path}/events") == []
    )
    assert list(tmp_path.iterdir()) == []


def test_whisper_can_be_switched_off() -> None:
    assert problems(**LOCAL, WHISPER_MODEL="off") == []


def test_recordings_need_a_folder_that_can_be_written_and_a_store_that_can_be_named(tmp_path: Path) -> None:
    assert problems(**LOCAL, RECORD="both", RECORD_DIR=str(tmp_path / "made" / "later")) == []
    file = tmp_path / "file"
    file.touch()
    (problem,) = problems(**LOCAL, RECORD="caller", RECORD_DIR=str(file / "recordings"))
    assert problem == f"RECORD_DIR={file}/recordings: {file} is no folder that this user may write to"
    assert problems(**LOCAL, RECORD="off", RECORD_DIR=str(file / "recordings")) == []
    assert problems(**LOCAL, RECORD_STORE="s3://calls", RECORD_STORE_ENDPOINT="http://127.0.0.1:1") == []
    assert problems(**LOCAL, RECORD_STORE="calls") == ["RECORD_STORE is not s3://BUCKET or s3://BUCKET/PREFIX"]
    (problem,) = problems(**LOCAL, RECORD_STORE_ENDPOINT="http://127.0.0.1:1")
    assert problem.startswith("RECORD_STORE_ENDPOINT means nothing without RECORD_STORE")


def test_a_store_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    (problem,) = problems(**LOCAL, RECORD_STORE="s3://calls")
    assert problem == "RECORD_STORE needs the extra `s3` (pip install '.[s3]' in the checkout)"
