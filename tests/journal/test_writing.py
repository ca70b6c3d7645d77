from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.journal.made import REDIS, WEBHOOK, Call
from tests.postgres import cluster
from voicestt.events import Event, encode
from voicestt.journal import outbox, reading, tables
from voicestt.journal.database import Database
from voicestt.journal.payloads import StoredPayloads, redaction
from voicestt.journal.port import EVERYTHING, Record
from voicestt.journal.schema import bring_up_to_date
from voicestt.journal.writing import EventWriter

_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
_times = st.none() | st.floats(0, 86_400)


class Desk:
    """A writer on a database, without a thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url)
        bring_up_to_date(self.database)
        self.whole = StoredPayloads()
        self.writer = EventWriter(self.database, "me", [WEBHOOK, REDIS], redaction("none"), self.whole)

    def write(self, *events: Event | None) -> list[Record | None]:
        with self.database.writing() as connection:
            draft = self.writer.write(connection, events)
        self.writer.keep(draft)
        return draft.records

    def take_out(self, destination: str, owner: str = "me") -> list[Record]:
        """Take out the pending events, which are delivered by that."""
        with self.database.reading() as connection:
            sessions = list(connection.execute(select(tables.sessions.c.session)).scalars())
            found = outbox.pending(connection, self.whole, owner, destination, sessions, 100)
        arrived = outbox.Delivered(destination, [each.record.number for each in found])
        with self.database.writing() as connection:
            outbox.apply(connection, [arrived], 0.0)
        return [each.record for each in found]


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    made = Desk(url)
    yield made
    made.database.close()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[list[Desk]]:
    """One of each kind: pytest-twisted cannot run a property test that is parametrised."""
    made = [Desk(f"sqlite:///{tmp_path}/journal.db"), Desk(cluster().new_database())]
    yield made
    for each in made:
        each.database.close()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(st.text(), min_size=1, max_size=5),
    times=st.tuples(_times, _times),
    reason=st.text(),
    call_sid=st.text(max_size=40),
    number=st.none() | st.text(),
    parameters=st.dictionaries(st.text(), _anything, max_size=4),
)
def test_whatever_was_said_comes_back_as_it_was(
    both: list[Desk],
    words: list[str],
    times: tuple[float | None, float | None],
    reason: str,
    call_sid: str,
    number: str | None,
    parameters: dict[str, Any],
) -> None:
    call = Call(call_sid)
    start, end = times
    made = [
        call.started(parameters=parameters, caller=number),
        *(call.final(each, start=start, end=end) for each in words),
        call.partial(words[0]),
        call.ended(reason),
    ]
    for desk in both:
        records = desk.write(*made)
        assert [record.payload for record in records if record is not None] == [encode(event) for event in made]
        assert desk.take_out("redis") == records


def test_a_transaction_that_is_undone_leaves_nothing(desk: Desk) -> None:
    call = Call()
    with suppress(ZeroDivisionError), desk.database.writing() as connection:
        desk.writer.write(connection, [call.started()])
        raise ZeroDivisionError
    (record,) = desk.write(call.final())
    assert record is not None
    with desk.database.reading() as connection:
        assert reading.since(connection, desk.whole, 0, 10, EVERYTHING).records == [record]


def test_a_batch_of_nothing(desk: Desk) -> None:
    assert desk.write() == []
    assert desk.write(None, None) == [None, None]


def test_an_event_is_found_again_only_if_it_is_the_same(desk: Desk) -> None:
    call, other = Call(), Call()
    other.session = call.session
    event = call.started()
    (record,) = desk.write(event)
    with desk.database.reading() as connection:
        assert desk.writer.find(connection, event) == record
        assert desk.writer.find(connection, other.final()) is None
        assert desk.writer.find(connection, Call().started()) is None


@pytest.mark.parametrize("timestamp", ["", "yesterday", "9999-99-99T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_is_none_is_no_obstacle(desk: Desk, timestamp: str) -> None:
    assert None not in desk.write(Call().started(timestamp=timestamp))
