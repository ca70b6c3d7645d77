from pathlib import Path

import pytest

from tests.conftest import Logged
from tests.server.fakes import TOKEN, settings_of
from voicestt import __version__
from voicestt.server.startup import announce


def test_the_defaults_are_announced_without_a_warning(logged: Logged) -> None:
    announce(settings_of())
    assert logged.matching("⚠️") == []
    (model,) = logged.matching("[CFG] PUBLIC_HOST=")
    assert model == "[CFG] PUBLIC_HOST=voice.example.com language=iw-IL model=default"


def test_a_model_that_was_asked_for_and_is_refused_is_warned_of(logged: Logged) -> None:
    announce(settings_of(GCP_STT_MODEL="phone_call"))
    (warning,) = logged.matching("⚠️")
    assert "GCP_STT_MODEL=phone_call was asked for, but Google refuses it with iw-IL: default is used" in warning


def test_the_version_and_what_is_no_default_is_announced_without_a_secret(logged: Logged) -> None:
    announce(settings_of(STT_BATCH_MS="100", BUSY="+972501234567"))
    assert logged.matching("not the defaults") == [
        f"[CFG] voicestt {__version__}; not the defaults: PUBLIC_HOST=voice.example.com, "
        "TWILIO_AUTH_TOKEN is set, STT_BATCH_MS=100, JOURNAL_URL is set, BUSY is set, SHUTDOWN_SECONDS=0."
    ]
    assert TOKEN not in "".join(logged.lines)


def test_it_is_said_where_the_journal_and_the_events_are(
    logged: Logged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    announce(settings_of(JOURNAL_URL=f"sqlite:///{tmp_path}/j.db", EVENTS_FILE="events"))
    assert logged.matching("The journal") == [
        f"[CFG] The journal: {tmp_path}/j.db. The events file: {tmp_path}/events."
    ]
    announce(settings_of(JOURNAL_URL="postgresql://user:s3cret@db.example/calls"))
    assert logged.matching("db.example") == [
        "[CFG] The journal: the PostgreSQL database calls at db.example. The events file: none."
    ]
    assert "s3cret" not in "".join(logged.lines)
