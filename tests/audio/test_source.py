from voicestt.audio.ledger import AudioTotals, Ledger, Uncovered
from voicestt.audio.source import LedgerPart


def test_a_later_part_settles_when_everything_before_it_is_settled() -> None:
    ledger = Ledger(100)
    ledger.receive(b"abcdefghij")
    part = LedgerPart(ledger, 4)
    part.cover(6)
    part.cover(7)
    part.pass_over(8)
    assert part.uncovered() == Uncovered(8, b"ij")
    assert ledger.totals == AudioTotals(received=10, uncovered=10)
    ledger.give_up(4)
    part.merge()
    assert ledger.totals == AudioTotals(received=10, given_up=4, recognised=3, passed_over=1, uncovered=2)
    part.cover(10)
    assert ledger.totals.recognised == 5
