"""One and the same class over SQLite and over PostgreSQL."""

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DataError
from twisted.internet.defer import Deferred, gatherResults

from tests.conftest import Logged
from tests.journal.made import (
    REDIS,
    WEBHOOK,
    Call,
    Journals,
    Told,
    eventually,
    numbers,
    payloads,
)
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from voicestt.events import decode, encode, event_id
from voicestt.journal.journal import Journal
from voicestt.journal.problems import BadJournal, JournalClosed

CALLS_AT_ONCE = 50


class TestJournal:
    @on_reactor
    async def test_what_is_put_comes_back_as_written_in_order_and_with_its_fact(self, journals: Journals) -> None:
        opened, call = await journals.open(), Call()
        events = [call.started(), call.partial(), call.final("שלום"), call.ended()]
        records = await opened.write(*events)
        assert opened.told.facts == [event.id for event in events]
        assert payloads(records) == [encode(event) for event in events]
        assert [record.sequence for record in records] == [1, 2, 3, 4]
        assert [record.type for record in records] == ["call_started", "partial", "final", "call_ended"]
        assert {(record.session, record.call_sid) for record in records} == {(call.session, "CA1")}
        assert not any(entry.was_late for entry in opened.told.entries)

    @on_reactor
    async def test_numbers_ascend_over_calls_and_restarts(self, journals: Journals) -> None:
        calls = [Call(f"CA{number}") for number in range(CALLS_AT_ONCE)]
        first = await journals.open()
        records = await first.write(*(call.started() for call in calls), *(call.final() for call in calls))
        await first.journal.close()
        second = await journals.open()
        records += await second.write(*(Call().started() for _ in calls))
        found = [record.number for record in records]
        assert found == sorted(set(found))

    @on_reactor
    async def test_what_is_no_event_keeps_its_place(self, journals: Journals) -> None:
        opened, call = await journals.open(), Call()
        opened.journal.put(call.started(), 1)
        opened.journal.put(None, 2)
        opened.journal.put(call.final(), 3)
        opened.journal.put(None, 4)
        await opened.told.until_written(4)
        assert opened.told.facts == [1, 2, 3, 4]
        assert [entry.record is None for entry in opened.told.entries] == [False, True, False, True]

    @on_reactor
    async def test_a_flush_fires_when_the_readers_know_what_was_put_before(self, journals: Journals) -> None:
        opened, call = await journals.open(), Call()
        opened.journal.put(call.started(), 1)
        opened.journal.put(None, 2)
        await opened.journal.flush()
        assert opened.told.facts == [1, 2]
        assert [entry.record is None for entry in opened.told.entries] == [False, True]
        await opened.journal.flush()
        assert len(opened.told.entries) == 2
        await opened.journal.close()
        await opened.journal.flush()  # nothing waits any more

    @on_reactor
    async def test_many_events_share_a_transaction_and_a_call_of_the_readers(self, journals: Journals) -> None:
        opened, call = await journals.open(), Call()
        await opened.write(call.started(), *(call.partial() for _ in range(999)))
        assert len(opened.told.groups) < 20

    @on_reactor
    async def test_a_session_knows_how_its_call_began_and_ended(self, journals: Journals) -> None:
        opened, call = await journals.open(), Call("CA7")
        await opened.write(call.started(), call.final(), call.final())
        (before,) = journals.do("SELECT ended_at, finals FROM voicestt_sessions")
        assert tuple(before) == (None, None)
        await opened.write(call.ended("the caller hung up", 12.5))
        (row,) = journals.do("SELECT * FROM voicestt_sessions")
        assert (row.session, row.call_sid, row.stream_sid, row.account_sid) == (call.session, "CA7", "MZ1", "AC1")
        assert (row.caller, row.called) == ("+972501234567", "+972771234567")
        assert (row.reason, row.duration, row.finals) == ("the caller hung up", 12.5, 2)
        assert not row.closed_by_recovery
        assert row.started_at == row.ended_at == 1_795_417_200.0

    @on_reactor
    async def test_what_came_before_its_call_began_is_written_too(self, journals: Journals) -> None:
        opened, call = await journals.open(), Call()
        call.started()  # lost somewhere
        records = await opened.write(call.final("first"), call.final("second"))
        assert [record.sequence for record in records] == [2, 3]
        (row,) = journals.do("SELECT call_sid, ended_at FROM voicestt_sessions")
        assert tuple(row) == ("CA1", None)

    @on_reactor
    async def test_each_destination_has_its_own_outbox(self, journals: Journals) -> None:
        opened, call = await journals.open(WEBHOOK, REDIS), Call()
        records = await opened.write(call.started(), call.partial(), call.final(), call.ended())
        for_webhook, for_redis = await opened.pending(WEBHOOK), await opened.pending(REDIS)
        assert [each.record for each in for_redis] == records
        assert [each.record.type for each in for_webhook] == ["call_started", "final", "call_ended"]
        assert {each.attempts for each in for_redis} == {0}
        assert await opened.pending(limit=2) == for_webhook[:2]
        await opened.journal.delivered("webhook", numbers(for_webhook))
        assert await opened.pending(WEBHOOK) == []
        assert await opened.pending(REDIS) == for_redis

    @on_reactor
    async def test_without_destinations_nothing_is_pending(self, journals: Journals) -> None:
        opened = await journals.open()
        await opened.write(Call().started())
        assert journals.do("SELECT * FROM voicestt_outbox") == []

    @on_reactor
    async def test_sessions_that_are_busy_are_left_out(self, journals: Journals) -> None:
        opened, calls = await journals.open(WEBHOOK), [Call("CA1"), Call("CA2"), Call("CA3")]
        await opened.write(*(call.started() for call in calls))
        busy = [calls[0].session, calls[2].session, "another"]
        assert [each.record.call_sid for each in await opened.pending(busy=busy)] == ["CA2"]

    @on_reactor
    async def test_what_fails_stays_and_counts_and_a_dead_letter_does_not(self, journals: Journals) -> None:
        opened, call = await journals.open(WEBHOOK), Call()
        first, second = [record.number for record in await opened.write(call.started(), call.final())]
        await opened.journal.failed("webhook", first, "503 Service Unavailable")
        await opened.journal.failed("webhook", first, "timed out \0\ud800")
        assert [each.attempts for each in await opened.pending()] == [2, 0]
        await opened.journal.dead_letter("webhook", first, "410 Gone")
        assert numbers(await opened.pending()) == [second]
        failed = "SELECT attempts, last_error, dead_lettered_at FROM voicestt_outbox WHERE attempts > 0"
        (row,) = journals.do(failed)
        assert (row.attempts, row.last_error) == (3, "410 Gone")
        assert row.dead_lettered_at is not None

    @on_reactor
    async def test_what_is_not_in_the_outbox_can_be_told_of(self, journals: Journals) -> None:
        opened = await journals.open(WEBHOOK)
        await opened.journal.delivered("webhook", [4_711])
        await opened.journal.delivered("webhook", [])
        await opened.journal.failed("webhook", 4_711, "gone")
        await opened.journal.dead_letter("nowhere", 4_711, "gone")
        assert await opened.pending() == []

    @on_reactor
    async def test_many_deliveries_are_marked_together(self, journals: Journals) -> None:
        opened, call = await journals.open(WEBHOOK), Call()
        records = await opened.write(call.started(), *(call.final() for _ in range(1_200)))
        done = [
            Deferred.fromCoroutine(opened.journal.delivered("webhook", [record.number])) for record in records[:-1]
        ]
        await gatherResults(done)
        assert numbers(await opened.pending()) == [records[-1].number]

    @on_reactor
    async def test_what_was_written_before_is_pending(self, journals: Journals) -> None:
        opened, call = await journals.open(WEBHOOK), Call()
        await opened.write(call.started())
        assert [each.record.type for each in await opened.pending()] == ["call_started"]

    @on_reactor
    async def test_when_it_was_written_is_told(self, journals: Journals) -> None:
        opened = await journals.open(WEBHOOK)
        await opened.write(Call().started())
        (row,) = journals.do("SELECT written_at FROM voicestt_events")
        (pending,) = await opened.pending()
        assert pending.written_at == row.written_at > 1_700_000_000

    @on_reactor
    async def test_history_goes_on_after_a_number(self, journals: Journals) -> None:
        opened, call = await journals.open(), Call()
        records = await opened.write(call.started(), *(call.final() for _ in range(9)))
        assert (await opened.journal.since(0, 100)).records == records
        assert (await opened.journal.since(records[3].number, 2)).records == records[4:6]
        assert (await opened.journal.since(records[-1].number, 2)).records == []

    @on_reactor
    async def test_closing_writes_what_waits_and_gives_the_thread_back(self, journals: Journals) -> None:
        before = set(threading.enumerate())
        opened, call = await journals.open(), Call()
        for event in (call.started(), *(call.final() for _ in range(2_000))):
            opened.journal.put(event, None)
        await opened.journal.close()
        assert len(opened.told.entries) == 2_001
        assert journals.do("SELECT count(*) FROM voicestt_events")[0][0] == 2_001
        assert set(threading.enumerate()) - before == set()

    @on_reactor
    async def test_after_closing_nothing_is_asked_and_what_is_put_is_said_to_be_lost(
        self, journals: Journals, logged: Logged
    ) -> None:
        opened = await journals.open(WEBHOOK)
        await opened.journal.close()
        await opened.journal.close()
        for asked in (opened.pending(), opened.journal.delivered("webhook", [1]), opened.journal.since(0, 1)):
            with pytest.raises(JournalClosed):
                await asked
        opened.journal.put(Call().final(), "too late")
        await opened.told.until(lambda: opened.told.late_facts == ["too late"])
        assert logged.matching("The journal is closed: an event (final) is not written.")

    @on_reactor
    async def test_a_reader_that_fails_stops_nothing(self, journals: Journals, logged: Logged) -> None:
        class Failing(Told):
            def written(self, entries: Any) -> None:
                super().written(entries)
                raise ZeroDivisionError

        opened, call = await journals.open(told=Failing()), Call()
        await opened.write(call.started())
        await opened.write(call.final())
        await eventually(lambda: len(logged.failures) == 2)
        assert len(logged.flush(ZeroDivisionError)) == 2

    @on_reactor
    async def test_what_no_text_can_hold_is_written_without_it(self, journals: Journals) -> None:
        opened, call = await journals.open(), Call("CA\0\ud800")
        (started, final) = await opened.write(
            call.started(parameters={"\ud83d": "a\ud83d\ude00\0"}), call.final("x\0y")
        )
        assert started.call_sid == "CA\ufffd\ufffd"
        assert decode(final.payload).call_sid == "CA\0\ufffd"
        assert decode(final.payload).text == "x\0y"  # type: ignore[union-attr]
        assert decode(started.payload).parameters == {"\ufffd": "a😀\0"}  # type: ignore[union-attr]
        assert (await opened.journal.since(0, 9)).records == [started, final]

    @on_reactor
    async def test_an_endless_call_sid_is_cut(self, journals: Journals) -> None:
        opened, call = await journals.open(), Call("CA" * 50_000)
        (record,) = await opened.write(call.started())
        assert record.call_sid == "CA" * 128

    @on_reactor
    async def test_an_event_that_cannot_be_written_is_kept_out_and_the_others_are_not(
        self, journals: Journals, logged: Logged
    ) -> None:
        opened, call = await journals.open(WEBHOOK), Call()
        events = [call.started(parameters={"x": object()}), call.final("one"), call.final("two")]
        records = await opened.write(*events)
        assert payloads(records) == [encode(event) for event in events[1:]]
        assert opened.told.facts == [event.id for event in events]
        assert [entry.was_late for entry in opened.told.entries] == [True, False, False]
        assert opened.told.late_facts == [events[0].id]
        assert numbers(await opened.pending()) == [record.number for record in records]
        assert logged.matching(
            "An event (call_started) of call 'CA1' cannot be written to the journal (TypeError)"
        )

    @on_reactor
    async def test_many_that_cannot_be_written_are_said_once(self, journals: Journals, logged: Logged) -> None:
        opened = await journals.open()
        await opened.write(*(Call().started(parameters={"x": object()}) for _ in range(20)))
        assert len(logged.matching("cannot be written to the journal")) == 1

    @on_reactor
    async def test_an_event_whose_place_is_taken_goes_behind_and_the_call_with_it(
        self, journals: Journals
    ) -> None:
        opened, call, other = await journals.open(WEBHOOK), Call(), Call()
        other.session = call.session  # what another process believes that takes this one for dead
        await opened.write(call.started(), call.final("one"))
        await opened.write(
            other.started(account_sid="AC2"), other.final("two"), other.final("three"), Call().started()
        )
        rows = journals.do(
            "SELECT sequence, payload FROM voicestt_events WHERE session = :s ORDER BY number", s=call.session
        )
        found = [decode(row.payload) for row in rows]
        assert [row.sequence for row in rows] == [event.sequence for event in found] == [1, 2, 3, 4, 5]
        assert [event.id for event in found] == [event_id(call.session, number) for number in (1, 2, 3, 4, 5)]
        assert len(await opened.pending()) == 6

    @on_reactor
    async def test_what_was_committed_without_our_knowing_is_not_written_twice(self, journals: Journals) -> None:
        opened, call = await journals.open(WEBHOOK), Call()
        events = [call.started(), call.final()]
        records = await opened.write(*events)
        assert await opened.write(*events) == records
        assert len(await opened.pending()) == 2

    @on_reactor
    async def test_a_question_that_is_wrong_fails_alone(self, journals: Journals) -> None:
        opened, call = await journals.open(WEBHOOK), Call()
        wrong: list[Deferred[Any]] = [
            Deferred.fromCoroutine(opened.journal.delivered("webhook", [2**70])),
            Deferred.fromCoroutine(opened.journal.since(2**70, 10)),
            Deferred.fromCoroutine(opened.journal.since(0, -1)),
        ]
        (record,) = await opened.write(call.started())
        for asked in wrong:
            asked.addErrback(lambda failure: failure.trap(OverflowError, DataError))
            await soon(asked)
        assert numbers(await opened.pending()) == [record.number]

    @on_reactor
    async def test_a_newer_version_s_journal_is_waited_for_and_the_calls_are_taken(
        self, journals: Journals, logged: Logged, tmp_path: Path
    ) -> None:
        journals.do("CREATE TABLE voicestt_version (version_num TEXT)")
        journals.do("INSERT INTO voicestt_version VALUES ('9999')")
        opened, call = await journals.open(WEBHOOK, spill_dir=str(tmp_path)), Call()
        await eventually(lambda: logged.matching("newer version of voicestt"))
        assert logged.matching("install that version of voicestt again")
        opened.journal.put(call.started(), "kept")
        await eventually(lambda: opened.journal.state.in_file == 1)
        assert opened.told.facts == ["kept"]
        assert not opened.journal.state.is_written
        journals.do("DELETE FROM voicestt_version")
        await eventually(lambda: opened.journal.state.is_written)
        assert len(await opened.adopted(1)) == 1

    @on_reactor
    async def test_what_is_no_journal_is_said_when_it_is_opened(self) -> None:
        journal = Journal(reactor, "sqlite:///", Told(), [], days=0, redact="none")
        with pytest.raises(BadJournal, match="followed by the path of a file"):
            await journal.open()
        await journal.close()
