"""Events that were written, read a page at a time while others write."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from sqlalchemy import text

from tests.journal.made import Call
from tests.journal.test_writing import Desk
from tests.postgres import cluster
from voicestt.journal import reading
from voicestt.journal.database import Database
from voicestt.journal.payloads import StoredPayloads
from voicestt.journal.port import EVERYTHING, Filter, Page
from voicestt.journal.tables import events


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    made = Desk(url)
    yield made
    made.database.close()


def read(database: Database, after: int = 0, limit: int = 200, wanted: Filter = EVERYTHING) -> Page:
    with database.reading() as connection:
        return reading.since(connection, StoredPayloads(), after, limit, wanted)


def numbers(page: Page) -> list[int]:
    return [record.number for record in page.records]


def test_an_empty_journal_is_settled(desk: Desk) -> None:
    assert read(desk.database) == Page([], 0, 0)


def test_a_page_has_what_is_wanted_and_no_more_than_asked_for(desk: Desk) -> None:
    one, two = Call("CA1"), Call("CA2")
    desk.write(one.started(), two.started(), one.partial(), two.partial(), one.final(), two.final(), one.ended())
    assert numbers(read(desk.database)) == [1, 2, 3, 4, 5, 6, 7]
    assert read(desk.database).through == read(desk.database).last == 7
    wanted = {
        (2, 2, EVERYTHING): [3, 4],
        (0, 9, Filter(frozenset({"CA1"}))): [1, 3, 5, 7],
        (3, 1, Filter(frozenset({"CA1"}))): [5],
        (0, 9, Filter(frozenset({"CA1", "CA2"}), frozenset({"partial", "final"}))): [3, 4, 5, 6],
        (0, 9, Filter(frozenset({"CA3"}))): [],
        (0, 9, Filter(types=frozenset({"final", "call_ended"}))): [5, 6, 7],
        (0, 9, Filter(types=frozenset({"partial"}))): [3, 4],
        (0, 9, Filter(types=frozenset())): [],
    }
    for (after, limit, filtered), expected in wanted.items():
        assert numbers(read(desk.database, after, limit, filtered)) == expected


class TestUncommitted:
    """On PostgreSQL what has the smaller number may be there later."""

    @pytest.fixture
    def database(self) -> Iterator[Database]:
        with closing(Desk(cluster().new_database()).database) as database:
            yield database

    def test_no_page_goes_past_what_is_under_way(self, database: Database) -> None:
        url = database._engine.url.render_as_string(hide_password=False)
        with ExitStack() as both:
            late, quick = (both.enter_context(closing(Database(url))) for _ in range(2))
            with late.writing() as connection:
                held = _insert(late, connection, 2)
                _write(quick, 3)
                page = read(database)
                assert numbers(page) == []
                assert page.through < held[0]
                assert page.last == 5
            assert numbers(read(database)) == [1, 2, 3, 4, 5]

    def test_what_was_given_up_holds_nobody_back(self, database: Database) -> None:
        url = database._engine.url.render_as_string(hide_password=False)
        with closing(Database(url)) as other, other.writing() as connection:
            _insert(other, connection, 2)
            connection.rollback()
        _write(database, 1)
        assert read(database).through == read(database).last == 3

    @pytest.mark.parametrize("last", [2**31 - 3, 2**32 - 3, 5 * 2**32 - 3, 2**40 + 2**31 - 3])
    def test_numbers_of_any_size_are_told_apart(self, database: Database, last: int) -> None:
        with database.writing() as connection:
            connection.execute(text(f"SELECT setval('{events.name}_number_seq', {last})"))
        with database.writing() as connection:
            assert _insert(database, connection, 10)[0] == last + 1
            url = database._engine.url.render_as_string(hide_password=False)
            with closing(Database(url)) as other:
                page = read(other)
            assert (page.through, page.last) == (last, last + 10)

    def test_another_database_s_writers_are_nothing_to_this_one(self, database: Database) -> None:
        _write(database, 5)
        with closing(Desk(cluster().new_database()).database) as other, other.writing() as connection:
            _insert(other, connection, 1)
            assert read(database).through == 5

    def test_who_reads_on_from_the_last_event_misses_none_of_writers_that_commit_late(
        self, database: Database
    ) -> None:
        url = database._engine.url.render_as_string(hide_password=False)
        threads = [threading.Thread(target=_write_late, args=(url, pause)) for pause in (0.0, 0.002, 0.01)]
        for thread in threads:
            thread.start()
        seen: list[int] = []
        while any(thread.is_alive() for thread in threads):
            seen += numbers(read(database, seen[-1] if seen else 0, 1_000))
        seen += numbers(read(database, seen[-1] if seen else 0, 10_000))
        assert len(seen) == 3 * 60 * 5
        assert seen == sorted(seen)


def _insert(database: Database, connection: Any, count: int) -> list[int]:
    given = list(database.numbers(connection, count))
    call = Call(f"CA{given[0]}")
    connection.execute(
        text(
            "INSERT INTO voicestt_sessions (session, call_sid, stream_sid, account_sid, started_at,"
            " closed_by_recovery) VALUES (:session, 'CA', '', '', 0, false)"
        ),
        {"session": call.session},
    )
    rows = [(number, call.session, number, "final", "CA", 0.0, "{}") for number in given]
    columns = ("number", "session", "sequence", "type", "call_sid", "written_at", "payload")
    database.insert(connection, events, columns, rows)
    return given


def _write(database: Database, count: int) -> None:
    with database.writing() as connection:
        _insert(database, connection, count)


def _write_late(url: str, pause: float) -> None:
    with closing(Database(url)) as database:
        for _ in range(60):
            with database.writing() as connection:
                _insert(database, connection, 5)
                time.sleep(pause)
