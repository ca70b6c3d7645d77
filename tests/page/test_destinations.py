import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.journal.made import Call
from tests.journal.test_writing import Desk
from tests.ops.journal.conftest import desk
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt.journal import outbox
from voicestt.page import queries as queries_module
from voicestt.page.destinations_api import DestinationsApi
from voicestt.page.queries import MOST_WAITING, JournalQueries
from voicestt.page.visit import PageError, Role, Visit

__all__ = ["desk"]  # a fixture


def visit(body: dict[str, Any] | None = None, **query: str) -> Visit:
    nobody: Any = None
    return Visit(nobody, Role.ACT, "", 0.0, query, body or {})


class Deliveries:
    """The endpoints, asked as the router asks them."""

    def __init__(self, queries: JournalQueries) -> None:
        api = DestinationsApi(queries, lambda: {"webhook": 1, "redis": 2})
        self._answers = {endpoint.path: endpoint.answer for endpoint in api.endpoints}

    async def dead(self, name: str = "webhook", **query: str) -> dict[str, Any]:
        found: Any = await self._answers["/api/dead/<name>"](visit({}, **query), name=name)
        return dict(found)

    async def change(self, action: str, name: str = "webhook", **body: Any) -> int:
        found: Any = await self._answers[f"/api/destinations/<name>/{action}"](visit(body), name=name)
        return int(found["done"])


@pytest.fixture
def queries(desk: Desk) -> Iterator[JournalQueries]:
    made = JournalQueries(reactor, desk.url)
    yield made
    made.stop()


@pytest.fixture
def deliveries(queries: JournalQueries) -> Deliveries:
    return Deliveries(queries)


def dead_letter(desk: Desk, count: int) -> list[str]:
    """The ids of events that were dead-lettered at the webhook."""
    call = Call()
    events = [call.started(), *(call.final(f"final {number}") for number in range(count - 1))]
    records = [each for each in desk.write(*events) if each is not None]
    with desk.database.writing() as connection:
        marks = [outbox.Failed("webhook", each.number, "it answered 410", True) for each in records]
        outbox.apply(connection, marks, time.time())
    return [event.id for event in events]


@on_reactor
async def test_dead_letters_come_page_by_page(desk: Desk, deliveries: Deliveries) -> None:
    ids = dead_letter(desk, 70)
    first = await deliveries.dead()
    second = await deliveries.dead(cursor=first["next"])
    assert [each["event_id"] for each in (*first["dead"], *second["dead"])] == ids
    assert (len(first["dead"]), second["next"]) == (50, None)
    one = first["dead"][1]
    assert (one["type"], one["call_sid"], one["last_error"]) == ("final", "CA1", "it answered 410")
    assert (await deliveries.dead("redis"))["dead"] == []


@on_reactor
async def test_what_was_dead_lettered_is_tried_again_skipped_and_discarded(
    desk: Desk, deliveries: Deliveries
) -> None:
    ids = dead_letter(desk, 3)
    assert await deliveries.change("retry", event=ids[1]) == 1
    assert [each["event_id"] for each in (await deliveries.dead())["dead"]] == [ids[0], ids[2]]
    assert await deliveries.change("skip") == 1
    assert len((await deliveries.dead())["dead"]) == 3
    assert await deliveries.change("discard", event=ids[0]) == 1
    assert await deliveries.change("discard") == 2
    assert await deliveries.change("discard") == 0
    with desk.database.reading() as connection:
        # What waits for the other destination is untouched, and the servers that run know of the change.
        assert connection.execute(text("SELECT count(*) FROM voicestt_outbox")).scalar() == 3
        assert outbox.changes_noted(connection) == 4


@on_reactor
async def test_what_cannot_be_asked_for_is_refused_in_words(deliveries: Deliveries) -> None:
    for asked, code in (
        (deliveries.dead("nowhere"), 404),
        (deliveries.change("retry", "nowhere"), 404),
        (deliveries.change("retry", event="no id"), 400),
        (deliveries.change("retry", event=5), 400),
        (deliveries.dead(cursor="x"), 400),
    ):
        with pytest.raises(PageError) as refused:
            await asked
        assert refused.value.code == code


@on_reactor
async def test_without_a_journal_there_is_nothing_to_ask() -> None:
    queries = JournalQueries(reactor, "off")
    for asked in (queries.read(lambda _: 1), queries.change(lambda _: 1)):
        with pytest.raises(PageError, match="JOURNAL_URL=off"):
            await asked
    queries.stop()


@on_reactor
async def test_a_query_that_takes_too_long_is_broken_off(
    desk: Desk, queries: JournalQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries_module, "QUERY_SECONDS", 0.3)
    endless = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
        "postgresql": "SELECT pg_sleep(600)",
    }
    with pytest.raises(PageError, match="did not answer within"):
        await queries.read(lambda connection: connection.execute(text(endless[connection.dialect.name])).scalar())
    assert await queries.read(lambda connection: connection.execute(text("SELECT 7")).scalar()) == 7


@on_reactor
async def test_more_than_the_journal_can_answer_is_said_at_once(queries: JournalQueries) -> None:
    from threading import Event

    from twisted.internet.defer import Deferred

    go_on = Event()
    first = [Deferred.fromCoroutine(queries.read(lambda _: go_on.wait(30))) for _ in range(MOST_WAITING)]
    with pytest.raises(PageError, match="asked for more") as refused:
        await queries.read(lambda _: True)
    assert refused.value.code == 503
    first[-1].addErrback(lambda _cancelled: None).cancel()
    go_on.set()
    for each in first[:-1]:
        assert await each
    assert await queries.read(lambda _: True)


@on_reactor
async def test_a_journal_that_cannot_be_read_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    sqlite3.connect(path).close()
    queries = JournalQueries(reactor, f"sqlite:///{path}")
    with pytest.raises(PageError, match="Calls are taken all the same"):
        await queries.read(lambda connection: connection.execute(text("SELECT * FROM voicestt_events")))
    queries.stop()
    with pytest.raises(PageError, match="stopping"):
        await queries.read(lambda _: 1)
