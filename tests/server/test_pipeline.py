"""Events that leave the server, on the real reactor, with a real journal."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from tests.conftest import Logged
from tests.delivery.receiver import receiving, status
from tests.handler.test_publishing import NoLine
from tests.journal.made import eventually
from tests.ops.journal.made import run, run_json
from tests.recognisers.on_reactor import on_reactor, reactor
from tests.server.fakes import CALL, settings_of
from voicestt import events
from voicestt.audio.greeting import BadGreeting
from voicestt.call.facts import CallStarted, Final, Partial
from voicestt.handler import Call
from voicestt.handler.loading import BadHandler
from voicestt.journal.port import Record, Written
from voicestt.journal.problems import BadJournal
from voicestt.runtime.deadline import Deadline
from voicestt.server.call_log import CallLog
from voicestt.server.call_registry import CallRegistry
from voicestt.server.pipeline import EventPipeline, PersistedEvents

HEARD: list[str] = []


class Hears:
    """The application of these tests."""

    async def on_final(self, _call: Call, event: events.Final) -> None:
        HEARD.append(event.text)


def pipeline_of(**variables: str) -> EventPipeline:
    return EventPipeline(reactor, settings_of(**variables), CallLog(CallRegistry(Clock())))


@on_reactor
async def test_events_reach_the_journal_the_log_and_the_application(tmp_path: Path, logged: Logged) -> None:
    HEARD.clear()
    file = tmp_path / "journal.db"
    pipeline = pipeline_of(JOURNAL_URL=f"sqlite:///{file}", HANDLER=f"{__name__}:Hears")
    await pipeline.start()
    observer = pipeline.observer_of(NoLine())
    observer.tell(CallStarted(CALL))
    observer.tell(Final(CALL, 1, "שלום"))
    assert dict(pipeline.health).keys() == {"journal", "handler"}
    await pipeline.stop()
    assert HEARD == ["שלום"]
    assert logged.matching("🟢 Final: שלום")
    with sqlite3.connect(file) as journal:
        payloads = [json.loads(text) for (text,) in journal.execute("SELECT payload FROM voicestt_events")]
    journal.close()
    assert [payload["type"] for payload in payloads] == ["call_started", "final"]


@on_reactor
async def test_without_a_journal_the_log_has_the_words_all_the_same(logged: Logged) -> None:
    pipeline = pipeline_of()
    await pipeline.start()
    observer = pipeline.observer_of(NoLine())
    observer.tell(CallStarted(CALL))
    observer.tell(Final(CALL, 1, "שלום"))
    await pipeline.stop()
    assert logged.matching("🟢 Final: שלום")


@on_reactor
async def test_the_greeting_is_made_at_the_start() -> None:
    chime, silence = pipeline_of(), pipeline_of(GREETING="off")
    await chime.start()
    await silence.start()
    assert (len(chime.greeting), silence.greeting) == (5_120, b"")
    await chime.stop()
    await silence.stop()


@pytest.mark.parametrize(
    ("variables", "problem", "words"),
    [
        ({"HANDLER": "nowhere:Handler"}, BadHandler, "HANDLER=nowhere:Handler: there is no module nowhere"),
        ({"GREETING": "Good morning"}, BadGreeting, "GREETING is a text"),
        ({"JOURNAL_URL": "sqlite:////no/such/folder/journal.db"}, BadJournal, "JOURNAL_URL"),
    ],
)
@on_reactor
async def test_settings_that_cannot_work_are_named_and_leave_nothing_behind(
    variables: dict[str, str], problem: type[Exception], words: str
) -> None:
    pipeline = pipeline_of(**variables)
    with pytest.raises(problem, match=words):
        await pipeline.start()
    await pipeline.stop()


@on_reactor
async def test_the_commands_see_how_it_stands_and_what_they_change_is_taken_note_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_URL", f"sqlite:///{tmp_path}/journal.db")
    async with receiving() as receiver:

        def answer(request: Any) -> Any:
            return status(204 if b'"final"' in receiver.posts[-1][1] else 500)(request)

        receiver.answer = answer
        pipeline = pipeline_of(
            JOURNAL_URL=f"sqlite:///{tmp_path}/journal.db",
            EVENTS_WEBHOOK_URL=receiver.url,
            EVENTS_WEBHOOK_SECRET="whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
        )
        await pipeline.start()
        observer = pipeline.observer_of(NoLine())
        observer.tell(CallStarted(CALL))
        observer.tell(Final(CALL, 1, "שלום"))
        await eventually(lambda: len(receiver.posts) >= 2)
        await deferToThread(run, "deliveries", "--skip", "--type", "call_started")
        await eventually(lambda: any(b'"final"' in body for _, body in receiver.posts))
        await eventually(lambda: run_json("deliveries")["destinations"][0]["rate"] > 0)
        (webhook,) = run_json("deliveries")["destinations"]
        await pipeline.stop()
    assert webhook["last_error"].startswith("it answered 500")
    assert (webhook["pending"], webhook["dead_lettered"]) == (0, 1)


@on_reactor
async def test_a_journal_that_does_not_answer_does_not_hold_up_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipeline_of(
        JOURNAL_URL=f"sqlite:///{tmp_path}/journal.db",
        EVENTS_WEBHOOK_URL="http://127.0.0.1:9/",
        EVENTS_WEBHOOK_SECRET="whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
    )
    await pipeline.start()
    assert pipeline.journal is not None
    asked: list[str] = []

    def pending(destination: str, _limit: int) -> "Deferred[Any]":
        asked.append(destination)
        return Deferred()  # a PostgreSQL that is gone: it waits until it can be read

    monkeypatch.setattr(pipeline.journal, "pending", pending)
    began = reactor.seconds()
    await pipeline.stop(Deadline(reactor, 1.0))
    assert asked == ["webhook"]
    assert reactor.seconds() - began < 5.0


@on_reactor
async def test_each_destination_is_counted(tmp_path: Path) -> None:
    pipeline = pipeline_of(
        JOURNAL_URL=f"sqlite:///{tmp_path}/journal.db",
        EVENTS_WEBHOOK_URL="http://127.0.0.1:9/",
        EVENTS_WEBHOOK_SECRET="whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
        REDIS_URL="redis://127.0.0.1:9/0",
    )
    await pipeline.start()
    health = pipeline.health
    assert set(health) == {"journal", "webhook", "redis"}
    webhook, journal = health["webhook"], health["journal"]
    assert isinstance(webhook, dict)
    assert set(webhook) == {
        *("delivered", "failed_attempts", "dead_lettered", "waiting", "in_hand", "in_flight", "is_down"),
        *("oldest_seconds", "dead_lettered", "rate", "last_error", "last_error_seconds"),
    }
    assert isinstance(journal, dict)
    assert set(journal) == {"is_written", "waiting", "waiting_bytes", "lost", "since", "why", "in_file"}
    await pipeline.stop()


# -- the readers of the journal


RECORD = Record(7, "s", 1, "final", "CA1", b"{}")
FINAL = Final(CALL, 1, "שלום")


def told(published: list[Record]) -> PersistedEvents:
    return PersistedEvents(CallLog(CallRegistry(Clock())), published.extend)


def test_written_events_are_logged_and_delivered(logged: Logged) -> None:
    published: list[Record] = []
    told(published).written([Written(None, Partial(CALL, 1, "שלו")), Written(RECORD, FINAL)])
    assert logged.lines == ["🟡 Partial: שלו", "🟢 Final: שלום"]
    assert published == [RECORD]


def test_where_nothing_was_written_nothing_is_delivered() -> None:
    def never(_records: Sequence[Record]) -> None:
        pytest.fail("there is nothing to deliver")

    PersistedEvents(CallLog(CallRegistry(Clock())), never).written([Written(None, Partial(CALL, 1, "שלו"))])


def test_a_final_that_is_not_safe_yet_is_not_shown_in_green_and_only_once(logged: Logged) -> None:
    published: list[Record] = []
    readers = told(published)
    readers.late([Partial(CALL, 1, "שלו"), FINAL])
    readers.written([Written(RECORD, FINAL, was_late=True), Written(RECORD, None)])
    assert logged.lines == ["🟡 Partial: שלו", "⚪ Final, not in the journal yet: שלום"]
    assert published == [RECORD, RECORD]
