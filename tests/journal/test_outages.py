"""The database goes away and comes back: nothing waits for it but the events themselves."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from tests.conftest import Logged
from tests.journal.made import (
    WEBHOOK,
    Call,
    Journals,
    Opened,
    Told,
    eventually,
    numbers,
    payloads,
)
from tests.postgres import cluster
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from voicestt.events import encode
from voicestt.journal.journal import CLOSE_SECONDS, Journal
from voicestt.journal.outage import JournalOutage
from voicestt.journal.problems import JournalClosed
from voicestt.journal.write_queue import WriteQueue


class BentTime(Clock):
    """The reactor's threads, and a time that the test makes."""

    def callFromThread(self, function: Callable[..., object], *arguments: object) -> None:  # noqa: N802
        reactor.callFromThread(function, *arguments)


class Lock:
    """A SQLite file that somebody else writes, and does not finish."""

    def __init__(self, url: str) -> None:
        self._path = url.removeprefix("sqlite:///")
        self._connection: sqlite3.Connection | None = None

    def fail(self) -> None:
        self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=30, check_same_thread=False)
        self._connection.execute("BEGIN IMMEDIATE")

    def mend(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Stopped:
    """A PostgreSQL that does not run."""

    def fail(self) -> None:
        cluster().stop()

    def mend(self) -> None:
        if not cluster().is_running:
            cluster().start()


@pytest.fixture
def database(url: str, journals: Journals) -> Iterator[Any]:
    """The database that `journals` use; it can `fail` and `mend`."""
    made = Lock(url) if url.startswith("sqlite") else Stopped()
    yield made
    made.mend()


@pytest.fixture
def bent() -> BentTime:
    return BentTime()


async def fail(database: Any, opened: Opened, logged: Logged) -> None:
    """Until the journal has noticed: the first that waits is in the writer's hands then, and no other."""
    database.fail()
    opened.journal.put(Call().started(), "the first that waits")
    await eventually(lambda: logged.matching("cannot be written: "))
    opened.journal.put(None, "the second")


class TestOutage:
    @on_reactor
    async def test_what_is_put_meanwhile_is_written_afterwards_in_order(
        self, journals: Journals, database: Any, logged: Logged
    ) -> None:
        opened, call = await journals.open(WEBHOOK), Call()
        await opened.write(call.started())
        await fail(database, opened, logged)
        events = [call.final(f"{number}") for number in range(1_200)]
        for event in events:
            opened.journal.put(event, event.id)
        database.mend()
        await opened.told.until_written(1_203)
        assert opened.told.facts[3:] == [event.id for event in events]
        assert payloads(opened.told.records[2:]) == [encode(event) for event in events]
        assert len(await opened.pending(limit=5_000)) == 1_202
        await eventually(lambda: logged.matching("can be written again"))
        assert len(logged.matching("cannot be written: ")) == 1
        assert len(logged.matching("can be written again")) == 1

    @on_reactor
    async def test_who_only_keeps_the_order_needs_no_database(
        self, journals: Journals, database: Any, logged: Logged
    ) -> None:
        opened = await journals.open(WEBHOOK)
        database.fail()
        opened.journal.put(None, "nothing to write")
        await opened.told.until_written(1)
        assert not logged.matching("cannot be written: ")
        assert opened.told.late_facts == []

    @on_reactor
    async def test_who_waits_for_two_seconds_is_told_without_it_and_is_told_later_that_it_was_late(
        self, journals: Journals, database: Any, logged: Logged, bent: BentTime
    ) -> None:
        opened, call = await journals.open(WEBHOOK, reactor=bent), Call()
        await fail(database, opened, logged)
        opened.journal.put(call.started(), "third")
        bent.pump([0.25] * 7)
        assert opened.told.late_facts == []
        bent.pump([0.25])
        assert opened.told.late_facts == ["the first that waits", "the second", "third"]
        opened.journal.put(call.final(), "in time")
        database.mend()
        await opened.told.until_written(4)
        assert [entry.was_late for entry in opened.told.entries] == [True, True, True, False]
        bent.pump([0.25] * 20)
        assert len(opened.told.late_facts) == 3

    @on_reactor
    async def test_who_asks_is_answered_afterwards(
        self, journals: Journals, database: Any, logged: Logged
    ) -> None:
        opened, call = await journals.open(WEBHOOK), Call()
        (record,) = await opened.write(call.started())
        await fail(database, opened, logged)
        told = Deferred.fromCoroutine(opened.journal.delivered("webhook", [record.number]))
        await soon(told)  # it cannot be written down, and delivery does not wait for that
        asked = Deferred.fromCoroutine(opened.pending())
        database.mend()
        assert record.number not in numbers(await soon(asked))
        await opened.told.until_written(3)
        found = await opened.pending()
        assert record.number not in numbers(found)
        assert len(found) == 1

    @on_reactor
    async def test_closing_does_not_wait_for_ever_and_says_what_is_lost(
        self, journals: Journals, database: Any, logged: Logged, bent: BentTime
    ) -> None:
        opened, call = await journals.open(WEBHOOK, reactor=bent), Call()
        await fail(database, opened, logged)
        bent.pump([0.25] * 10)
        for event in (call.started(), call.partial(), call.final(), call.final()):
            opened.journal.put(event, event.id)
        closing = Deferred.fromCoroutine(opened.journal.close())
        bent.advance(CLOSE_SECONDS)
        await soon(closing)
        assert logged.matching("5 events are lost (2 call_started, 2 final, 1 partial)")
        assert len(opened.told.late_facts) == 6
        with pytest.raises(JournalClosed):
            await opened.pending()
        assert bent.getDelayedCalls() == []
        database.mend()
        before = len(opened.told.entries)
        await eventually(lambda: not _journal_threads())
        assert len(opened.told.entries) == before  # who was told of a loss is not told of the contrary

    @on_reactor
    async def test_closing_writes_what_waits_where_the_database_comes_back_in_time(
        self, journals: Journals, database: Any, logged: Logged
    ) -> None:
        opened = await journals.open(WEBHOOK)
        await fail(database, opened, logged)
        closing = Deferred.fromCoroutine(opened.journal.close())
        database.mend()
        await soon(closing)
        assert len(opened.told.entries) == 2
        assert not logged.matching("events are lost")

    @on_reactor
    async def test_beyond_the_bound_partials_go_and_then_the_oldest_and_it_is_said(
        self, journals: Journals, database: Any, logged: Logged
    ) -> None:
        told = Told()
        journal = Journal(reactor, journals.url, told, [WEBHOOK], days=0, redact="none")
        journal._waiting = WriteQueue[object](most=100)
        journals.keep(journal)
        await journal.open()
        opened, call = Opened(journal, told), Call()
        await fail(database, opened, logged)
        partials, finals = [call.partial() for _ in range(60)], [call.final() for _ in range(150)]
        for event in partials + finals:
            journal.put(event, event.id)
        await eventually(lambda: len(logged.matching("too many events wait")) > 2)
        assert logged.matching("60 of them are given up (60 partial)")
        assert logged.matching("5 of them are given up (5 final)")
        facts: list[object] = ["the first that waits", "the second", *(event.id for event in partials + finals)]
        assert told.late_facts == facts[: len(told.late_facts)]
        database.mend()
        await eventually(lambda: told.facts[-1:] == [finals[-1].id])
        written = payloads(told.records)[1:]
        assert written == [encode(event) for event in finals][-len(written) :]
        assert set(facts) == set(told.late_facts) | set(told.facts)  # nobody was not told
        await eventually(lambda: logged.matching("were lost."))


class TestWhileItCannotBeWritten:
    @on_reactor
    async def test_what_is_in_a_locked_file_is_delivered_without_a_repetition(
        self, tmp_path: Path, logged: Logged
    ) -> None:
        journals = Journals(f"sqlite:///{tmp_path}/journal.db")
        opened, call = await journals.open(WEBHOOK), Call()
        await opened.write(call.started(), *(call.final() for _ in range(199)))
        lock = Lock(journals.url)
        lock.fail()
        delivered: list[int] = []
        while found := numbers(await soon(Deferred.fromCoroutine(opened.pending(limit=50)))):
            await soon(Deferred.fromCoroutine(opened.journal.delivered("webhook", found)))
            delivered += found
        assert len(delivered) == len(set(delivered)) == 200
        lock.mend()
        await eventually(lambda: journals.do("SELECT count(*) FROM voicestt_outbox")[0][0] == 0)
        await journals.close()

    @on_reactor
    async def test_a_journal_that_cannot_be_used_at_its_start_is_an_outage_and_no_word_is_lost(
        self, url: str, journals: Journals, database: Any, logged: Logged
    ) -> None:
        first, call = await journals.open(WEBHOOK), Call()
        await first.journal.close()
        database.fail()
        opened = await journals.open(WEBHOOK)
        events = [call.started(), call.final()]
        for event in events:
            opened.journal.put(event, event.id)
        await eventually(lambda: logged.matching("cannot be written: "))
        state = opened.journal.state
        assert (state.is_written, state.waiting) == (False, 2)
        assert state.why
        assert state.since is not None
        assert "a-secret" not in state.why
        database.mend()
        await opened.told.until_written(2)
        assert payloads(opened.told.records) == [encode(event) for event in events]
        assert opened.journal.state.is_written
        assert len(await opened.pending()) == 2

    @on_reactor
    async def test_a_chore_that_fails_is_no_outage(self, logged: Logged) -> None:
        journals = Journals(cluster().new_database())
        opened, call = await journals.open(WEBHOOK), Call()
        blocker = create_engine(journals.url)
        with blocker.connect() as connection:
            connection.execute(text("LOCK TABLE voicestt_instances IN EXCLUSIVE MODE"))
            began = reactor.seconds()
            while reactor.seconds() < began + 4.5:
                await opened.write(call.final())
                await deferLater(reactor, 0.1)
            assert opened.journal.state.is_written
            assert not opened.told.late_facts
            assert not logged.matching("cannot be written: ")
        blocker.dispose()
        await journals.close()


class TestLostConnection:
    @on_reactor
    async def test_a_connection_that_is_cut_is_opened_again(self, logged: Logged) -> None:
        journals = Journals(cluster().new_database())
        opened, call = await journals.open(WEBHOOK), Call()
        await opened.write(call.started())
        journals.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'voicestt'")
        events = [call.final(f"{number}") for number in range(100)]
        await opened.write(*events)
        assert len(await opened.pending(limit=500)) == 101
        await journals.close()
        assert all("a-secret" not in line for line in logged.lines)


def test_an_outage_is_tried_ever_less_often_up_to_five_seconds(logged: Logged) -> None:
    seconds = iter(range(1_000))
    waiting = WriteQueue[object]()
    outage = JournalOutage("calls.db", waiting, lambda: float(next(seconds)))
    outage.worked()
    pauses = [outage.failed(OSError(28, "No space left on device")) for _ in range(9)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert outage.lasts
    outage.worked()
    assert outage.failed(OSError()) == 0.1
    assert len(logged.matching("🔴 The journal (calls.db) cannot be written: OSError")) == 2
    assert len(logged.matching("🟢 The journal (calls.db) can be written again after 1 s: the 0 events")) == 1


def _journal_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "journal"]
