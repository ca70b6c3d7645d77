import os
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from tests.postgres import cluster
from voicestt.journal.database import Database
from voicestt.journal.problems import BadJournal
from voicestt.journal.schema import bring_up_to_date, check
from voicestt.journal.tables import METADATA, TRIGRAMS, VERSION_TABLE


def made(url: str) -> Database:
    database = Database(url)
    bring_up_to_date(database)
    return database


def refusal(url: str) -> str:
    with pytest.raises(BadJournal) as refused:
        _open_and_close(url)
    return str(refused.value)


def _open_and_close(url: str) -> None:
    with closing(Database(url)) as database:
        bring_up_to_date(database)


def test_the_migrations_yield_exactly_the_tables(url: str) -> None:
    database = made(url)
    with database.reading() as connection:
        # The index of trigrams is there only where the database can have it.
        names = {"include_name": lambda name, *_about: not (name or "").startswith(TRIGRAMS)}
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True, **names}
        )
        assert compare_metadata(context, METADATA) == []
        check(database, connection)
    database.close()


def test_a_journal_that_is_up_to_date_is_left_alone(url: str) -> None:
    database = made(url)
    with database.writing() as connection:
        connection.execute(
            text("INSERT INTO voicestt_instances (id, host, pid, started, seen_at) VALUES ('a','',1,'',1)")
        )
    bring_up_to_date(database)
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM voicestt_instances")).scalar() == 1
    database.close()


def test_many_that_open_it_at_once_do_not_break_each_other(url: str) -> None:
    problems: list[Exception] = []
    together = threading.Barrier(8)

    def open_it() -> None:
        database = Database(url)
        together.wait(30)
        try:
            bring_up_to_date(database)
        except Exception as problem:  # noqa: BLE001
            problems.append(problem)
        database.close()

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    made(url).close()


def test_the_journal_of_a_newer_version_is_refused(url: str) -> None:
    database = made(url)
    with database.writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    words = refusal(url)
    assert "written by a newer version of voicestt (its tables are of version 9999)" in words
    with pytest.raises(BadJournal, match="newer version"), database.reading() as connection:
        check(database, connection)
    database.close()


def test_who_only_looks_is_told_that_there_is_none(url: str) -> None:
    database = Database(url)
    with pytest.raises(BadJournal, match="holds no journal"), database.reading() as connection:
        check(database, connection)
    database.close()


def test_a_percent_sign_in_a_path_is_none_of_a_variable(tmp_path: Path) -> None:
    folder = tmp_path / "100%(x)s"
    folder.mkdir()
    made(f"sqlite:///{folder}/journal.db").close()
    assert (folder / "journal.db").stat().st_size


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    made(f"sqlite:///{tmp_path}/journal.db").close()
    assert stat.S_IMODE((tmp_path / "journal.db").stat().st_mode) == 0o600


def test_a_relative_path_is_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite:///journal.db")
    assert database.name == f"{tmp_path}/journal.db"
    monkeypatch.chdir("/")
    bring_up_to_date(database)
    database.close()
    assert (tmp_path / "journal.db").exists()


def test_the_disk_is_told_to_keep_what_is_committed(tmp_path: Path) -> None:
    database = made(f"sqlite:///{tmp_path}/journal.db")
    with database.reading() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        found = [connection.execute(text(f"PRAGMA {pragma}")).scalar() for pragma in pragmas]
    database.close()
    assert found == ["wal", 2, 1]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:x?uri=true"])
def test_a_journal_that_is_no_file_is_refused(url: str) -> None:
    assert "followed by the path of a file" in refusal(url)


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "postgresql://x:secret@h:port/y", ""])
def test_what_names_no_database_is_refused_without_being_repeated(url: str) -> None:
    words = refusal(url)
    assert words == "JOURNAL_URL is not sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or off"


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    words = refusal(f"sqlite:///{tmp_path}/no/journal.db")
    assert words == (
        f"JOURNAL_URL: there is no folder {tmp_path}/no for the journal's file. Make it, or correct the path."
    )


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert f"{tmp_path} is no file" in refusal(f"sqlite:///{tmp_path}")


def test_a_file_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_text("a shopping list\n" * 1_000)
    assert "file is not a database" in refusal(f"sqlite:///{path}")
    assert path.read_text() == "a shopping list\n" * 1_000


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="needs Linux: a file that even root cannot write")
def test_a_file_that_cannot_be_written_is_refused() -> None:
    assert "the journal's file /proc/version cannot be used" in refusal("sqlite:////proc/version")


def test_a_file_that_another_does_not_let_go_is_refused(tmp_path: Path) -> None:
    database = made(f"sqlite:///{tmp_path}/journal.db")
    other = Database(f"sqlite:///{tmp_path}/journal.db")
    with database.writing(), pytest.raises(BadJournal, match=r"cannot be used \(database is locked\)"):
        bring_up_to_date(other)
    database.close()
    other.close()


def test_a_postgresql_that_is_not_there_is_refused_without_the_password() -> None:
    words = refusal("postgresql+psycopg://me:top%2Fsecret@127.0.0.1:1/calls")
    assert "the journal (the PostgreSQL database calls at 127.0.0.1:1) cannot be used" in words
    assert "Connection refused" in words
    assert "secret" not in words


def test_a_database_that_is_not_there_is_refused() -> None:
    words = refusal(cluster().url("nowhere"))
    assert 'database "nowhere" does not exist' in words
    assert "a-secret" not in words


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_language_is_refused(encoding: str) -> None:
    name = f"of_{encoding.lower()}"
    cluster().do(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0", "postgres")
    words = refusal(cluster().url(name))
    assert f"has the encoding {encoding}, which cannot hold every language" in words


def test_without_its_library_it_is_said_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    assert "pip install '.[postgresql]'" in refusal("postgresql+psycopg://me:secret@127.0.0.1/calls")


def test_a_socket_s_folder_is_its_address() -> None:
    url = f"postgresql+psycopg://postgres@/postgres?host={cluster().socket_folder}&port={cluster().port}"
    database = Database(url)
    with database.reading() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    assert database.name == f"the PostgreSQL database postgres at {cluster().socket_folder}"
    database.close()
