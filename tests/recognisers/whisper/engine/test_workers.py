from threading import Event, Lock

from voicestt.recognisers.whisper.engine.workers import Workers


class Piece:
    def __init__(self, name: str, done: list[str], *, urgent: bool = False) -> None:
        self.name, self.done, self.urgent = name, done, urgent
        self.may_go, self.began, self.ended = Event(), Event(), Event()
        self._alone = Lock()

    def is_urgent(self) -> bool:
        return self.urgent

    def work(self) -> None:
        assert self._alone.acquire(blocking=False), "worked on by two threads at once"
        self.began.set()
        assert self.may_go.wait(10)
        self.done.append(self.name)
        self._alone.release()
        self.ended.set()


def test_urgent_work_goes_first_and_the_rest_in_turn() -> None:
    done: list[str] = []
    first, second, third = Piece("first", done), Piece("second", done), Piece("third", done)
    urgent = Piece("urgent", done, urgent=True)
    workers = Workers(1)
    workers.offer(first)
    assert first.began.wait(10)
    for piece in (second, third, urgent):
        workers.offer(piece)
    for piece in (first, second, third, urgent):
        piece.may_go.set()
    assert third.ended.wait(10)
    workers.close()
    assert done == ["first", "urgent", "second", "third"]


def test_what_is_offered_while_it_is_worked_on_comes_once_more_but_never_twice_at_once() -> None:
    done: list[str] = []
    piece, other = Piece("piece", done), Piece("other", done)
    other.may_go.set()
    workers = Workers(2)
    workers.offer(piece)
    assert piece.began.wait(10)
    workers.offer(piece)
    workers.offer(piece)
    workers.offer(other)
    assert other.ended.wait(10)
    piece.began.clear()
    piece.may_go.set()
    assert piece.ended.wait(10)
    assert piece.began.wait(10)
    workers.close()
    assert done == ["other", "piece", "piece"]


def test_after_close_nothing_is_worked_on() -> None:
    done: list[str] = []
    workers = Workers(2)
    workers.close()
    workers.offer(Piece("late", done))
    assert done == []
