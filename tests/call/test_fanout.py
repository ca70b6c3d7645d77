from tests.conftest import Logged
from tests.server.fakes import CALL, Collected
from voicestt.call.facts import CallStarted, Event
from voicestt.call.fanout import ObserverGroup


class Broken:
    def tell(self, event: Event) -> None:
        raise ZeroDivisionError(type(event).__name__)


def test_all_are_told_in_order() -> None:
    first, second = Collected(), Collected()
    fanout = ObserverGroup([first, second])
    fanout.tell(CallStarted(CALL))
    assert first.events == second.events == [CallStarted(CALL)]


def test_one_that_fails_keeps_nothing_from_the_others(logged: Logged) -> None:
    collected = Collected()
    fanout = ObserverGroup([Broken(), collected, Broken()])
    fanout.tell(CallStarted(CALL))
    assert collected.events == [CallStarted(CALL)]
    assert logged.matching("An audience failed at an event") != []
    assert len(logged.flush(ZeroDivisionError)) == 2


def test_nobody_may_be_told() -> None:
    ObserverGroup([]).tell(CallStarted(CALL))
