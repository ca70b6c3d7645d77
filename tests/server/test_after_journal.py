from collections.abc import Sequence

from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.server.fakes import CALL
from voicestt.audience import Final, Partial
from voicestt.journal.port import Record, Written
from voicestt.server.after_journal import AfterJournal
from voicestt.server.call_book import CallBook
from voicestt.server.call_log import CallLog

RECORD = Record(7, "s", 1, "final", "CA1", b"{}")
FINAL = Final(CALL, 1, "שלום")


class Told:
    """The readers, and what they passed on."""

    def __init__(self) -> None:
        self.published: list[Record] = []
        self.woken = 0
        self.readers = AfterJournal(CallLog(CallBook(Clock())), self, self.wake)

    def publish(self, records: Sequence[Record], /) -> None:
        self.published += records

    def wake(self) -> None:
        self.woken += 1


def test_what_is_written_is_logged_and_delivered(logged: Logged) -> None:
    told = Told()
    told.readers.written([Written(None, Partial(CALL, 1, "שלו")), Written(RECORD, FINAL)])
    assert logged.lines == ["🟡 Partial: שלו", "🟢 Final: שלום"]
    assert (told.published, told.woken) == ([RECORD], 1)


def test_where_nothing_was_written_nothing_is_delivered(logged: Logged) -> None:
    told = Told()
    told.readers.written([Written(None, Partial(CALL, 1, "שלו"))])
    assert (told.published, told.woken) == ([], 0)


def test_a_final_that_is_not_safe_yet_is_not_shown_in_green_and_only_once(logged: Logged) -> None:
    told = Told()
    told.readers.late([Partial(CALL, 1, "שלו"), FINAL, "another's"])
    told.readers.written([Written(RECORD, FINAL, was_late=True), Written(RECORD, None)])
    assert logged.lines == ["🟡 Partial: שלו", "⚪ Final, not in the journal yet: שלום"]
    assert told.published == [RECORD, RECORD]
