import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.conftest import Logged
from tests.journal.made import (
    REDIS,
    WEBHOOK,
    Call,
    Journals,
    eventually,
)
from tests.journal.test_writing import Desk
from tests.recognisers.on_reactor import on_reactor
from voicestt.journal.retention import Retention


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    made = Desk(url)
    yield made
    made.database.close()


def do(desk: Desk, statement: str) -> None:
    with desk.database.writing() as connection:
        connection.execute(text(statement))


def count(desk: Desk, table: str) -> int:
    with desk.database.reading() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM voicestt_{table}")).scalar_one())


def age(desk: Desk, call: Call, days: float) -> None:
    """Makes a call that many days older than it is; its events' times are of the writing."""
    with desk.database.writing() as connection:
        values = {"then": desk.database.now(connection) - days * 86_400, "session": call.session}
        for change in (
            "voicestt_sessions SET started_at = :then WHERE session = :session",
            "voicestt_sessions SET ended_at = :then WHERE session = :session AND ended_at IS NOT NULL",
            "voicestt_events SET written_at = :then WHERE session = :session",
        ):
            connection.execute(text(f"UPDATE {change}"), values)


def test_old_calls_go_and_young_ones_stay(desk: Desk, logged: Logged) -> None:
    old, young = Call("CA1"), Call("CA2")
    for call in (old, young):
        desk.write(call.started(), *(call.final() for _ in range(5)), call.ended())
    age(desk, old, 31)
    age(desk, young, 29)
    retention = Retention(desk.database, 30)
    assert retention.step()
    assert not retention.step()
    assert (count(desk, "sessions"), count(desk, "events"), count(desk, "outbox")) == (1, 7, 14)
    assert logged.matching("14 deliveries that never succeeded are given up")


@pytest.mark.parametrize("jump", [40 * 86_400.0, -40 * 86_400.0])
def test_a_clock_that_jumped_deletes_nothing_for_a_day(
    desk: Desk, logged: Logged, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    call, shift, elapsed = Call(), [0.0], [0.0]
    desk.write(call.started(), call.partial(), call.ended())
    do(desk, "DELETE FROM voicestt_outbox")
    age(desk, call, 1 if jump > 0 else 45)
    monkeypatch.setattr(desk.database, "now", lambda _connection: time.time() + shift[0] + elapsed[0])
    retention = Retention(desk.database, 90, lambda: time.monotonic() + elapsed[0])
    retention.step()
    shift[0], retention._days = jump, 3
    for hours in (0, 23):
        elapsed[0] = hours * 3_600.0
        assert not retention.step()
        assert count(desk, "sessions") == 1
    assert len(logged.matching("The clock that the journal goes by jumped by")) == 1
    # After a day it is believed.
    elapsed[0] = 24.1 * 3_600
    retention.step()
    assert count(desk, "sessions") == 0


def test_a_call_that_has_not_ended_stays(desk: Desk) -> None:
    call = Call()
    desk.write(call.started(), call.final())
    age(desk, call, 1_000)
    assert not Retention(desk.database, 30).step()
    assert count(desk, "events") == 2


def test_many_events_go_a_few_at_a_time(desk: Desk) -> None:
    call = Call()
    desk.write(call.started(), *(call.final() for _ in range(2_500)), call.ended())
    do(desk, "DELETE FROM voicestt_outbox")
    age(desk, call, 31)
    retention, left = Retention(desk.database, 30), []
    while retention.step():
        left.append(count(desk, "events"))
    assert left == [1_502, 502, 0]
    assert count(desk, "sessions") == 0


def test_zero_days_keep_everything_but_partials(desk: Desk) -> None:
    call = Call()
    desk.write(call.started(), call.partial(), call.final(), call.ended())
    do(desk, "DELETE FROM voicestt_outbox")
    age(desk, call, 10_000)
    assert not Retention(desk.database, 0).step()
    assert count(desk, "events") == 3


def test_partials_stay_for_a_day_and_until_they_are_delivered(desk: Desk) -> None:
    old, young = Call("CA1"), Call("CA2")
    for call in (old, young):
        desk.write(call.started(), call.partial(), call.partial(), call.final())
    age(desk, old, 1.1)
    age(desk, young, 0.9)
    retention = Retention(desk.database, 30)
    retention.step()
    assert count(desk, "events") == 8
    desk.take_out("redis")
    retention.step()
    assert count(desk, "events") == 6


@on_reactor
async def test_it_is_done_when_the_journal_is_opened_and_later(journals: Journals) -> None:
    first, call = await journals.open(WEBHOOK, REDIS), Call()
    await first.write(call.started(), call.ended())
    journals.do("UPDATE voicestt_sessions SET ended_at = 1")
    await eventually(lambda: journals.do("SELECT count(*) FROM voicestt_events")[0][0] == 0)


def test_a_file_shrinks_again_in_small_steps(tmp_path: Path) -> None:
    desk, call, path = Desk(f"sqlite:///{tmp_path}/journal.db"), Call(), tmp_path / "journal.db"
    desk.write(call.started(), *(call.final("x" * 2_000) for _ in range(10_000)), call.ended())
    do(desk, "DELETE FROM voicestt_outbox")
    age(desk, call, 31)
    _checkpoint(desk)
    before, retention, steps = path.stat().st_size, Retention(desk.database, 30), 0
    while retention.step():
        steps += 1
    _checkpoint(desk)
    assert steps > 20
    assert before > 20_000_000
    assert path.stat().st_size < 6_000_000
    desk.database.close()


def _checkpoint(desk: Desk) -> None:
    desk.database.close()  # the last connection of a file writes its log into it
