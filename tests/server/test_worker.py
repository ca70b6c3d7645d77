from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import Clock

from voicestt.fleet.port import NoFleet
from voicestt.recognisers.modes import Flag
from voicestt.server.call_counts import ActiveCalls
from voicestt.server.call_registry import CallRegistry
from voicestt.server.control.flag import FlagSwitch
from voicestt.server.control.words import ControlWords
from voicestt.server.shared_registry import SharedCallRegistry
from voicestt.server.sibling_link import MESSAGE, SiblingLink
from voicestt.server.worker import SiblingsSwitch, WorkerParts, WorkerServer, live_link_of, worker_of


class Reactor(Clock):
    """A clock that can be stopped, as a reactor."""

    def __init__(self) -> None:
        super().__init__()
        self.stops = 0
        self.is_over = False

    def callWhenRunning(self, action: Any) -> None:  # noqa: N802 - Twisted's
        action()

    def stop(self) -> None:
        self.stops += 1
        if self.is_over:
            raise ReactorNotRunning


class Recorded:
    """A worker's link, its listeners and its journal: what is asked of them is noted."""

    name = "1"

    def __init__(self) -> None:
        self.done: list[object] = []
        self.is_written = True

    def relay(self, kind: str, news: dict[str, Any]) -> None:
        self.done.append((kind, news))

    def stopping(self) -> None:
        self.done.append("stopping")

    async def stop(self) -> None:
        self.done.append("not listening")

    @property
    def journal(self) -> Any:
        return self if self.is_written else None

    def hurry(self, name: str) -> None:
        self.done.append(f"hurried by {name}")

    def read_again(self) -> None:
        self.done.append("read again")

    def look_for_dead(self) -> None:
        self.done.append("looked for the dead")


def any_of(made: object) -> Any:
    """A stand-in where the real one is asked for."""
    return made


class Worker:
    """A worker's server of recorded parts."""

    def __init__(self) -> None:
        self.reactor = reactor = any_of(Reactor())
        self.recorded = recorded = any_of(Recorded())
        self.flag = Flag(is_on=True)
        switch = FlagSwitch(self.flag, ActiveCalls(self.flag))
        self.parts = WorkerParts(
            recorded,
            ControlWords(switch),
            switch,
            recorded,
            recorded,
            recorded,
            NoFleet(),
        )
        self.registry = SharedCallRegistry(reactor, recorded, CallRegistry(reactor))
        self.server = WorkerServer(reactor, recorded, self.registry, self.parts)


def test_it_leaves_its_port_to_the_siblings_and_stops_once() -> None:
    worker = Worker()
    worker.server.obey("leave")
    worker.server.obey("stop")
    assert worker.recorded.done == ["not listening"]
    assert worker.reactor.stops == 1
    worker.server.stopping()
    worker.server.obey("hurry")
    worker.server.obey("hang-up")
    assert worker.recorded.done[1:] == ["stopping", "hurried by SIGTERM", "read again"]


def test_a_reactor_that_a_signal_has_stopped_is_left_alone() -> None:
    worker = Worker()
    worker.reactor.is_over = True
    worker.server.obey("stop")
    assert worker.reactor.stops == 1


@pytest.mark.parametrize("is_written", [True, False])
def test_a_siblings_death_makes_the_journal_look(*, is_written: bool) -> None:
    worker = Worker()
    worker.recorded.is_written = is_written
    worker.server.sibling_died(5)
    assert worker.recorded.done == (["looked for the dead"] if is_written else [])


def test_a_flag_that_is_turned_in_one_worker_is_turned_in_all_and_not_told_again() -> None:
    here, there = Worker(), Worker()
    page = SiblingsSwitch(here.parts.switch, here.recorded)
    page.turn(False, "the page")
    assert not page.state.is_on
    [(kind, news)] = here.recorded.done
    there.server.relayed(kind, news)
    assert not there.flag.is_on
    assert there.recorded.done == []


def test_a_sibling_s_live_events_reach_who_listens_here() -> None:
    worker = Worker()
    link = SiblingLink(Clock(), worker.recorded, "worker 1, 17")
    server = WorkerServer(worker.reactor, worker.recorded, worker.registry, replace(worker.parts, live=link))
    heard: list[bytes] = []
    link.subscribe("live:wants", heard.append)
    server.relayed(MESSAGE, {"channel": "live:wants", "data": "e30="})
    server.relayed(MESSAGE, {"channel": "live:other", "data": "e30="})
    worker.server.relayed(MESSAGE, {"channel": "live:wants", "data": "e30="})
    assert heard == [b"{}"]


def test_the_link_of_live_events_is_the_fleet_s_where_there_is_one() -> None:
    worker, alone = any_of(SimpleNamespace(name="2")), any_of(SimpleNamespace(redis=None, link=NoFleet()))
    together = any_of(SimpleNamespace(redis=object(), link=NoFleet()))
    assert live_link_of(Clock(), alone, None).instance == ""
    assert live_link_of(Clock(), together, worker) is together.link
    assert live_link_of(Clock(), alone, worker).instance.startswith("worker 2, ")


def test_it_answers_for_itself() -> None:
    worker = Worker()
    assert "ENABLE_STREAMING_STT=True" in dict(worker.server.answer("word show"))["message"]  # type: ignore[call-overload]
    assert worker.server.answer("health") is None, "it has not started"
    worker.server.relayed("announced", {"call_sid": "CA1", "caller": None, "called": None})
    assert worker.server.answer("announced") == [{"call_sid": "CA1", "caller": None, "called": None}]
    assert worker.server.answer("is it known") is None


def test_without_a_supervisor_there_is_nobody_to_obey() -> None:
    worker = Worker()
    assert worker_of(worker.reactor, None, worker.registry, worker.parts) is None
