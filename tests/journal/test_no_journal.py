import pytest
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.journal.made import Call, Told, payloads
from tests.recognisers.on_reactor import on_reactor
from voicestt.events import encode
from voicestt.journal.no_journal import KEPT, NoJournal


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def journal(clock: Clock, told: Told) -> NoJournal[object]:
    return NoJournal(clock, told)


def test_readers_are_told_in_the_next_turn_and_together(
    journal: NoJournal[object], told: Told, clock: Clock
) -> None:
    call = Call()
    events = [call.started(), call.final()]
    journal.put(events[0], 1)
    journal.put(None, 2)
    journal.put(events[1], 3)
    assert told.entries == []
    clock.advance(0)
    assert told.groups == [3]
    assert told.facts == [1, 2, 3]
    assert payloads(told.records) == [encode(event) for event in events]
    assert [record.number for record in told.records] == [1, 2]
    journal.put(call.ended(), 4)
    clock.advance(0)
    assert told.groups == [3, 1]


@on_reactor
async def test_the_last_events_are_remembered(journal: NoJournal[object], clock: Clock, told: Told) -> None:
    await journal.open()
    call = Call()
    for _ in range(KEPT + 10):
        journal.put(call.final(), None)
    await journal.close()
    assert len(told.records) == KEPT + 10
    assert (await journal.since(0, 5_000)).records == told.records[10:]
    assert (await journal.since(500, 3)).records == told.records[500:503]
    assert (await journal.since(KEPT + 10, 3)).records == []
    clock.advance(0)
    assert len(told.groups) == 1


def test_what_can_be_no_json_reaches_handlers_all_the_same(
    journal: NoJournal[object], told: Told, clock: Clock, logged: Logged
) -> None:
    journal.put(Call().started(parameters={"x": object()}), "fact")
    clock.advance(0)
    assert [(entry.record, entry.fact) for entry in told.entries] == [(None, "fact")]
    assert logged.matching("An event (call_started) of call 'CA1' can be no JSON (TypeError)")


def test_a_reader_that_fails_stops_nothing(clock: Clock, logged: Logged) -> None:
    journal = NoJournal[object](clock, None)  # type: ignore[arg-type]
    journal.put(Call().started(), None)
    clock.advance(0)
    assert len(logged.flush(AttributeError)) == 1


def test_a_flush_fires_when_the_readers_know_what_was_put_before(
    journal: NoJournal[object], told: Told, clock: Clock
) -> None:
    assert journal.flush().called
    journal.put(Call().started(), 1)
    flushed = journal.flush()
    known = flushed.addCallback(lambda _: list(told.facts))
    assert not flushed.called
    clock.advance(0)
    assert known.result == [1]
