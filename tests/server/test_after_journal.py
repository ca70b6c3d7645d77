from collections.abc import Sequence

import pytest
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.fakes import CALL
from voicestt.call.facts import Final, Partial
from voicestt.journal.port import Record, Written
from voicestt.server.after_journal import PersistedEvents
from voicestt.server.call_log import CallLog
from voicestt.server.call_registry import CallRegistry

RECORD = Record(7, "s", 1, "final", "CA1", b"{}")
FINAL = Final(CALL, 1, "שלום")


def told(published: list[Record]) -> PersistedEvents:
    return PersistedEvents(CallLog(CallRegistry(Clock())), published.extend)


def test_what_is_written_is_logged_and_delivered(logged: Logged) -> None:
    published: list[Record] = []
    told(published).written([Written(None, Partial(CALL, 1, "שלו")), Written(RECORD, FINAL)])
    assert logged.lines == ["🟡 Partial: שלו", "🟢 Final: שלום"]
    assert published == [RECORD]


def test_where_nothing_was_written_nothing_is_delivered() -> None:
    def never(_records: Sequence[Record]) -> None:
        pytest.fail("there is nothing to deliver")

    PersistedEvents(CallLog(CallRegistry(Clock())), never).written([Written(None, Partial(CALL, 1, "שלו"))])


def test_a_final_that_is_not_safe_yet_is_not_shown_in_green_and_only_once(logged: Logged) -> None:
    published: list[Record] = []
    readers = told(published)
    readers.late([Partial(CALL, 1, "שלו"), FINAL, "another's"])
    readers.written([Written(RECORD, FINAL, was_late=True), Written(RECORD, None)])
    assert logged.lines == ["🟡 Partial: שלו", "⚪ Final, not in the journal yet: שלום"]
    assert published == [RECORD, RECORD]


def test_who_waits_for_what_was_written_is_called_when_the_listeners_have_it(logged: Logged) -> None:
    seen: list[list[Record]] = []
    published: list[Record] = []
    told(published).written([Written(RECORD, FINAL), Written(None, lambda: seen.append(list(published)))])
    assert seen == [[RECORD]]
    assert logged.lines == ["🟢 Final: שלום"]
