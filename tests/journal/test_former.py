from tests.journal.made import CALLED, CALLER, Call, Journals, Told
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt.journal.former import FormerStream, MemoryToWrite
from voicestt.journal.no_journal import NoJournal


def stream(session: str, call_sid: str = "CA1") -> Call:
    """A stream whose session is in its place among the others, as a real one's is."""
    call = Call(call_sid)
    call.session = session
    return call


@on_reactor
async def test_a_call_that_was_never_there_has_no_former_stream(journals: Journals) -> None:
    opened = await journals.open()
    assert await opened.journal.former("CA1") is None


@on_reactor
async def test_a_live_stream_is_known_with_its_last_final_and_its_numbers(journals: Journals) -> None:
    opened = await journals.open()
    first = stream("s1")
    await opened.write(first.started(), first.final(), first.partial(), first.final(), first.partial())
    assert await opened.journal.former("CA1") == FormerStream("s1", False, "", 2, None, CALLER, CALLED)


@on_reactor
async def test_the_latest_stream_counts_and_another_process_is_told_the_same(journals: Journals) -> None:
    opened = await journals.open()
    first, second, another = stream("s1"), stream("s2"), stream("s3", "CA2")
    opened.journal.put(first.started(), None)
    opened.journal.remember("s1", '{"step":1}')
    await opened.write(first.final(), first.ended("moved"), another.started(), second.started())
    await opened.write(second.ended("stop"))
    other = await journals.open()
    found = await other.journal.former("CA1")
    assert found == FormerStream("s2", True, "stop", 1, '{"step":1}', CALLER, CALLED)


@on_reactor
async def test_of_a_memory_that_changes_often_the_newest_is_kept(journals: Journals) -> None:
    opened = await journals.open()
    first = stream("s1")
    opened.journal.put(first.started(), None)
    for number in range(1_000):
        opened.journal.remember("s1", str(number))
    await opened.write(first.final())
    opened.journal.remember("s1", '"at last"')
    await opened.write(first.ended())
    found = await opened.journal.former("CA1")
    assert found is not None
    assert found.memory == '"at last"'
    assert "at last" not in repr(found)


@on_reactor
async def test_a_memory_is_written_beside_an_event_that_the_database_refuses(journals: Journals) -> None:
    opened = await journals.open()
    first = stream("s1")
    await opened.write(first.started())
    again = stream("s1")
    opened.journal.remember("s1", "1")
    opened.journal.put(again.started(caller="+15005550001"), None)
    await opened.told.until_written(3)
    found = await opened.journal.former("CA1")
    assert found is not None
    assert found.memory == "1"


def test_a_memory_that_is_taken_is_not_replaced() -> None:
    class Connection:
        def execute(self, _statement: object, values: dict[str, str]) -> None:
            assert values == {"of": "s1", "text": "2"}

    memory = MemoryToWrite("s1", "1")
    assert memory.replace("2")
    memory.write(Connection())  # type: ignore[arg-type]
    assert not memory.replace("3")


@on_reactor
async def test_without_a_journal_nothing_is_known() -> None:
    journal = NoJournal(reactor, Told())
    journal.remember("s1", "1")
    assert await journal.former("CA1") is None
