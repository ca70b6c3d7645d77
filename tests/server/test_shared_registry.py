from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from tests.recognisers.on_reactor import on_reactor
from voicestt.server.call_registry import KEPT_SECONDS, CallRegistry
from voicestt.server.shared_registry import TOLD_SECONDS, SharedCallRegistry


class Link:
    """A worker's link, whose siblings are other registries in this process."""

    def __init__(self) -> None:
        self.siblings: list[SharedCallRegistry] = []
        self.answers: list[Deferred[Any]] = []
        self.seconds: list[float] = []

    def relay(self, kind: str, news: dict[str, Any]) -> None:
        for sibling in self.siblings:
            sibling.relayed(kind, news)

    def ask_all(self, what: str, seconds: float = 9.0) -> "Deferred[Any]":
        self.seconds.append(seconds)
        if what == "announced":
            return succeed({"workers": {"2": [*self.siblings[0].announced], "3": None}})
        self.answers.append(Deferred())
        return self.answers[-1]


class Two:
    """Two workers' registries."""

    def __init__(self) -> None:
        clock: Any = Clock()
        here: Any = Link()
        there: Any = Link()
        self.clock, self.link = clock, here
        self.one = SharedCallRegistry(clock, here, CallRegistry(clock))
        self.other = SharedCallRegistry(clock, there, CallRegistry(clock))
        here.siblings, there.siblings = [self.other], [self.one]


def test_what_one_hears_the_other_knows() -> None:
    two = Two()
    arrived: list[str] = []
    two.one.arrived = arrived.append
    two.one.announce("CA1", "+15550001", "+15550002", "AC1", comes_back=True)
    two.one.note_status("CA1", "stream-started")
    two.one.note_hang_up("CA1")
    found = two.other.find("CA1")
    assert (found.caller, found.called, found.account_sid) == ("+15550001", "+15550002", "AC1")
    assert found.announced
    assert found.comes_back
    assert found.was_hung_up
    assert found.statuses == ["stream-started"]
    two.other.use_up("CA1")
    assert two.one.find("CA1").is_used_up
    assert arrived == ["CA1"]
    assert two.one.announced == two.other.announced == []


def test_a_webhook_is_answered_when_all_know_of_the_call() -> None:
    two = Two()
    told: Any = two.one.told(b"<Response/>")
    assert not told.called
    two.link.answers[0].callback({})
    assert told.result == b"<Response/>"
    assert two.link.seconds == [TOLD_SECONDS]


def test_who_asked_and_went_away_is_not_answered() -> None:
    two = Two()
    told: Any = two.one.told(b"<Response/>")
    told.addErrback(lambda _gone: None)
    told.cancel()
    two.link.answers[0].callback({})
    assert CallRegistry(two.clock).told(b"<Response/>") == b"<Response/>"


@on_reactor
async def test_one_that_starts_learns_what_was_announced_before() -> None:
    two = Two()
    new = SharedCallRegistry(two.clock, two.link, CallRegistry(two.clock))
    two.other.announce("CA1", "+15550001", None)
    two.clock.advance(KEPT_SECONDS - 1)
    two.other.announce("CA2", None, None)
    two.clock.advance(2)
    await new.learn_from_all()
    assert not new.find("CA1").announced
    assert new.find("CA2").announced
