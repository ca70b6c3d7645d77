"""The journal of the settings, real SQLite files and a real PostgreSQL; nothing of them is changed."""

import os
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.ops.gonogo.run_contexts import findings_of, run_context
from tests.postgres import Cluster, cluster
from tests.recognisers.on_reactor import on_reactor
from voicestt.journal.database import Database
from voicestt.journal.schema import Tables, bring_up_to_date, tables_in
from voicestt.journal.tables import VERSION_TABLE
from voicestt.ops.gonogo.journal_checks import _with_room, journal_check
from voicestt.ops.gonogo.report import CheckOutcome, Finding, as_json
from voicestt.ops.gonogo.run_context import Where
from voicestt.ops.services import free_port

OK, FAILED = CheckOutcome.OK, CheckOutcome.FAILED
MIGRATION = """
revision = "{0}"
down_revision = {1!r}
def upgrade(): pass
"""


async def found(folder: Path, url: str, where: Where = Where.STARTED, **variables: str) -> Finding:
    return (await findings_of([journal_check(run_context(folder, where, JOURNAL_URL=url, **variables))]))[
        "journal.opens"
    ]


def made(url: str, version: str | None = None) -> str:
    """The URL of a journal that a server has opened, of this version if no other is given."""
    database = Database(url)
    bring_up_to_date(database)
    if version is not None:
        with database.writing() as connection:
            connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{version}'")
    database.close()
    return url


@pytest.fixture(scope="module")
def postgres() -> Cluster:
    return cluster()


@on_reactor
async def test_a_file_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    finding = await found(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    assert (finding.outcome, finding.advice) == (OK, "")
    assert finding.figure.startswith("no tables yet: the server makes them; ")
    assert finding.figure.endswith(" GB free")
    assert os.listdir(tmp_path) == []


@on_reactor
async def test_a_journal_in_a_file_is_told_by_its_version(tmp_path: Path) -> None:
    equal = await found(tmp_path, made(f"sqlite:///{tmp_path}/equal.db"))
    assert (equal.outcome, equal.figure.partition(";")[0]) == (OK, "up to date")
    newer = await found(tmp_path, made(f"sqlite:///{tmp_path}/newer.db", "9999"))
    assert (newer.outcome, newer.figure.partition(";")[0]) == (FAILED, "of a newer version")


def test_an_older_one_is_brought_up_to_date_by_the_server(tmp_path: Path) -> None:
    migrations = tmp_path / "migrations"
    (migrations / "versions").mkdir(parents=True)
    database = Database(made(f"sqlite:///{tmp_path}/older.db"))
    with database.reading() as connection:
        head = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one()
        for this, before in ((head, None), ("a later one", head)):
            (migrations / "versions" / f"r{this[-4:]}.py").write_text(MIGRATION.format(this, before))
        assert tables_in(connection, migrations) is Tables.OLDER
        assert tables_in(connection) is Tables.EQUAL
    database.close()
    finding = _with_room(Tables.OLDER, 10**12)
    assert (finding.outcome, "cannot write to it" in finding.advice) == (OK, True)


@pytest.mark.parametrize(
    ("free", "outcome", "advice"),
    [(10**8, FAILED, "Free the disk"), (10**9, OK, "JOURNAL_DAYS"), (10**11, OK, "")],
)
def test_a_full_disk_is_found_before_it_is_full(free: int, outcome: CheckOutcome, advice: str) -> None:
    finding = _with_room(Tables.EQUAL, free)
    assert (finding.outcome, advice in finding.advice, bool(finding.advice)) == (outcome, True, bool(advice))


@on_reactor
async def test_an_unusable_journal_is_described_in_words(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_bytes(b"this is no database, but it is long enough to look like one" * 100)
    cases = {
        f"sqlite:///{tmp_path}/missing/journal.db": "there is no such folder",
        f"sqlite:///{tmp_path}": "it cannot be written",
        f"sqlite:///{tmp_path}/junk.db": "file is not a database",
        "sqlite:///:memory:": "it cannot be used",
    }
    for url, figure in cases.items():
        finding = await found(tmp_path, url)
        assert (finding.outcome, finding.figure, bool(finding.advice)) == (FAILED, figure, True)


@on_reactor
async def test_a_folder_that_may_not_be_written_is_no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root, whom these tests may run as, may write everything.
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != tmp_path)
    assert (await found(tmp_path, f"sqlite:///{tmp_path}/journal.db")).figure == "it cannot be written"


@on_reactor
async def test_a_disk_that_forgets_is_warned_of(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    on_a_dyno = await found(tmp_path, url, DYNO="web.1")
    from_outside = await found(tmp_path, url, Where.PUBLIC, PUBLIC_HOST="shop.herokuapp.com")
    assert (on_a_dyno.outcome, from_outside.outcome) == (OK, CheckOutcome.UNSEEN)
    for finding in (on_a_dyno, from_outside):
        assert "use PostgreSQL" in finding.advice
    assert (await found(tmp_path, "off", DYNO="web.1")).figure == "JOURNAL_URL=off"
    elsewhere = await found(tmp_path, "postgresql://u:s3cret@db.example/j", Where.PUBLIC, DYNO="web.1")
    assert (elsewhere.outcome, "use PostgreSQL" in elsewhere.advice) == (CheckOutcome.UNSEEN, False)


@on_reactor
async def test_a_postgresql_is_told_by_its_version_and_gets_no_tables(tmp_path: Path, postgres: Cluster) -> None:
    url = postgres.new_database()
    finding = await found(tmp_path, url)
    assert finding.outcome is OK
    assert finding.figure.startswith("PostgreSQL 1")
    assert finding.figure.endswith(", no tables yet: the server makes them")
    name = url.rpartition("/")[2]
    assert postgres.do("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name).strip() == "0"
    assert (await found(tmp_path, made(url))).figure.endswith(", up to date")
    newer = await found(tmp_path, made(url, "9999"))
    assert (newer.outcome, "A newer voicestt wrote it" in newer.advice) == (FAILED, True)


@on_reactor
async def test_a_postgresql_that_no_server_could_use_is_no_go(tmp_path: Path, postgres: Cluster) -> None:
    url = postgres.new_database()
    name = url.rpartition("/")[2]
    postgres.do(f"ALTER DATABASE {name} SET default_transaction_read_only = on", "postgres")
    assert (await found(tmp_path, url)).figure == "it can only be read"
    postgres.do("CREATE DATABASE western ENCODING 'LATIN1' TEMPLATE template0", "postgres")
    assert (await found(tmp_path, postgres.url("western"))).figure == "its encoding is LATIN1"
    postgres.do("CREATE ROLE clerk LOGIN", "postgres")
    other = postgres.new_database()
    postgres.do("REVOKE CREATE ON SCHEMA public FROM PUBLIC", other.rpartition("/")[2])
    finding = await found(tmp_path, other.replace("postgres:a-secret", "clerk:a-secret"))
    assert (finding.outcome, finding.figure) == (FAILED, "its user may not make tables")
    assert "GRANT CREATE" in finding.advice


@on_reactor
async def test_a_postgresql_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    finding = await found(tmp_path, f"postgresql://u:s3cret@127.0.0.1:{free_port()}/j")
    assert finding.outcome is FAILED
    assert "refused" in finding.figure
    assert "s3cret" not in as_json([finding])
