import os
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.ops.journal.made import Call, Desk, do, refused, run
from tests.postgres import cluster


@pytest.fixture
def sqlite_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("JOURNAL_URL", f"sqlite:///{tmp_path}/journal.db")
    monkeypatch.delenv("VOICESTT_ENV_FILE", raising=False)
    return Desk(f"sqlite:///{tmp_path}/journal.db")


def a_call(desk: Desk, words: str = "shalom") -> Call:
    call = Call()
    desk.write(call.started(), call.final(words), call.ended())
    return call


def test_what_only_the_write_ahead_log_has_is_in_the_backup_of_an_open_journal(
    sqlite_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_call(sqlite_desk)
    with sqlite_desk.database.reading():  # as a server that looks at it
        said = run("journal", "backup", str(tmp_path / "copy.db"))
    copy = tmp_path / "copy.db"
    assert said.startswith(f"The journal {tmp_path}/journal.db is in {copy}: ")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".", "copy.db-"))]
    monkeypatch.setenv("JOURNAL_URL", f"sqlite:///{copy}")
    assert "shalom" in run("transcript", "CA1")
    assert "events: 3\n" in run("journal", "check")


def test_a_backup_is_taken_while_a_writer_is_at_work(sqlite_desk: Desk, tmp_path: Path) -> None:
    a_call(sqlite_desk)
    with sqlite_desk.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM voicestt_attempts")  # the only writer's lock is held
        run("journal", "backup", str(tmp_path / "copy.db"))
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM voicestt_events").fetchone() == (3,)


@pytest.mark.usefixtures("sqlite_desk")
def test_no_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    assert "is there already, and is not overwritten" in refused("journal", "backup", str(tmp_path / "copy.db"))
    assert (tmp_path / "copy.db").read_text() == "precious"


@pytest.mark.usefixtures("sqlite_desk")
def test_a_backup_into_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert "cannot be written: No such file" in refused("journal", "backup", str(tmp_path / "none" / "copy.db"))


def test_a_file_that_is_no_database_leaves_no_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "journal.db").write_text("a shopping list\n" * 1_000)
    monkeypatch.setenv("JOURNAL_URL", f"sqlite:///{tmp_path}/journal.db")
    assert "cannot be copied (file is not a database)" in refused("journal", "backup", str(tmp_path / "copy.db"))
    assert [path.name for path in tmp_path.iterdir()] == ["journal.db"]


def test_a_journal_that_is_not_there_is_neither_made_nor_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_URL", f"sqlite:///{tmp_path}/journal.db")
    for command in (["backup", str(tmp_path / "copy.db")], ["check"]):
        assert "There is no journal" in refused("journal", *command)
    monkeypatch.setenv("JOURNAL_URL", "off")
    for command in (["backup", str(tmp_path / "copy.db")], ["check"]):
        assert "JOURNAL_URL=off" in refused("journal", *command)
    assert list(tmp_path.iterdir()) == []


def test_backup_of_postgresql_names_a_pg_dump_command_that_works_without_a_password_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = cluster().new_database()
    monkeypatch.setenv("JOURNAL_URL", url)
    desk = Desk(url)
    a_call(desk)
    desk.database.close()
    words = refused("journal", "backup", str(tmp_path / "copy.dump"))
    assert "a-secret" not in words
    (command,) = [line for line in words.splitlines() if line.startswith("  pg_dump ")]
    assert "***" not in command  # which pg_dump would take for the password
    subprocess.run(command, shell=True, check=True, env=os.environ | {"PGPASSWORD": "a-secret"})
    listed = subprocess.run(
        ["pg_restore", "--list", tmp_path / "copy.dump"], capture_output=True, text=True, check=True
    )
    assert "TABLE DATA public voicestt_events" in listed.stdout


def test_a_whole_journal_is_said_to_be_with_what_is_in_it(desk: Desk) -> None:
    a_call(desk)
    desk.write(Call("CA2").started())
    said = run("journal", "check")
    assert "up to date" in said
    for line in ("calls: 2", "calls that are still going on: 1", "events: 4", "deliveries that wait: 8"):
        assert f"{line}\n" in said


def test_an_older_journal_is_checked_too(desk: Desk) -> None:
    do(desk, "UPDATE voicestt_version SET version_num = '0001'")
    assert "version 0001, of an older version: the server brings it up to date" in run("journal", "check")


def test_a_damaged_file_is_said_and_ends_with_1(sqlite_desk: Desk, tmp_path: Path) -> None:
    call = Call()
    sqlite_desk.write(call.started(), *(call.final("shalom" * 200) for _ in range(100)), call.ended())
    sqlite_desk.database.close()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'voicestt_events'"
        ).fetchone()
    with (tmp_path / "journal.db").open("r+b") as file:
        file.seek((root - 1) * 4096 + 2)
        file.write(b"\xff" * 40)
    words = refused("journal", "check")
    assert "damaged" in words or "cannot be read" in words


def test_a_row_without_its_parent_row_counts_as_damage(sqlite_desk: Desk, tmp_path: Path) -> None:
    a_call(sqlite_desk)
    sqlite_desk.database.close()
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM voicestt_sessions")
    assert "belongs to a row of voicestt_sessions that is not there" in refused("journal", "check")
