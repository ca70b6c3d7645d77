from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voicestt.ledger import Ledger, Uncovered

MOST = 100


def test_what_no_final_covers_is_kept() -> None:
    ledger = Ledger(MOST)
    ledger.receive(b"one ")
    ledger.receive(b"two ")
    ledger.receive(b"three")
    ledger.cover(6)
    assert ledger.uncovered() == Uncovered(6, b"o three")
    assert (ledger.start, ledger.received, ledger.given_up) == (6, 13, 0)


def test_the_oldest_is_given_up_first() -> None:
    ledger = Ledger(4)
    ledger.receive(b"abc")
    ledger.receive(b"def")
    assert ledger.uncovered() == Uncovered(2, b"cdef")
    assert ledger.given_up == 2


def test_a_piece_longer_than_all_that_is_kept() -> None:
    ledger = Ledger(4)
    ledger.receive(b"0123456789")
    assert ledger.uncovered() == Uncovered(6, b"6789")


def test_a_final_beyond_what_came_covers_all() -> None:
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


class Account(RuleBasedStateMachine):
    """The ledger beside all audio ever received and one number: the start of what must be kept."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(MOST)
        self.all = b""
        self.start = 0
        self.given_up = 0

    @rule(audio=st.binary(max_size=250))
    def receive(self, audio: bytes) -> None:
        self.ledger.receive(audio)
        self.all += audio
        oldest = max(self.start, len(self.all) - MOST)
        self.given_up += oldest - self.start
        self.start = oldest

    @rule(end=st.integers(0, 1_000))
    def cover_anything(self, end: int) -> None:
        self.ledger.cover(end)
        self.start = max(self.start, min(end, len(self.all)))

    @precondition(lambda self: self.start < len(self.all))
    @rule(data=st.data())
    def cover_some_of_what_is_kept(self, data: st.DataObject) -> None:
        self.cover_anything(end=data.draw(st.integers(self.start, len(self.all))))

    @invariant()
    def every_byte_is_in_one_place(self) -> None:
        assert self.ledger.received == len(self.all)
        assert self.ledger.start == self.start
        assert self.ledger.uncovered() == Uncovered(self.start, self.all[self.start :])

    @invariant()
    def what_was_given_up_is_counted(self) -> None:
        assert self.ledger.given_up == self.given_up

    @invariant()
    def it_is_bounded(self) -> None:
        assert len(self.ledger.uncovered().audio) <= MOST


TestAccount = Account.TestCase
