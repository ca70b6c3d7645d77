import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from twisted.internet.defer import Deferred

from tests.conftest import Logged
from tests.recognisers.on_reactor import PATIENCE, reactor
from voicestt.journal import browser
from voicestt.journal.browser import JournalBrowser, JournalBusy
from voicestt.journal.database import Database
from voicestt.journal.schema import bring_up_to_date


def asked(looker: JournalBrowser, query: Any) -> "Deferred[Any]":
    return Deferred.fromCoroutine(looker.ask(query)).addTimeout(PATIENCE, reactor)


def one(connection: Connection) -> Any:
    return connection.execute(text("SELECT 1")).scalar()


@pytest.fixture
def looker(url: str) -> Any:
    database = Database(url)
    bring_up_to_date(database)
    database.close()
    made = JournalBrowser(reactor, url)
    yield made
    made.stop()


async def test_a_question_is_answered_in_a_thread_that_begins_with_it(looker: JournalBrowser) -> None:
    assert looker._thread is None
    assert await asked(looker, one) == 1
    assert await asked(looker, lambda _connection: threading.current_thread().name) == "journal's browser"


async def test_what_the_database_refuses_is_said_and_the_next_is_answered(
    looker: JournalBrowser, logged: Logged
) -> None:
    with pytest.raises(JournalBusy, match="The journal does not answer"):
        await asked(looker, lambda connection: connection.execute(text("SELECT * FROM nowhere")))
    assert "Calls and deliveries are not concerned" in str(logged.lines)
    assert await asked(looker, one) == 1


async def test_an_error_of_the_asker_s_own_comes_back(looker: JournalBrowser) -> None:
    with pytest.raises(ZeroDivisionError):
        await asked(looker, lambda _connection: 1 / 0)


async def test_a_question_without_an_end_is_broken_off(
    looker: JournalBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "LONGEST_SECONDS", 0.2)
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(JournalBusy):
        await asked(looker, lambda connection: connection.execute(text(numbers)).scalar())
    assert await asked(looker, one) == 1


async def test_too_many_questions_are_refused_and_those_that_wait_too_long(
    looker: JournalBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    first = asked(looker, lambda _connection: free.wait(PATIENCE))
    monkeypatch.setattr(browser, "LONGEST_SECONDS", 0.0)
    late = asked(looker, one)
    monkeypatch.setattr(browser, "MOST_WAITING", 1)
    with pytest.raises(JournalBusy, match="Too many"):
        await asked(looker, one)
    free.set()
    assert await first is True
    with pytest.raises(JournalBusy, match="slow"):
        await late


async def test_a_server_that_stops_refuses_what_waits(looker: JournalBrowser) -> None:
    begun = threading.Event()

    def wait(_connection: Connection) -> None:
        begun.set()
        time.sleep(0.05)

    first = asked(looker, wait)
    waits = asked(looker, one)
    begun.wait(PATIENCE)
    looker.stop()
    with pytest.raises(JournalBusy, match="stopping"):
        await waits
    with pytest.raises(JournalBusy, match="stopping"):
        await asked(looker, one)
    await first


async def test_a_database_that_is_away_is_said_in_words(tmp_path: Path) -> None:
    looker = JournalBrowser(reactor, f"sqlite:///{tmp_path}/none/journal.db")
    with pytest.raises(JournalBusy, match="does not answer"):
        await asked(looker, one)
    looker.stop()
