import pytest

from tests.journal.made import WEBHOOK, Call, Journals, eventually
from voicestt.events import CallStarted, Final, Said
from voicestt.journal import one_call
from voicestt.journal.database import Database
from voicestt.journal.one_call import CallInJournal, call_sid_of, read_call
from voicestt.journal.port import Attempt
from voicestt.journal.schema import bring_up_to_date


def read(url: str, session: str, after: int = 0) -> CallInJournal | None:
    database = Database(url)
    with database.reading() as connection:
        found = read_call(connection, session, after)
    database.close()
    return found


async def test_a_call_is_read_with_its_events_and_what_became_of_each_delivery(journals: Journals) -> None:
    opened = await journals.open(WEBHOOK)
    call = Call()
    started = call.started()
    said = Said(**call.next(), text="Hello", seconds=1.0, start=0.0, end=1.0)
    records = await opened.write(started, said, call.partial(), call.final("shalom"), call.ended())
    start, said_there, final, _ = [each.number for each in records if each.type != "partial"]
    await opened.journal.delivered("webhook", [start], [Attempt(start, 5.0, None, 200, "OK")])
    await opened.journal.failed("webhook", said_there, "500", [Attempt(said_there, 6.0, "500", 500, "no")])
    await opened.journal.dead_letter("webhook", final, "410", [Attempt(final, 7.0, "410", 410, "gone")])
    await opened.journal.flush()
    found = read(journals.url, call.session)
    assert found is not None
    assert [type(event) for event in found.events[:3]] == [CallStarted, Said, Final]
    assert found.more is None
    assert found.listed.row.call_sid == call.call_sid
    told = {each.sequence: each for each in found.deliveries}
    assert (told[1].outbox, [each.error for each in told[1].attempts]) == (None, [None])
    assert (told[2].outbox.attempts, [each.status for each in told[2].attempts]) == (1, [500])
    assert told[4].outbox.dead_lettered_at is not None
    assert (told[5].kind, told[5].outbox.attempts, list(told[5].attempts)) == ("call_ended", 0, [])


async def test_a_long_call_comes_in_pages(journals: Journals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_call, "MOST_EVENTS", 3)
    opened = await journals.open()
    call = Call()
    await opened.write(call.started(), *(call.final(str(number)) for number in range(5)), call.ended())
    sequences, more = [], 0
    while True:
        page = read(journals.url, call.session, more)
        assert page is not None
        sequences += [event.sequence for event in page.events]
        if page.more is None:
            break
        more = page.more
    assert sequences == list(range(1, 8))


async def test_a_running_server_sums_calls_up_by_itself(journals: Journals) -> None:
    opened = await journals.open()
    call = Call()
    await opened.write(call.started(), call.final("one two"), call.ended())
    await eventually(lambda: journals.do("SELECT words FROM voicestt_sessions")[0].words == 2)
    assert journals.do("SELECT text FROM voicestt_texts")[0].text == "one two"


def test_what_is_not_there_is_none(journals: Journals) -> None:
    database = Database(journals.url)
    bring_up_to_date(database)
    with database.reading() as connection:
        assert call_sid_of(connection, "none") is None
        assert read_call(connection, "none") is None
    database.close()
