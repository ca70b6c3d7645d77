"""The list of calls and its search, against what a loop in Python finds."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.journal.made import CALLED, CALLER, Call
from tests.postgres import cluster
from voicestt.events import CallEnded, Degraded, Event, Said, Unrecognised
from voicestt.journal import call_list
from voicestt.journal.call_list import CallPage, CallQuery, list_calls
from voicestt.journal.database import Database
from voicestt.journal.erasing import erase_session
from voicestt.journal.payloads import StoredPayloads, redaction
from voicestt.journal.retention import Retention
from voicestt.journal.schema import bring_up_to_date
from voicestt.journal.search_index import has_trigrams
from voicestt.journal.summaries import PART_CHARACTERS, Summaries
from voicestt.journal.tables import TRIGRAMS, texts
from voicestt.journal.writing import EventWriter

OTHER = "+972509999999"
SAID = ["שלום לך", "לירושלים הגענו", "ירושלים", "100% בטוח", "a_b", "Hello World", "ab", "שלומית", "קו\\נטוי", ""]


class Shelf:
    """A journal whose calls a test writes, with the server's own writer."""

    def __init__(self, url: str, redact: str = "none") -> None:
        self.url = url
        self.database = Database(url)
        bring_up_to_date(self.database)
        self._writer = EventWriter(self.database, "me", [], redaction(redact), StoredPayloads())
        self.count = 0

    def add(self, *lines: str, caller: str = CALLER, more: tuple[Any, ...] = (), is_over: bool = True) -> str:
        call = Call(f"CA{self.count}")
        hour, self.count = self.count, self.count + 1
        told: list[Event] = [call.started(caller=caller), *(call.final(line) for line in lines)]
        told += [kind(**call.next(), **values) for kind, values in more]
        if is_over:
            told.append(call.ended())
        at = f"2026-11-{1 + hour // 24:02d}T{hour % 24:02d}:00:00.000000Z"
        self.write(*[msgspec.structs.replace(event, timestamp=at) for event in told])
        return call.session

    def write(self, *told: Event) -> None:
        with self.database.writing() as connection:
            self._writer.keep(self._writer.write(connection, told))

    def sum_up(self) -> None:
        while Summaries(self.database).step():
            pass

    def page(self, **query: Any) -> CallPage:
        with self.database.reading() as connection:
            return list_calls(connection, CallQuery(**query))

    def found(self, **query: Any) -> list[str]:
        """The sessions of all pages."""
        found: list[str] = []
        before = None
        while True:
            page = self.page(before=before, **query)
            found += [call.row.session for call in page.calls]
            before = page.next
            if before is None:
                return found


LOST = (Unrecognised, {"why": "UNAVAILABLE", "seconds": 1.5})
DEGRADED = (Degraded, {"why": "UNAVAILABLE"})


def urls(folder: Path) -> dict[str, str]:
    return {
        "sqlite": f"sqlite:///{folder}/journal-{uuid.uuid4().hex}.db",
        "postgresql": cluster().new_database(locale="C.UTF-8"),
        "postgresql of ASCII": cluster().new_database(),
    }


KINDS = ["sqlite", "postgresql", "postgresql of ASCII"]


@pytest.fixture(params=KINDS)
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(urls(tmp_path)[request.param])
    yield made
    made.database.close()


@dataclass
class Model:
    """One call, as a loop in Python knows it."""

    session: str
    lines: tuple[str, ...]
    caller: str
    is_lost: bool
    is_degraded: bool


class Shelves:
    """A full journal of each kind, made when it is asked for; hypothesis and parametrised fixtures do not mix."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.made: dict[str, tuple[Shelf, list[Model]]] = {}

    def __getitem__(self, kind: str) -> tuple[Shelf, list[Model]]:
        if kind not in self.made:
            self.made[kind] = self._fill(Shelf(urls(self._folder)[kind]))
        return self.made[kind]

    @staticmethod
    def _fill(shelf: Shelf) -> tuple[Shelf, list[Model]]:
        models: list[Model] = []
        for number in range(48):
            lines = tuple(SAID[(number * step) % len(SAID)] for step in range(1, 1 + number % 4))
            caller = OTHER if number % 5 == 0 else CALLER
            more = (*[LOST] * (number % 7 == 0), *[DEGRADED] * (number % 6 == 0))
            session = shelf.add(*lines, caller=caller, more=more)
            models.insert(0, Model(session, lines, caller, number % 7 == 0, number % 6 == 0))
        shelf.sum_up()
        return shelf, models


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelves]:
    shelves = Shelves(tmp_path_factory.mktemp("calls"))
    yield shelves
    for shelf, _ in shelves.made.values():
        shelf.database.close()


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    words=st.sampled_from(
        ["", "שלום", "ירושלים", "ושל", "לך", "0% ב", "a_b", "hello", "צרפתית", "\\נט", "שלום לך"]
    ),
    number=st.sampled_from(["", CALLER, OTHER]),
    degraded=st.booleans(),
    lost=st.booleans(),
    limit=st.integers(1, 60),
    window=st.sampled_from([3, 10, 1_000]),
)
def test_all_pages_together_are_what_was_asked_for_newest_first(
    shelves: Shelves, kind: str, words: str, number: str, degraded: bool, lost: bool, limit: int, window: int
) -> None:
    shelf, models = shelves[kind]
    expected = [
        model.session
        for model in models
        if (not words or any(words.lower() in line.lower() for line in model.lines))
        and (not number or model.caller == number)
        and (not degraded or model.is_degraded)
        and (not lost or model.is_lost)
    ]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(call_list, "FIRST_WINDOW", window)
        patched.setattr(call_list, "SECOND_WINDOW", window)
        numbers = [number] if number else []
        found = shelf.found(words=words, numbers=numbers, degraded=degraded, lost=lost, limit=limit)
    assert found == expected


def test_the_index_is_there_where_the_database_can_have_it(shelf: Shelf, request: pytest.FixtureRequest) -> None:
    with shelf.database.reading() as connection:
        assert has_trigrams(connection) == ("ASCII" not in request.node.name)


def test_a_call_is_listed_with_its_summary(shelf: Shelf) -> None:
    session = shelf.add("one two", "three", more=(LOST, DEGRADED))
    shelf.sum_up()
    (call,) = shelf.page().calls
    assert (call.row.session, call.row.caller, call.row.called) == (session, CALLER, CALLED)
    summary = call.summary
    assert (summary.words, summary.utterances, summary.degraded, summary.lost_ms) == (3, 2, 1, 1500)
    assert (summary.incidents, summary.language, call.row.summary) == (2, None, 1)


def test_the_language_of_a_call_is_that_of_most_finals(shelf: Shelf) -> None:
    call = Call()
    heard = [call.final("x", language=language) for language in ("he-IL", "en-US", None, "he-IL")]
    shelf.write(call.started(), *heard, call.ended())
    shelf.sum_up()
    assert [each.summary.language for each in shelf.page().calls] == ["he-IL"]


def test_a_call_that_goes_on_is_listed_with_what_there_is(shelf: Shelf) -> None:
    shelf.add("one two", is_over=False)
    shelf.sum_up()
    (call,) = shelf.page().calls
    assert (call.summary.words, call.summary.utterances, call.row.summary) == (2, 1, None)


def test_what_we_said_is_found_too_and_the_line_is_shown(shelf: Shelf) -> None:
    said = {"text": "במה אפשר לעזור", "seconds": 1.0, "start": 0.0, "end": 1.0}
    shelf.add("first line", "x" * 300 + " the Second line", more=((Said, said),))
    shelf.sum_up()
    assert [call.snippet for call in shelf.page(words="לעזור").calls] == ["במה אפשר לעזור"]
    (call,) = shelf.page(words="second  LINE").calls
    assert call.snippet is not None
    assert (call.snippet[0], call.snippet[-15:]) == ("…", "the Second line")


def test_dates_bound_the_list_and_the_search(shelf: Shelf) -> None:
    names = [shelf.add("ירושלים") for _ in range(5)]
    shelf.sum_up()
    times = {call.row.session: call.row.started_at for call in shelf.page().calls}
    for words in ("", "ירושלים"):
        found = shelf.found(words=words, since=times[names[1]], until=times[names[3]], limit=1)
        assert found == [names[2], names[1]]


def test_a_second_end_of_a_call_sums_it_up_again(shelf: Shelf) -> None:
    call = Call()
    shelf.write(call.started(), call.final("one"), CallEnded(**call.next(), reason="killed", recovered=True))
    shelf.sum_up()
    shelf.write(call.final("two three"), call.ended())
    shelf.sum_up()
    assert [each.summary.words for each in shelf.page(words="two").calls] == [3]
    with shelf.database.reading() as connection:
        assert connection.execute(texts.select()).all()[0].text == "one\ntwo three"


def test_a_very_long_call_has_several_texts_and_is_found_once(shelf: Shelf) -> None:
    session = shelf.add(*(["מילה ארוכה " * 40] * 30))
    shelf.add("other")
    shelf.sum_up()
    with shelf.database.reading() as connection:
        lengths = [len(row.text) for row in connection.execute(texts.select()) if row.session == session]
    assert len(lengths) > 2
    assert max(lengths) <= PART_CHARACTERS + 500
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(call_list, "FIRST_WINDOW", 1)
        assert shelf.found(words="ארוכה") == [session]


def test_calls_that_begin_in_the_same_microsecond_have_texts_of_their_own(shelf: Shelf) -> None:
    names = []
    for _ in range(3):
        shelf.count = 0
        names.append(shelf.add("ירושלים"))
    shelf.sum_up()
    assert shelf.found(words="ירושלים", limit=1) == sorted(names, reverse=True)


def test_an_erased_call_leaves_the_list_the_texts_and_the_index(shelf: Shelf) -> None:
    session, kept = shelf.add("ירושלים"), shelf.add("שלום")
    shelf.sum_up()
    assert erase_session(shelf.database, session)
    assert shelf.found() == [kept]
    assert not erase_session(shelf.database, session)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(call_list, "FIRST_WINDOW", 1)
        assert shelf.found(words="ירושלים") == []
    with shelf.database.reading() as connection:
        if connection.dialect.name == "sqlite":
            asked = text(f"SELECT rowid FROM {TRIGRAMS} WHERE {TRIGRAMS} MATCH 'ירו'")
            assert connection.execute(asked).all() == []


def test_calls_that_are_too_old_leave_it_all(shelf: Shelf) -> None:
    shelf.add("ירושלים")
    shelf.sum_up()
    retention = Retention(shelf.database, days=0.001)
    while retention.step():
        pass
    assert shelf.found() == shelf.found(words="ירושלים") == []
    with shelf.database.reading() as connection:
        assert connection.execute(texts.select()).all() == []


@pytest.mark.parametrize("redact", ["texts", "all"])
def test_what_is_not_kept_is_in_no_summary(tmp_path: Path, redact: str) -> None:
    shelf = Shelf(f"sqlite:///{tmp_path}/journal.db", redact)
    shelf.add("secret words", more=((Said, {"text": "secret", "seconds": 1.0, "start": 0.0, "end": 1.0}),))
    shelf.sum_up()
    (call,) = shelf.page().calls
    assert (call.summary.words, call.summary.utterances) == (None, 1)
    assert shelf.found(words="secret") == []
    with shelf.database.reading() as connection:
        assert connection.execute(texts.select()).all() == []
    shelf.database.close()


def test_a_journal_without_the_index_is_searched_all_the_same(tmp_path: Path) -> None:
    shelf = Shelf(cluster().new_database(locale="C.UTF-8"))
    with shelf.database.writing() as connection:
        connection.execute(text(f"DROP INDEX {TRIGRAMS}"))
    names = [shelf.add("ירושלים" if number % 9 == 0 else "שלום") for number in range(20)]
    shelf.sum_up()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(call_list, "FIRST_WINDOW", 2)
        patched.setattr(call_list, "SECOND_WINDOW", 3)
        assert shelf.page(words="ירושלים").next is not None  # nothing yet, and more to come
        assert shelf.found(words="ירושלים") == [names[18], names[9], names[0]]
    shelf.database.close()


def test_a_call_on_the_way_can_be_summed_up_by_two_at_once(shelf: Shelf) -> None:
    shelf.add("one")
    if not shelf.url.startswith("sqlite"):
        with shelf.database.writing() as connection:
            connection.execute(text("SELECT 1 FROM voicestt_sessions FOR UPDATE"))
            other = Database(shelf.url)
            assert Summaries(other).step() is False
            other.close()
    shelf.sum_up()
    assert [call.row.summary for call in shelf.page().calls] == [1]
