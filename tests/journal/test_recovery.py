"""Sessions that a process leaves behind, and the process that takes them over."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from tests.conftest import Logged
from tests.journal.made import (
    FAST,
    REDIS,
    WEBHOOK,
    Call,
    Journals,
    Opened,
    eventually,
    numbers,
)
from tests.journal.test_writing import Desk
from tests.postgres import cluster
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt.events import CallEnded, decode, event_id
from voicestt.journal import leases
from voicestt.journal.database import Database
from voicestt.journal.leases import (
    Instance,
    Lease,
    Process,
    this_process,
)
from voicestt.journal.payloads import StoredPayloads, redaction
from voicestt.journal.recovery import Recovery
from voicestt.journal.schema import bring_up_to_date
from voicestt.journal.writing import EventWriter

_NEVER = replace(FAST, renew=3_600.0, look=3_600.0)
_NOT_SETTLED = replace(FAST, settled=3_600.0)
_DEAD = 2**22 + 1  # Linux has no process of so high a number


class Writer:
    """A process that writes, and what it says."""

    def __init__(self, url: str, finals: int, clock: str = "", spill_dir: str = "") -> None:
        arguments = [url, WEBHOOK.name, str(finals), clock, spill_dir]
        command = [sys.executable, "-m", "tests.journal.writing_process", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    async def read(self, count: int) -> list[str]:
        """The next ids that it was told of."""
        return await deferToThread(lambda: [self._line() for _ in range(count)])

    def kill(self) -> list[str]:
        """Ends it at once; the ids that it still said."""
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        rest = self.process.stdout.read()
        self.process.stdout.close()
        return rest.split("\n")[:-1]  # what is behind the last line's end was cut off

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def writers(url: str) -> Iterator[Any]:
    made: list[Writer] = []

    def start(finals: int, clock: str = "") -> Writer:
        made.append(Writer(url, finals, clock))
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.kill()


async def leave(journals: Journals, call: Call, *events: Any) -> Opened:
    """A journal that is open, and whose process will be said to be another."""
    opened = await journals.open(WEBHOOK)
    await opened.write(*events)
    assert {event.session for event in events} == {call.session}
    return opened


def pretend(journals: Journals, changes: str, **values: Any) -> None:
    """Changes the rows of all who write at present."""
    journals.do(f"UPDATE voicestt_instances SET {changes}", **values)


class TestKilled:
    @on_reactor
    async def test_no_event_that_was_told_is_lost_by_a_kill(self, journals: Journals, writers: Any) -> None:
        writer = writers(finals=100_000)
        told = await writer.read(500)
        told += writer.kill()
        opened = await journals.open(WEBHOOK)
        await opened.told.until(lambda: opened.told.facts.count(None) >= 10)
        rows = journals.do("SELECT session, sequence FROM voicestt_events ORDER BY number")
        written = [event_id(row.session, row.sequence) for row in rows]
        assert len(told) >= 500
        assert set(told) <= set(written)
        # In order, without a gap in any session, and all of it is to be delivered, by us.
        for session in {row.session for row in rows}:
            of_it = [row.sequence for row in rows if row.session == session]
            assert of_it == list(range(1, len(of_it) + 1))
        assert len(await opened.adopted(len(rows), limit=100_000)) == len(rows)

    @on_reactor
    async def test_calls_that_never_ended_are_closed_as_such(
        self, journals: Journals, writers: Any, logged: Logged
    ) -> None:
        writer = writers(finals=3)
        await writer.read(40)
        writer.kill()
        opened = await journals.open(WEBHOOK)
        await opened.told.until_written(10)
        ends = [decode(record.payload) for record in opened.told.records]
        assert opened.told.facts == [None] * 10
        for end in ends:
            assert isinstance(end, CallEnded)
            assert (end.recovered, end.reason, end.finals) == (True, "the server was killed", 3)
            assert (end.sequence, end.id, end.stream_sid) == (5, event_id(end.session, 5), "MZ1")
        assert sorted(end.call_sid for end in ends) == [f"CA{number}" for number in range(10)]
        assert all(row[0] for row in journals.do("SELECT closed_by_recovery FROM voicestt_sessions"))
        assert len(await opened.pending()) == 50
        said = "10 calls of a server that is gone are taken over; 10 of them had not ended"
        await eventually(lambda: logged.matching(said))

    @on_reactor
    async def test_a_server_that_runs_keeps_its_calls(self, journals: Journals, writers: Any) -> None:
        writer = writers(finals=3)
        await writer.read(40)
        opened = await journals.open(WEBHOOK)
        assert await opened.pending() == []
        assert journals.do("SELECT * FROM voicestt_sessions WHERE ended_at IS NOT NULL") == []
        writer.kill()
        # And when it is killed while we run, we notice.
        await opened.told.until_written(10)
        assert len(await opened.pending()) == 50

    @pytest.mark.parametrize("shift", ["+3600s", "-3600s"])
    @on_reactor
    async def test_a_clock_that_is_an_hour_off_kills_nobody(
        self, journals: Journals, writers: Any, shift: str
    ) -> None:
        writer = writers(finals=3, clock=shift)
        await writer.read(40)
        opened = await journals.open(WEBHOOK)
        for _ in range(5):  # five looks, at least
            await eventually(_after(opened, 0.06))
        assert opened.told.entries == []
        assert journals.do("SELECT * FROM voicestt_sessions WHERE ended_at IS NOT NULL") == []
        assert len(journals.do("SELECT * FROM voicestt_instances")) == 2
        writer.kill()
        await opened.told.until_written(10)

    @on_reactor
    async def test_two_that_write_at_once_write_everything(self, journals: Journals, writers: Any) -> None:
        both = [writers(finals=100), writers(finals=100)]
        for writer in both:
            told = await writer.read(1_010)
            assert "late" not in " ".join(told)
        assert journals.do("SELECT count(*) FROM voicestt_events")[0][0] == 2_020


class TestTakingOver:
    @on_reactor
    async def test_who_closes_well_leaves_its_deliveries_to_the_next(self, journals: Journals) -> None:
        call = Call()
        first = await leave(journals, call, call.started(), call.final(), call.ended())
        left = numbers(await first.pending())
        await first.journal.close()
        second = await journals.open(WEBHOOK)
        assert numbers(await second.adopted(3)) == left
        assert second.told.entries == []  # it had ended: there is nothing to close

    @on_reactor
    async def test_what_is_delivered_is_left_alone(self, journals: Journals) -> None:
        call = Call()
        first = await leave(journals, call, call.started(), call.ended())
        await first.journal.delivered("webhook", numbers(await first.pending()))
        await first.journal.close()
        second = await journals.open(WEBHOOK)
        await eventually(lambda: len(journals.do("SELECT id FROM voicestt_instances")) == 1)
        await eventually(_after(second, 0.2))
        (row,) = journals.do("SELECT s.owner, i.id FROM voicestt_sessions s, voicestt_instances i")
        assert row.owner != row.id

    @on_reactor
    async def test_of_two_that_find_a_dead_one_each_call_goes_to_one(self, journals: Journals) -> None:
        calls = [Call(f"CA{number}") for number in range(450)]
        first = await journals.open(WEBHOOK, pace=_NEVER)
        await first.write(*(call.started() for call in calls))
        both = [await journals.open(WEBHOOK), await journals.open(WEBHOOK)]
        journals.do(
            "UPDATE voicestt_instances SET pid = :dead WHERE id = :id",
            dead=_DEAD,
            id=first.journal._undelivered.owner,
        )
        await eventually(lambda: sum(len(each.told.entries) for each in both) == 450)
        found = [number for each in both for number in numbers(await each.pending(limit=2_000))]
        while len(found) < 900:
            found = [number for each in both for number in numbers(await each.pending(limit=2_000))]
        assert len(found) == len(set(found)) == 900
        ends = journals.do("SELECT session FROM voicestt_events WHERE type = 'call_ended'")
        assert len(ends) == len(set(ends)) == 450

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param(f"pid = {_DEAD}", id="its process does not run"),
            pytest.param("started = 'earlier'", id="its number is another process's now"),
            pytest.param(f"pid = {os.getpid()}, started = 'earlier'", id="its number is ours now"),
            pytest.param("pid = 4611686018427387904", id="its number is none"),
            pytest.param("host = 'another'", id="it is elsewhere and its row does not change"),
            pytest.param("host = 'another', seen_at = seen_at + 3600", id="its clock was ahead"),
            pytest.param("host = 'another', ended_at = seen_at", id="it ended"),
        ],
    )
    @on_reactor
    async def test_it_is_gone(self, journals: Journals, changes: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leases, "GONE_SECONDS", 0.2)
        call = Call()
        slow = await journals.open(WEBHOOK, pace=_NEVER)
        await slow.write(call.started(), call.final())
        pretend(journals, changes)
        opened = await journals.open(WEBHOOK)
        await opened.told.until_written(1)
        assert [each.record.type for each in await opened.pending()] == ["call_started", "final", "call_ended"]

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param("pid = pid", id="it runs"),
            pytest.param("host = 'another', pid = 4711", id="it is elsewhere and was seen"),
            pytest.param("host = 'another', seen_at = seen_at - 3600", id="its clock is behind"),
            pytest.param("seen_at = seen_at - 3600", id="it runs, and the clock jumped"),
        ],
    )
    @on_reactor
    async def test_it_is_not_gone(self, journals: Journals, changes: str) -> None:
        call = Call()
        slow = await journals.open(WEBHOOK, pace=_NEVER)
        await slow.write(call.started())
        pretend(journals, changes)
        opened = await journals.open(WEBHOOK)
        for _ in range(5):  # five looks, at least
            await opened.write(Call().started())
            await eventually(_after(opened, 0.06))
        assert opened.told.facts.count(None) == 0

    @on_reactor
    async def test_after_an_outage_nobody_is_taken_for_dead_at_once(
        self, journals: Journals, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call = Call()
        slow = await journals.open(WEBHOOK, pace=_NEVER)
        await slow.write(call.started())
        monkeypatch.setattr(leases, "GONE_SECONDS", 0.1)
        pretend(journals, "host = 'another'")
        opened = await journals.open(WEBHOOK, pace=_NOT_SETTLED)
        await eventually(_after(opened, 0.3))
        assert opened.told.entries == []

    @on_reactor
    async def test_who_was_taken_for_dead_says_so_and_loses_no_word(
        self, journals: Journals, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leases, "GONE_SECONDS", 0.2)
        call = Call()
        slow = await journals.open(WEBHOOK, pace=_NEVER)
        await slow.write(call.started(), call.final("one"))
        pretend(journals, "host = 'another'")
        other = await journals.open(WEBHOOK)
        await other.told.until_written(1)
        # It wakes up, and its caller speaks on.
        await slow.write(call.final("two"), call.final("three"), call.ended())
        rows = journals.do("SELECT sequence, type FROM voicestt_events ORDER BY number")
        types = ["call_started", "final", "call_ended", "final", "final", "call_ended"]
        assert [tuple(row) for row in rows] == list(enumerate(types, 1))
        assert [each.record.type for each in await other.pending()] == types
        (row,) = journals.do("SELECT reason, closed_by_recovery FROM voicestt_sessions")
        assert tuple(row) == ("stop", False)

    @on_reactor
    async def test_who_was_taken_for_dead_begins_anew(self, journals: Journals, logged: Logged) -> None:
        opened = await journals.open()
        journals.do("DELETE FROM voicestt_instances")
        await eventually(lambda: logged.matching("another took its calls for dead"))
        assert len(journals.do("SELECT * FROM voicestt_instances")) == 1
        await opened.write(Call().started())

    @on_reactor
    async def test_calls_of_nobody_are_anybody_s(self, journals: Journals) -> None:
        call = Call()
        first = await leave(journals, call, call.started(), call.ended())
        await first.journal.close()
        second = await journals.open(WEBHOOK)
        journals.do("UPDATE voicestt_sessions SET owner = NULL")
        opened = await journals.open(WEBHOOK)
        await eventually(lambda: journals.do("SELECT owner FROM voicestt_sessions")[0].owner is not None)
        (row,) = journals.do("SELECT owner FROM voicestt_sessions")
        who = opened if row.owner == opened.journal._undelivered.owner else second
        assert len(await who.adopted(2)) == 2


@pytest.mark.parametrize("seen_at", [0.0, 1e12, -1e9])
def test_a_row_s_age_is_how_long_it_does_not_change(seen_at: float, url: str) -> None:
    now = [1_000.0]
    database = Desk(url).database
    one, two = (Lease(Process(host, 1, ""), lambda: now[0]) for host in ("here", "there"))

    def look() -> tuple[Instance, bool]:
        with database.writing() as connection:
            (other,) = one.others(connection)
        return other, one.is_gone(other, by_age=True)

    with database.writing() as connection:
        one.begin(connection, 5.0)
        two.begin(connection, seen_at)
    assert not look()[1]
    now[0] += 59
    assert not look()[1]
    with database.writing() as connection:
        two.renew(connection, seen_at - 3_600)  # its clock was set back
    assert not look()[1]
    now[0] += 59
    assert not look()[1]
    now[0] += 1
    other, is_gone = look()
    assert is_gone
    assert not one.is_gone(other, by_age=False)
    database.close()


def test_this_process_runs_and_knows_since_when() -> None:
    assert this_process() == this_process()
    assert this_process().pid == os.getpid()


def _after(opened: Opened, seconds: float) -> Any:
    until = reactor.seconds() + seconds
    return lambda: reactor.seconds() >= until


@on_reactor
async def test_a_destination_that_is_not_set_any_more_is_named_once(journals: Journals, logged: Logged) -> None:
    first, call = await journals.open(WEBHOOK, REDIS), Call()
    await first.write(call.started(), call.final(), call.ended())
    await first.journal.close()
    second = await journals.open(WEBHOOK)
    await eventually(lambda: logged.matching("which is not set any more"))
    await second.adopted(3)
    for _ in range(3):  # it looks again: what an older version writes gets its session then
        journals.do("UPDATE voicestt_outbox SET session = '' WHERE destination = 'webhook'")
        await eventually(lambda: not journals.do("SELECT 1 FROM voicestt_outbox WHERE session = '' LIMIT 1"))
    assert len(logged.matching("undelivered events for 'redis', which is not set any more")) == 1
    assert logged.matching("voicestt deliveries --purge redis")
    assert not logged.matching("events for 'webhook'")


def test_what_waits_is_not_walked_through_all_the_time_unless_a_server_is_gone(url: str, logged: Logged) -> None:
    database, clock, call = Database(url), Clock(), Call()
    bring_up_to_date(database)
    found: list[Sequence[str]] = []

    def walked(destination: str, sessions: Sequence[str]) -> None:
        found.append(sessions)
        clock.advance(0.5)  # so long it takes

    lease, gone = Lease(this_process()), Lease(this_process())
    recovery = Recovery(database, lease, ["webhook"], print, walked, lambda *_: None, clock.seconds)
    with database.writing() as connection:
        for each in (lease, gone):
            each.begin(connection, 0.0)
        EventWriter(database, gone.id, [WEBHOOK], redaction("none"), StoredPayloads()).write(
            connection, [call.started()]
        )
    list(recovery.look(by_age=False))
    list(recovery.look(by_age=False))
    assert found == [[]]  # the other lives
    with database.writing() as connection:
        gone.end(connection, 0.0)
    list(recovery.look(by_age=False))
    assert found[1:] == [[call.session], [call.session]]  # closed, and walked to
    list(recovery.look(by_age=False))
    clock.advance(20.5)
    list(recovery.look(by_age=False))
    assert found[3:] == [[call.session]]
    database.close()
    assert len(logged.matching("1 calls of a server that is gone are taken over")) == 1


@on_reactor
async def test_calls_that_another_is_taking_over_are_not_waited_for(logged: Logged) -> None:
    journals, calls = Journals(cluster().new_database()), [Call(f"CA{number}") for number in range(20)]
    first = await journals.open(WEBHOOK, pace=_NEVER)
    await first.write(*(call.started() for call in calls))
    await first.journal.close()
    other = create_engine(journals.url)
    with other.begin() as connection:
        taking = text("SELECT 1 FROM voicestt_sessions WHERE session = ANY(:some) FOR UPDATE")
        connection.execute(taking, {"some": [call.session for call in calls[:5]]})
        second = await journals.open(WEBHOOK)
        found = await second.adopted(30)
        assert {each.record.session for each in found} == {call.session for call in calls[5:]}
    other.dispose()
    assert len(await second.adopted(40)) == 40  # the other did not take them after all
    assert not logged.matching("failed")
    await journals.close()
