"""Events that an older version of voicestt left in the journal are delivered by this one."""

import json
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

import voicestt.journal
from tests.journal.made import (
    WEBHOOK,
    Call,
    Journals,
    eventually,
    numbers,
)
from tests.recognisers.on_reactor import on_reactor
from voicestt.events import Event, encode, type_of
from voicestt.journal.database import Database
from voicestt.journal.tables import events, sessions

CALLS, FINALS = 50, 50
MORE_THAN_A_BUNCH = 2_000

_SESSION_COLUMNS = (
    *("session", "call_sid", "stream_sid", "account_sid"),
    *("owner", "started_at", "ended_at", "closed_by_recovery"),
)
_EVENT_COLUMNS = ("number", "session", "sequence", "type", "call_sid", "written_at", "payload")


def made_by_the_first_version(url: str, written: list[Event]) -> None:
    """A journal whose outbox does not know sessions, with `written` undelivered."""
    config = Config()
    migrations = Path(voicestt.journal.__file__).parent / "migrations"
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    database = Database(url)
    database.make_ready()
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    now = time.time()
    names = {event.session: event.call_sid for event in written}
    of_calls = [(session, call_sid, "MZ1", "AC1", "it", now, now, False) for session, call_sid in names.items()]
    rows = [
        (number, event.session, event.sequence, type_of(event), event.call_sid, now, encode(event).decode())
        for number, event in enumerate(written, 1)
    ]
    with database.writing() as connection:
        database.insert(connection, sessions, _SESSION_COLUMNS, of_calls)
        database.insert(connection, events, _EVENT_COLUMNS, rows)
    database.close()


@on_reactor
async def test_deliveries_of_a_version_that_knew_no_sessions_get_them_and_arrive(
    url: str, journals: Journals
) -> None:
    calls = [Call(f"CA{number}") for number in range(CALLS)]
    written: list[Event] = [call.started() for call in calls]
    written += [call.final() for _ in range(FINALS) for call in calls]
    assert len(written) > MORE_THAN_A_BUNCH
    made_by_the_first_version(url, written)
    journals.do(
        "INSERT INTO voicestt_outbox (number, destination, attempts) "
        "SELECT number, 'webhook', 0 FROM voicestt_events"
    )
    opened = await journals.open(WEBHOOK)
    found = await opened.adopted(len(written), limit=10_000)
    assert sorted(numbers(found)) == list(range(1, len(written) + 1))
    assert {json.loads(each.record.payload)["session"] for each in found} == {call.session for call in calls}
    assert journals.do("SELECT count(*) FROM voicestt_outbox WHERE session = ''")[0][0] == 0
    await eventually(lambda: opened.journal.standing("webhook").waiting == len(written))


@pytest.mark.parametrize("count", [1, 3])
@on_reactor
async def test_a_file_of_a_version_that_still_writes_is_filled_in_again_and_again(
    url: str, journals: Journals, count: int
) -> None:
    """A rolling deployment: the old version writes rows without a session beside us."""
    opened, call = await journals.open(WEBHOOK), Call()
    await opened.write(call.started())
    for _ in range(count):
        (record,) = await opened.write(call.final())
        journals.do("UPDATE voicestt_outbox SET session = '' WHERE number = :number", number=record.number)
        await eventually(lambda: not journals.do("SELECT 1 FROM voicestt_outbox WHERE session = ''"))
        rows = journals.do("SELECT DISTINCT session FROM voicestt_outbox")
        assert [row.session for row in rows] == [call.session]
    assert len(await opened.adopted(count + 1)) == count + 1
