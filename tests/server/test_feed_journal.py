"""The live events out of a real journal, on SQLite and on PostgreSQL."""

from collections.abc import Sequence
from functools import partial

from twisted.internet.task import deferLater

from tests.delivery.live.test_subscriber import Kept
from tests.journal.conftest import journals, url
from tests.journal.made import (
    Call,
    Journals,
    Told,
    eventually,
)
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt.delivery.live.filter import EventFilter
from voicestt.delivery.live.hub import EventHub
from voicestt.journal.port import Written

__all__ = ["journals", "url"]  # fixtures


class Publishing(Told):
    """Readers that tell an event hub."""

    hub: EventHub | None = None

    def written(self, entries: Sequence[Written[object]]) -> None:
        super().written(entries)
        if self.hub is not None:
            self.hub.publish([entry.record for entry in entries if entry.record is not None])


def has_heard(connection: Kept, count: int) -> bool:
    return len(connection.sent) >= count


@on_reactor
async def test_whenever_one_comes_and_wherever_it_was_it_is_told_everything_once_and_in_order(
    journals: Journals,
) -> None:
    published = Publishing()
    opened = await journals.open(told=published)
    published.hub = EventHub(reactor, opened.journal, "token")
    call = Call()
    past = await opened.write(*(call.final(f"past {number}") for number in range(450)))
    listeners: list[tuple[int, Kept]] = []
    for turn in range(200):
        for _ in range(3):
            opened.journal.put(call.final(f"now {turn}"), turn)
        if turn % 5 == 0:
            after = ([0, *(each.number for each in past)])[turn * 2]
            listeners.append((after, Kept()))
            published.hub.join(listeners[-1][1], EventFilter(after=after))
        await deferLater(reactor, 0.001)
    await published.until_written(450 + 600)
    everything = [each.number for each in published.records]
    for after, heard in listeners:
        wanted = [number for number in everything if number > after]
        await eventually(partial(has_heard, heard, len(wanted)))
        assert heard.sent == wanted
    await published.hub.stop()


@on_reactor
async def test_a_journal_that_is_closed_under_a_listener_is_no_error(journals: Journals) -> None:
    published = Publishing()
    opened = await journals.open(told=published)
    hub = EventHub(reactor, opened.journal, "token")
    await opened.write(Call().final())
    heard = Kept()
    hub.join(heard, EventFilter(after=0))
    closing = Kept()
    await opened.journal.close()
    hub.join(closing, EventFilter(after=0))
    await eventually(lambda: len(closing.farewells) == 1)
    assert [farewell.event for farewell in closing.farewells] == ["unavailable"]
    await hub.stop()
