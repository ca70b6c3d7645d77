from pathlib import Path

import pytest

from tests.ops.journal.made import (
    Call,
    Desk,
    do,
    refused,
    run,
)
from voicestt.config.settings import BadSettings
from voicestt.journal.problems import BadJournal
from voicestt.ops.journal.opening import journal_url

COMMANDS = (["calls"], ["transcript", "CA1"], ["deliveries"], ["deliveries", "--retry-all"])


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("JOURNAL_URL", "VOICESTT_ENV_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_journal_that_is_not_there_is_not_made(command: list[str], tmp_path: Path) -> None:
    words = refused(*command)
    assert f"There is no journal {tmp_path}/voicestt-journal.db." in words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_no_journal_is_said(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_URL", "OFF")
    assert "JOURNAL_URL=off: the server keeps no journal" in refused(*command)


def test_a_file_that_no_server_has_written_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "voicestt-journal.db").touch()
    assert "holds no journal" in refused("calls")


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "voicestt-journal.db").write_text("a shopping list\n" * 1_000)
    assert "The journal cannot be read (file is not a database)" in refused("calls")


def test_a_database_that_does_not_answer_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_URL", "postgres://me:secret@127.0.0.1:1/calls")
    words = refused("calls")
    assert "The journal cannot be read (" in words
    assert "Connection refused" in words
    assert "secret" not in words


def test_a_newer_journal_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_URL", desk.url)
    do(desk, "UPDATE voicestt_version SET version_num = '9999'")
    assert "newer version of voicestt" in refused("calls")


def test_the_url_is_read_as_the_server_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "server.env"
    file.write_text("JOURNAL_URL=postgres://me@db/calls\n")
    assert journal_url({}) == "sqlite:///voicestt-journal.db"
    assert journal_url({"VOICESTT_ENV_FILE": str(file)}) == "postgresql+psycopg://me@db/calls"
    assert journal_url({"VOICESTT_ENV_FILE": str(file), "JOURNAL_URL": "sqlite:///x"}) == "sqlite:///x"
    with pytest.raises(BadJournal):
        journal_url({"JOURNAL_URL": " off "})
    for wrong in ({"JOURNAL_URL": "mysql://x"}, {"VOICESTT_ENV_FILE": str(tmp_path / "none")}):
        with pytest.raises(BadSettings):
            journal_url(wrong)


def test_an_unusable_environment_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_URL", "mysql://me:secret@x/y")
    words = refused("calls")
    assert "JOURNAL_URL is not sqlite:///FILE" in words
    assert "secret" not in words


def test_looking_leaves_no_instance_behind(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_URL", desk.url)
    desk.write(Call().started())
    run("calls")
    run("deliveries")
    assert do(desk, "SELECT * FROM voicestt_instances") == []
    assert do(desk, "SELECT owner FROM voicestt_sessions")[0].owner == "me"
