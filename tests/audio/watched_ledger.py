from voicestt.audio.ledger import Ledger


class WatchedLedger(Ledger):
    """A ledger that remembers which bytes each stream was given: stream, start, end; in a row they are one."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.handings: list[tuple[int, int, int]] = []

    def hand(self, stream: int, start: int, end: int) -> None:
        super().hand(stream, start, end)
        if self.handings and (self.handings[-1][0], self.handings[-1][2]) == (stream, start):
            start = self.handings.pop()[1]
        self.handings.append((stream, start, end))
