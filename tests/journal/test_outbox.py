from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from tests.journal.made import WEBHOOK, Call, Journals
from tests.journal.test_retention import age
from tests.journal.test_writing import Desk
from tests.recognisers.on_reactor import on_reactor
from voicestt.journal import outbox, schema
from voicestt.journal.database import Database
from voicestt.journal.outbox import MOST_KEPT, Delivered, Failed, write_attempts
from voicestt.journal.port import Attempt
from voicestt.journal.retention import Retention
from voicestt.journal.schema import bring_up_to_date

ALL = "SELECT number, destination, at, status, error, answer FROM voicestt_attempts ORDER BY number, at"


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    made = Desk(url)
    yield made
    made.database.close()


def kept(desk: Desk) -> list[tuple[Any, ...]]:
    with desk.database.reading() as connection:
        return [tuple(row) for row in connection.execute(text(ALL))]


def apply(desk: Desk, *marks: outbox.Mark) -> None:
    with desk.database.writing() as connection:
        outbox.apply(connection, marks, 1.0)


def number(desk: Desk) -> int:
    (record,) = desk.write(Call().final())
    assert record is not None
    return record.number


def test_what_failed_and_what_arrived_at_last_is_kept(desk: Desk) -> None:
    one = number(desk)
    refused = Attempt(one, 1.5, "it answered 422\x00", 422, "no\x00 such call שלום")
    apply(desk, Failed("webhook", one, "422", is_hopeless=False, attempts=[refused]))
    apply(desk, Delivered("webhook", [one], [Attempt(one, 2.5, None, 200, "ok")]))
    assert kept(desk) == [
        (one, "webhook", 1.5, 422, "it answered 422\ufffd", "no\ufffd such call שלום"),
        (one, "webhook", 2.5, 200, None, "ok"),
    ]


def test_of_one_event_the_last_ten_are_kept_of_each_destination(desk: Desk) -> None:
    one, two = number(desk), number(desk)
    for each in range(25):
        tried = [Attempt(event, float(each), "no") for event in (one, two)]
        apply(desk, Failed("webhook", one, "no", is_hopeless=False, attempts=tried))
    apply(desk, Failed("redis", one, "no", is_hopeless=False, attempts=[Attempt(one, 0.5, "no")]))
    times = [(event, to, at) for event, to, at, *_ in kept(desk)]
    assert [at for event, to, at in times if (event, to) == (one, "webhook")] == [*map(float, range(15, 25))]
    assert len(times) == 2 * MOST_KEPT + 1


def test_one_transaction_may_hold_many_of_one_event(desk: Desk) -> None:
    one = number(desk)
    many = [Attempt(one, float(each), "no") for each in range(30)]
    apply(desk, *(Failed("webhook", one, "no", is_hopeless=False, attempts=[each]) for each in many))
    assert [row[2] for row in kept(desk)] == [*map(float, range(20, 30))]


def test_what_is_written_twice_is_there_once(desk: Desk) -> None:
    one = number(desk)
    with desk.database.writing() as connection:
        for _ in range(2):
            write_attempts(connection, [("webhook", Attempt(one, 1.0, None, 204))])
    assert len(kept(desk)) == 1


def test_of_an_event_that_is_no_more_nothing_is_kept(desk: Desk) -> None:
    apply(desk, Delivered("webhook", [4_711], [Attempt(4_711, 1.0, None, 200)]))
    assert kept(desk) == []


def test_they_are_deleted_with_their_events(desk: Desk) -> None:
    old, young = Call("CA1"), Call("CA2")
    records = [desk.write(call.started(), call.ended()) for call in (old, young)]
    numbers = [record.number for some in records for record in some if record is not None]
    apply(desk, Delivered("webhook", numbers, [Attempt(each, 1.0, None, 200) for each in numbers]))
    age(desk, old, 31)
    Retention(desk.database, 30).step()
    assert [row[0] for row in kept(desk)] == numbers[2:]


@on_reactor
async def test_a_receiver_s_answer_is_not_kept_where_the_journal_is_redacted(journals: Journals) -> None:
    opened = await journals.open(WEBHOOK, redact="texts")
    (record,) = await opened.write(Call().final("a secret"))
    echoed = Attempt(record.number, 1.0, "it answered 422", 422, "a secret")
    await opened.journal.failed("webhook", record.number, "it answered 422", [echoed])
    await opened.journal.delivered(
        "webhook", [record.number], [Attempt(record.number, 2.0, None, 200, "a secret")]
    )
    assert [tuple(row) for row in journals.do(ALL)] == [
        (record.number, "webhook", 1.0, 422, "it answered 422", ""),
        (record.number, "webhook", 2.0, 200, None, ""),
    ]


def test_a_journal_of_the_version_before_is_brought_up_to_date(url: str) -> None:
    database = Database(url)
    database.make_ready()
    with database.writing() as connection:
        _to(connection, "0004")
        connection.execute(
            text(
                "INSERT INTO voicestt_sessions (session, call_sid, stream_sid, account_sid, started_at, "
                "closed_by_recovery) VALUES ('s', 'CA1', 'MZ1', 'AC1', 1.0, false)"
            )
        )
    bring_up_to_date(database)
    database.close()
    desk = Desk(url)
    one = number(desk)
    apply(desk, Delivered("webhook", [one], [Attempt(one, 2.5, None, 200, "ok")]))
    assert len(kept(desk)) == 1
    with desk.database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM voicestt_sessions")).scalar() == 2
    desk.database.close()


def _to(connection: Any, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.__file__).replace("schema.py", "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
