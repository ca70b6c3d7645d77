import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from tests.delivery.live.test_subscriber import Kept
from tests.server.listening import record
from voicestt.delivery.live import replay
from voicestt.delivery.live.replay import HeldBack, Replay
from voicestt.delivery.live.subscriber import Counters, Subscriber
from voicestt.journal.port import Page, Record


class Database:
    """A database that two processes write into, and a listener of the first one who catches up from it."""

    def __init__(self, after: int, before: int = 0) -> None:
        self.connection = Kept()
        self.listener = Subscriber(self.connection, lambda _record: True, Counters(), lambda _listener: None)
        self.connection.attach(self.listener)
        self.way = Replay(self.listener, after)
        self.number = before
        self.begun: dict[bool, list[Record]] = {True: [], False: []}  # True: of our own process
        self.committed = [record(number, call_sid="own") for number in range(1, before + 1)]
        self.unpublished: list[Record] = []
        self.reading: list[tuple[int, int, Deferred[Page]]] = []
        self.read: list[tuple[Deferred[Page], Page]] = []
        self.pauses: list[Deferred[None]] = []
        self.through = 0
        self.done = Deferred.fromCoroutine(self.way.run(self._since, self._pause))

    def begin(self, *, own: bool) -> None:
        """A number is given; the event is there for others with its commit."""
        self.number += 1
        self.begun[own].append(record(self.number, call_sid="own" if own else "other"))

    def commit(self, *, own: bool) -> None:
        self.committed += self.begun[own]
        if own:
            self.unpublished += self.begun[own]
        self.begun[own] = []

    def publish(self) -> None:
        self.way.published(self.unpublished)
        self.unpublished = []

    def look(self) -> None:
        """The database answers a question."""
        under_way = [each.number for some in self.begun.values() for each in some]
        through = min([self.number, *(number - 1 for number in under_way)])
        for number, limit, answer in self.reading:
            past = (each for each in self.committed if number < each.number <= through)
            found = sorted(past, key=lambda each: each.number)[:limit]
            self.read.append((answer, Page(found, through, self.number)))
            self.through = through
        self.reading = []

    def answer(self) -> None:
        """The answer arrives."""
        read, self.read = self.read, []
        for answer, found in read:
            answer.callback(found)

    def pause(self) -> None:
        self.listener.pauseProducing()

    def resume(self) -> None:
        self.connection.make_room()

    def page(self) -> None:
        self.look()
        self.answer()

    def write(self, *, own: bool) -> None:
        self.begin(own=own)
        self.commit(own=own)

    def finish(self) -> None:
        """Everything that is under way arrives."""
        for own in (True, False):
            self.commit(own=own)
        self.publish()
        self.resume()
        while self.reading or self.read or self.pauses:
            self.go_on()
            self.page()

    def go_on(self) -> None:
        """A pause is over."""
        pauses, self.pauses = self.pauses, []
        for pause in pauses:
            pause.callback(None)

    def _pause(self) -> Deferred[None]:
        self.pauses.append(Deferred())
        return self.pauses[-1]

    def _since(self, number: int, limit: int) -> Deferred[Page]:
        answer: Deferred[Page] = Deferred()
        self.reading.append((number, limit, answer))
        return answer


OWN = ["begin own", "commit own", "publish", "look", "answer", "page", "pause", "resume", "go_on"]
PAGES = st.sampled_from([1, 2, 200])
PAST = st.integers(0, 8).flatmap(lambda before: st.tuples(st.just(before), st.integers(0, before)))


def told(page: int, steps: list[str], past: tuple[int, int]) -> tuple[list[int], list[int], list[int]]:
    """Which numbers a listener was told, which of our own process there were for it, and which of the other's in
    the past that the last page ended."""
    before, after = past
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "PAGE", page)
        database = Database(after, before)
        for step in steps:
            name, _, owner = step.partition(" ")
            arguments = {"own": owner == "own"} if owner else {}
            getattr(database, name)(**arguments)
        database.finish()
    assert database.done.called
    own = [each.number for each in database.committed if each.call_sid == "own" and each.number > after]
    others = [each.number for each in database.committed if each.call_sid == "other"]
    return database.connection.sent, own, [number for number in others if after < number <= database.through]


@given(PAGES, st.lists(st.sampled_from(OWN), max_size=60), PAST)
def test_everything_is_told_once_and_in_order(page: int, steps: list[str], past: tuple[int, int]) -> None:
    sent, own, _others = told(page, steps, past)
    assert sent == own


@settings(max_examples=500)
@given(PAGES, st.lists(st.sampled_from([*OWN, "begin other", "commit other", "write other"]), max_size=40), PAST)
def test_beside_another_process_nothing_is_missed_and_nothing_is_told_twice(
    page: int, steps: list[str], past: tuple[int, int]
) -> None:
    sent, own, others = told(page, steps, past)
    assert sent == sorted(set(sent))
    assert {*own, *others} <= set(sent)


def test_what_is_under_way_in_another_process_is_waited_for() -> None:
    database = Database(0)
    database.begin(own=False)
    database.write(own=True)
    database.publish()
    for _ in range(3):
        database.page()
        assert database.connection.sent == []
        database.go_on()
    database.commit(own=False)
    database.write(own=True)
    database.publish()
    database.page()
    assert database.connection.sent == [1, 2, 3]
    assert database.done.called


def test_what_does_not_come_to_an_end_is_not_waited_for_without_end() -> None:
    database = Database(0)
    database.begin(own=False)
    for _ in range(replay.MOST_PAUSES):
        database.page()
        assert not database.done.called
        database.go_on()
    database.page()
    failed: list[object] = []
    database.done.addErrback(lambda failure: failed.append(failure.check(HeldBack)))
    assert failed == [HeldBack]


def test_numbers_that_began_anew_with_another_journal_are_not_waited_for() -> None:
    database = Database(5_000)
    database.finish()
    for _ in range(3):
        database.begin(own=True)
        database.commit(own=True)
        database.publish()
    assert database.connection.sent == [1, 2, 3]


def test_live_events_wait_until_the_past_is_told() -> None:
    database = Database(0)
    for _ in range(3):
        database.begin(own=True)
    database.commit(own=True)
    database.publish()
    assert database.connection.sent == []
    database.look()
    database.begin(own=True)
    database.commit(own=True)
    database.publish()
    database.answer()
    assert database.connection.sent == [1, 2, 3, 4]
    database.begin(own=True)
    database.commit(own=True)
    database.publish()
    assert database.connection.sent == [1, 2, 3, 4, 5]


def test_a_slow_listener_is_read_for_no_faster_than_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE", 2)
    database = Database(0)
    for _ in range(5):
        database.begin(own=True)
    database.commit(own=True)
    database.publish()
    database.listener.pauseProducing()
    database.look()
    database.answer()
    assert database.reading == []
    database.connection.make_room()
    assert [(number, limit) for number, limit, _ in database.reading] == [(2, 2)]
    database.finish()
    assert database.connection.sent == [1, 2, 3, 4, 5]


def test_for_who_went_the_journal_is_read_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE", 1)
    database = Database(0)
    database.begin(own=True)
    database.commit(own=True)
    database.look()
    database.listener.gone()
    database.answer()
    assert database.done.called
    assert (database.reading, database.connection.sent) == ([], [])


def test_what_is_remembered_is_bounded_and_forgotten_with_the_first_event_of_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay, "_REMEMBERED", 10)
    database = Database(0)
    for _ in range(50):
        database.begin(own=False)
    database.commit(own=False)
    database.finish()
    assert len(database.way._seen) == 10
    database.begin(own=True)
    database.finish()
    assert len(database.way._seen) == 0
    assert database.connection.sent == list(range(1, 52))


def test_what_another_process_overtook_between_two_pages_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE", 1)
    database = Database(0)
    database.begin(own=True)
    database.write(own=False)
    database.pause()
    database.page()
    assert database.connection.sent == []
    database.commit(own=True)
    database.publish()
    database.finish()
    assert database.connection.sent == [1, 2]


def test_however_long_it_takes_little_of_what_is_published_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE", 1)
    monkeypatch.setattr(replay, "_REMEMBERED", 10)
    database = Database(0, before=100)
    kept = []
    for _ in range(60):
        database.write(own=True)
        database.publish()
        kept.append(len(database.way._meanwhile))
        database.page()
    assert max(kept) <= 2
    database.finish()
    assert database.connection.sent == list(range(1, 161))


def test_what_a_page_had_is_not_kept_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE", 1)
    monkeypatch.setattr(replay, "_REMEMBERED", 2)
    database = Database(0)
    for _ in range(10):
        database.write(own=True)
        database.look()
        database.publish()
        database.answer()
    database.finish()
    assert database.connection.sent == list(range(1, 11))
