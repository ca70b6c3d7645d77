"""A newer version of voicestt made the journal's tables: events wait in a file, and the next takes them."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Logged
from tests.journal.made import (
    WEBHOOK,
    Call,
    Journals,
    Opened,
    eventually,
)
from tests.journal.test_recovery import Writer
from tests.recognisers.on_reactor import on_reactor
from voicestt.events import event_id
from voicestt.journal import spill
from voicestt.journal.tables import VERSION_TABLE


class Rollback:
    """A journal whose tables are of a newer version, until they are brought back."""

    def __init__(self, journals: Journals, folder: Path) -> None:
        self._journals = journals
        self.folder = folder
        self._version = ""

    async def begin(self) -> None:
        opened = await self._journals.open(WEBHOOK)
        await opened.journal.close()
        self._version = self._journals.do(f"SELECT version_num FROM {VERSION_TABLE}")[0][0]
        self._set("9999")

    def end(self) -> None:
        self._set(self._version)

    async def open(self) -> Opened:
        return await self._journals.open(WEBHOOK, spill_dir=str(self.folder))

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.spill-*"))

    def spilled(self) -> list[str]:
        """The ids of the events that are in files."""
        return [json.loads(line)["id"] for path in self.files for line in path.read_bytes().splitlines()]

    def written(self) -> list[str]:
        """The ids of the events in the journal, in its order."""
        rows = self._journals.do("SELECT session, sequence FROM voicestt_events ORDER BY number")
        return [event_id(row.session, row.sequence) for row in rows]

    def _set(self, version: str) -> None:
        self._journals.do(f"UPDATE {VERSION_TABLE} SET version_num = :version", version=version)


@pytest.fixture
def rollback(journals: Journals, tmp_path: Path) -> Rollback:
    folder = tmp_path / "spilled"
    folder.mkdir()
    return Rollback(journals, folder)


@on_reactor
async def test_events_wait_in_a_file_and_the_next_who_can_write_has_them_all(
    rollback: Rollback, logged: Logged
) -> None:
    await rollback.begin()
    opened, call = await rollback.open(), Call()
    events = [call.started(), *(call.final(f"{number}") for number in range(50)), call.ended()]
    opened.journal.put(None, "before")
    for event in events:
        opened.journal.put(event, event.id)
    ids = [event.id for event in events]
    await opened.told.until_written(len(ids) + 1)
    assert opened.told.facts == ["before", *ids]
    assert opened.told.late_facts == ids  # not in the journal yet
    assert rollback.spilled() == ids
    state = opened.journal.state
    assert (state.is_written, state.waiting, state.in_file) == (False, 0, len(ids))
    assert logged.matching("events wait in a file beside it")
    assert logged.matching("do not delete it")
    await opened.journal.close()
    assert not logged.matching("are lost")
    assert logged.matching(f"{len(ids)} events wait in {rollback.files[0]}")
    rollback.end()

    again = await rollback.open()
    assert rollback.written() == ids
    assert rollback.files == []
    assert [pending.record.sequence for pending in await again.adopted(len(ids))] == list(range(1, len(ids) + 1))
    assert logged.matching(f"the {len(ids)} events that waited in")


@on_reactor
async def test_who_can_write_again_goes_on_where_its_file_ends(rollback: Rollback, logged: Logged) -> None:
    await rollback.begin()
    opened, call = await rollback.open(), Call()
    first = [call.started(), call.final("in the file")]
    for event in first:
        opened.journal.put(event, event.id)
    await opened.told.until_written(2)
    rollback.end()
    second = [call.final("in the journal"), call.ended()]
    for event in second:
        opened.journal.put(event, event.id)
    await opened.told.until_written(4)
    await eventually(lambda: len(rollback.written()) == 4)
    assert rollback.written() == [event.id for event in [*first, *second]]
    assert rollback.files == []
    assert opened.journal.state.is_written
    assert opened.journal.state.in_file == 0
    assert len(await opened.adopted(4)) == 4


@on_reactor
async def test_nothing_that_was_told_is_lost_by_a_kill_and_the_calls_are_closed(
    rollback: Rollback, url: str, logged: Logged
) -> None:
    await rollback.begin()
    writer = Writer(url, 100_000, spill_dir=str(rollback.folder))
    told = await writer.read(500)
    told += writer.kill()
    rollback.end()
    opened = await rollback.open()
    await opened.told.until(lambda: opened.told.facts.count(None) >= 10)
    written = rollback.written()
    assert {line.removeprefix("late ") for line in told} <= set(written)
    for session in {name.rpartition("-")[0] for name in written}:
        of_it = [name for name in written if name.startswith(session)]
        assert of_it == [event_id(session, number) for number in range(1, len(of_it) + 1)]
    await eventually(lambda: logged.matching("10 of them had not ended"))


@on_reactor
async def test_who_was_killed_while_reading_a_file_has_doubled_nothing(rollback: Rollback, logged: Logged) -> None:
    await rollback.begin()
    opened, call = await rollback.open(), Call()
    events = [call.started(), *(call.final(f"{number}") for number in range(1_100))]
    for event in events:
        opened.journal.put(event, event.id)
    await opened.told.until_written(len(events))
    (path,) = rollback.files
    kept = rollback.folder / "kept"
    shutil.copy(path, kept)
    await opened.journal.close()
    rollback.end()
    again = await rollback.open()
    await eventually(lambda: len(again.told.facts) == 1)  # the call was closed
    await again.journal.close()
    shutil.move(kept, path)
    await rollback.open()
    assert rollback.written()[:-1] == [event.id for event in events]
    assert rollback.files == []


@on_reactor
async def test_where_the_file_cannot_be_written_events_wait_in_memory(
    rollback: Rollback, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill.Spill.__init__, "__defaults__", (600,))
    await rollback.begin()
    opened, call = await rollback.open(), Call()
    events = [call.started(), call.final("x" * 500)]
    for event in events:
        opened.journal.put(event, event.id)
        await eventually(lambda: opened.told.facts or logged.matching("where events were to wait"))
    await eventually(lambda: logged.matching("where events were to wait"))
    assert opened.journal.state.waiting <= 1
    rollback.end()
    await eventually(lambda: rollback.written() == [event.id for event in events])
    assert rollback.files == []


def test_the_file_is_beside_that_of_sqlite_and_of_a_postgresql_where_the_server_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicestt.journal.database import Database

    monkeypatch.chdir(tmp_path)
    beside = Database("sqlite:////srv/calls/journal.db").spill
    assert (beside.folder, beside.name) == (Path("/srv/calls"), "journal.db")
    one, two = (
        Database(f"postgresql+psycopg://me:secret@db.example/{name}").spill for name in ("calls", "others")
    )
    assert one.folder == tmp_path
    assert one.name != two.name
    assert "secret" not in one.name
