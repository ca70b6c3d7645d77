from collections.abc import Callable
from functools import partial

from tests.conftest import Logged
from voicestt.runtime.loop_thread import Mailbox


class Sleeper:
    """The other side of a Mailbox: keeps what it was woken with until the test lets it act."""

    def __init__(self) -> None:
        self.woken: list[Callable[[], object]] = []

    def wake(self, action: Callable[[], object]) -> None:
        self.woken.append(action)

    def act(self) -> None:
        woken, self.woken = self.woken, []
        for action in woken:
            action()


def test_many_actions_are_one_awakening_and_keep_their_order() -> None:
    sleeper, done = Sleeper(), list[int]()
    mailbox = Mailbox(sleeper.wake)
    for number in range(100):
        mailbox.hand(partial(done.append, number))
    assert len(sleeper.woken) == 1
    assert done == []
    sleeper.act()
    assert done == list(range(100))


def test_who_sleeps_again_is_woken_again() -> None:
    sleeper, done = Sleeper(), list[str]()
    mailbox = Mailbox(sleeper.wake)
    for word in ("first", "second"):
        mailbox.hand(partial(done.append, word))
        sleeper.act()
    assert done == ["first", "second"]
    assert sleeper.woken == []


def test_what_an_action_hands_over_is_done_too() -> None:
    sleeper, done = Sleeper(), list[str]()
    mailbox = Mailbox(sleeper.wake)
    mailbox.hand(lambda: mailbox.hand(lambda: done.append("inner")))
    mailbox.hand(lambda: done.append("outer"))
    sleeper.act()
    assert done == ["outer", "inner"]
    sleeper.act()
    assert done == ["outer", "inner"]


def test_an_action_that_raises_does_not_stop_the_rest(logged: Logged) -> None:
    sleeper, done = Sleeper(), list[str]()
    mailbox = Mailbox(sleeper.wake)
    mailbox.hand(lambda: 1 / 0)
    mailbox.hand(lambda: done.append("after"))
    sleeper.act()
    assert done == ["after"]
    assert len(logged.flush(ZeroDivisionError)) == 1
