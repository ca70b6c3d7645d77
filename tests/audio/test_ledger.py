import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voicestt.audio.ledger import (
    AudioTotals,
    Ledger,
    RetainedAudioLimit,
    Uncovered,
)

MOST = 100


def test_what_no_final_covers_is_kept() -> None:
    ledger = Ledger(MOST)
    ledger.receive(b"one ")
    ledger.receive(b"two ")
    ledger.receive(b"three")
    ledger.cover(6)
    assert ledger.uncovered() == Uncovered(6, b"o three")
    assert ledger.totals == AudioTotals(received=13, recognised=6, uncovered=7)
    assert (ledger.start, ledger.received, ledger.most) == (6, 13, MOST)


def test_the_oldest_is_given_up_first() -> None:
    ledger = Ledger(4)
    ledger.receive(b"abc")
    ledger.receive(b"def")
    assert ledger.uncovered() == Uncovered(2, b"cdef")
    assert ledger.totals == AudioTotals(received=6, given_up=2, uncovered=4)


def test_what_was_let_go_is_given_up_and_told_there_and_then() -> None:
    told: list[tuple[int, int]] = []
    ledger = Ledger(4, lambda start, end: told.append((start, end)))
    ledger.receive(b"abcdefgh")
    assert ledger.totals == AudioTotals(received=8, given_up=4, uncovered=4)
    ledger.cover(2)
    ledger.cover(6)
    assert ledger.totals == AudioTotals(received=8, recognised=2, given_up=4, uncovered=2)
    assert (told, ledger.forgotten) == ([(0, 4)], 4)


def test_the_ledger_that_keeps_most_lets_its_oldest_second_go() -> None:
    told: list[str] = []
    retention = RetainedAudioLimit(20_000)
    long = Ledger(1 << 20, lambda _start, _end: told.append("long"), retention)
    short = Ledger(1 << 20, lambda _start, _end: told.append("short"), retention)
    long.receive(bytes(14_000))
    short.receive(bytes(5_000))
    assert (told, retention.kept) == ([], 19_000)
    short.receive(bytes(2_000))
    assert (told, long.totals.given_up, retention.kept) == (["long"], 8_000, 13_000)
    long.cover(14_000)
    assert retention.kept == 7_000
    short.close()
    short.receive(bytes(100))
    assert retention.kept == 0


def test_a_piece_longer_than_all_that_is_kept() -> None:
    ledger = Ledger(4)
    ledger.receive(b"0123456789")
    assert ledger.uncovered() == Uncovered(6, b"6789")


def test_a_final_beyond_what_came_covers_all_of_it_and_nothing_to_come() -> None:
    ledger = Ledger(MOST)
    ledger.receive(b"abc")
    ledger.cover(1_000)
    ledger.receive(b"def")
    assert ledger.uncovered() == Uncovered(3, b"def")


def test_a_final_that_comes_late_uncovers_nothing() -> None:
    ledger = Ledger(MOST)
    ledger.receive(b"abcdef")
    ledger.cover(4)
    ledger.cover(2)
    assert ledger.uncovered() == Uncovered(4, b"ef")


def test_each_way_to_forget_has_its_place_in_the_account() -> None:
    ledger = Ledger(MOST)
    ledger.receive(b"abcdefgh")
    ledger.cover(1)
    ledger.pass_over(3)
    ledger.give_up(6)
    assert ledger.totals == AudioTotals(received=8, recognised=1, passed_over=2, given_up=3, uncovered=2)


def test_reading_gives_what_is_there_and_not_what_is_forgotten() -> None:
    ledger = Ledger(MOST)
    for part in (b"abc", b"def", b"ghi"):
        ledger.receive(part)
    ledger.cover(2)
    assert ledger.read(2, 3) == b"cde"
    assert ledger.read(4, 1) == b"e"
    assert ledger.read(7, 100) == b"hi"
    assert ledger.read(9, 100) == b""
    with pytest.raises(ValueError, match="the bytes from 1 on are forgotten; kept are those from 2 on"):
        ledger.read(1, 3)


def test_what_is_sent_again_counts_again() -> None:
    ledger = Ledger(MOST)
    ledger.receive(b"abcdefgh")
    ledger.hand(1, 0, 3)
    ledger.hand(1, 3, 6)
    ledger.hand(2, 2, 6)
    ledger.hand(1, 6, 8)
    ledger.hand(2, 6, 8)
    assert ledger.totals == AudioTotals(received=8, uncovered=8, handed=14, streams=2)
    assert ledger.totals.sent_again == 6


def test_what_google_was_sent_is_streams_and_single_requests() -> None:
    ledger = Ledger(MOST)
    ledger.receive(b"abcdefgh")
    ledger.hand(1, 0, 6)
    ledger.request(5)
    ledger.request(2)
    assert ledger.totals == AudioTotals(received=8, uncovered=8, handed=6, streams=1, requested=7)
    assert ledger.totals.google_bytes == 13


class EveryByte(RuleBasedStateMachine):
    """The ledger beside all audio ever received, and what became of each of its bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(MOST)
        self.all = b""
        self.fates: list[str] = []
        self.kept_from = 0
        self.handed = 0
        self.requested = 0

    @property
    def start(self) -> int:
        return max(self.kept_from, len(self.fates))

    def _forget(self, end: int, fate: str) -> None:
        self.fates.extend([fate] * (min(end, len(self.all)) - len(self.fates)))

    @rule(audio=st.binary(max_size=250))
    def receive(self, audio: bytes) -> None:
        self.ledger.receive(audio)
        self.all += audio
        self.kept_from = max(self.kept_from, len(self.all) - MOST)

    @rule(end=st.integers(0, 1_000))
    def cover(self, end: int) -> None:
        self.ledger.cover(end)
        self._forget(end, "recognised")

    @rule(end=st.integers(0, 1_000))
    def pass_over(self, end: int) -> None:
        self.ledger.pass_over(end)
        self._forget(end, "passed over")

    @rule(end=st.integers(0, 1_000))
    def give_up(self, end: int) -> None:
        self.ledger.give_up(end)
        self._forget(end, "given up")

    @rule(length=st.integers(0, 1_000))
    def request(self, length: int) -> None:
        self.ledger.request(length)
        self.requested += length

    @precondition(lambda self: self.start < len(self.all))
    @rule(data=st.data(), fate=st.sampled_from(["cover", "pass_over", "give_up"]))
    def forget_some_of_what_is_kept(self, data: st.DataObject, fate: str) -> None:
        end = data.draw(st.integers(self.start, len(self.all)))
        {"cover": self.cover, "pass_over": self.pass_over, "give_up": self.give_up}[fate](end)

    @rule(data=st.data(), stream=st.integers(1, 5))
    def hand(self, data: st.DataObject, stream: int) -> None:
        start = data.draw(st.integers(self.start, len(self.all)))
        end = data.draw(st.integers(start, len(self.all)))
        self.ledger.hand(stream, start, end)
        self.handed += end - start
        assert self.ledger.totals.handed == self.handed

    @rule(data=st.data(), most=st.integers(0, 2 * MOST))
    def read(self, data: st.DataObject, most: int) -> None:
        start = data.draw(st.integers(self.start, len(self.all)))
        assert self.ledger.read(start, most) == self.all[start : start + most]

    @invariant()
    def what_is_kept_is_what_came_from_start_on(self) -> None:
        assert self.ledger.uncovered() == Uncovered(self.start, self.all[self.start :])
        assert (self.ledger.start, self.ledger.received) == (self.start, len(self.all))

    @invariant()
    def it_is_bounded(self) -> None:
        assert len(self.ledger.uncovered().audio) <= MOST

    @invariant()
    def every_byte_is_in_one_place_of_the_account(self) -> None:
        totals = self.ledger.totals
        assert totals.recognised == self.fates.count("recognised")
        assert totals.passed_over == self.fates.count("passed over")
        let_go = self.start - len(self.fates)
        assert totals.given_up == self.fates.count("given up") + let_go
        assert totals.handed == self.handed
        assert totals.google_bytes == self.handed + self.requested
        assert totals.received == (totals.recognised + totals.passed_over + totals.given_up + totals.uncovered)


TestEveryByte = EveryByte.TestCase
