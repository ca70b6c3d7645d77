import pytest
from twisted.internet.defer import CancelledError

from tests.recognisers.on_reactor import on_reactor
from voicestt.runtime.idle import Idle


def test_who_waits_is_told_when_nothing_is_left() -> None:
    left, told = [1], list[str]()
    idle = Idle(lambda: not left)
    idle.wait().addCallback(lambda _: told.append("first"))
    idle.wait().addCallback(lambda _: told.append("second"))
    idle.look()
    assert told == []
    left.clear()
    idle.look()
    assert told == ["first", "second"]
    idle.look()
    assert told == ["first", "second"]


def test_where_nothing_is_left_nobody_waits() -> None:
    assert Idle(lambda: True).wait().called


@on_reactor
async def test_who_gives_up_is_not_told_again() -> None:
    left = [1]
    idle = Idle(lambda: not left)
    waiting = idle.wait()
    waiting.cancel()
    left.clear()
    idle.look()
    with pytest.raises(CancelledError):
        await waiting


def test_who_is_told_may_wait_again() -> None:
    left = [1]
    idle = Idle(lambda: not left)
    again = []

    def more(_: None) -> None:
        left.append(2)
        again.append(idle.wait())

    idle.wait().addCallback(more)
    left.clear()
    idle.look()
    assert not again[0].called
    left.clear()
    idle.look()
    assert again[0].called
