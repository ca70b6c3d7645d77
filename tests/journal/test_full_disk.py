"""A disk that is full when the server starts: calls are taken, events wait, and are written when there is room."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.conftest import Logged
from tests.journal.made import (
    WEBHOOK,
    Call,
    Journals,
    eventually,
    payloads,
)
from tests.recognisers.on_reactor import on_reactor
from voicestt.events import encode
from voicestt.journal.port import Record


class Disk:
    """SQLite's own word for a full disk, at so many pages; 0: there is room."""

    def __init__(self) -> None:
        self.pages = 0

    def limit(self, connection: Any, _record: object) -> None:
        if self.pages:
            connection.execute(f"PRAGMA max_page_count = {self.pages}")


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    event.listen(Engine, "connect", made.limit)
    yield made
    event.remove(Engine, "connect", made.limit)


@pytest.mark.parametrize("is_new", [True, False])
@on_reactor
async def test_a_full_disk_at_the_start_is_an_outage_and_no_word_is_lost(
    tmp_path: Path, disk: Disk, logged: Logged, is_new: bool
) -> None:
    journals, call = Journals(f"sqlite:///{tmp_path}/journal.db"), Call()
    if not is_new:
        opened = await journals.open(WEBHOOK)
        # Big, so that there is no room within the pages that there are.
        await opened.write(*(Call().started(parameters={"x": "y" * 5_000}) for _ in range(5)))
        await opened.journal.close()
    disk.pages = 1
    opened = await journals.open(WEBHOOK)

    def of_call() -> list[Record]:  # others are closed, which a server that is gone did not end
        return [record for record in opened.told.records if record.session == call.session]

    events = [call.started(parameters={"x": "y" * 50_000}), call.final("shalom"), call.ended()]
    for each in events:
        opened.journal.put(each, each.id)
    await eventually(lambda: logged.matching("cannot be written: "))
    (line,) = logged.matching("cannot be written: ")
    assert "database or disk is full" in line
    assert "What to do: free the disk." in line
    await eventually(lambda: opened.told.late_facts == [each.id for each in events])
    assert not opened.journal.state.is_written
    disk.pages = 0
    await eventually(lambda: len(of_call()) == 3)
    assert payloads(of_call()) == [encode(each) for each in events]
    await eventually(lambda: opened.journal.state.is_written)
    await journals.close()
