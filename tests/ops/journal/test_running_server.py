"""Changes by hand, and a server that runs and has read the events already."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests.delivery.receiver import never, receiving, status
from tests.delivery.test_destinations import delivering, webhook
from tests.journal.made import WEBHOOK, Journals, eventually
from tests.ops.journal.made import (
    Call,
    Desk,
    run,
    run_json,
)
from tests.recognisers.on_reactor import on_reactor
from voicestt.events import event_id


@pytest.fixture
def journals(desk: Desk) -> Iterator[Journals]:
    made = Journals(desk.url)
    yield made
    pytest_twisted.blockon(Deferred.fromCoroutine(made.close()))


def refusing(*ids: str, code: int = 500) -> Any:
    """An answer that fails for these, and is a good one else."""
    return lambda request: status(code if request.getHeader("webhook-id") in ids else 204)(request)


async def command(*arguments: str) -> str:
    return await deferToThread(run, "deliveries", *arguments)


@on_reactor
async def test_a_running_server_goes_on_with_the_call_of_a_skipped_event(desk: Desk, tmp_path: Path) -> None:
    call = Call()
    first, second = (event_id(call.session, sequence) for sequence in (1, 2))
    async with receiving() as receiver:
        receiver.answer = refusing(first)
        async with delivering(webhook(receiver.url), tmp_path, desk.url) as made:
            made.put(call.started(), call.ended())
            await eventually(lambda: receiver.ids.count(first) >= 2)
            assert "that are skipped: 1." in await command("--skip", first)
            await eventually(lambda: second in receiver.ids)
            assert [each["id"] for each in run_json("deliveries", "--dead-lettered")["deliveries"]] == [first]
            receiver.answer = status(204)
            before = len(receiver.ids)
            await command("--retry", first)
            await eventually(lambda: receiver.ids[before:] == [first])


@on_reactor
async def test_a_running_server_forgets_discarded_events_that_it_has_read(desk: Desk, tmp_path: Path) -> None:
    call, other = Call("CA1"), Call("CA2")
    async with receiving() as receiver:
        receiver.answer = refusing(event_id(call.session, 1))
        async with delivering(webhook(receiver.url), tmp_path, desk.url) as made:
            made.put(call.started(), *(call.final() for _ in range(20)), call.ended())
            await eventually(lambda: len(receiver.ids) >= 2)
            assert "that are discarded: 22." in await command("--discard", "--call", "CA1")
            receiver.answer = status(204)
            made.put(other.started())
            await eventually(lambda: event_id(other.session, 1) in receiver.ids)
            await eventually(lambda: made.deliverers[0].figures.waiting == 0)
    assert {each for each in receiver.ids if each.startswith(call.session)} <= {event_id(call.session, 1)}


@on_reactor
async def test_a_server_notices_changes_right_after_its_start(journals: Journals) -> None:
    noted: list[None] = []
    opened = await journals.open(WEBHOOK, changed=lambda: noted.append(None))
    await opened.write(Call().started())
    await command("--skip", "--all")
    await eventually(lambda: noted)
    await eventually(lambda: journals.do("SELECT 1 FROM voicestt_instances WHERE figures IS NOT NULL"))
    assert len(noted) == 1


@on_reactor
async def test_a_running_server_delivers_replayed_events_once_more(
    desk: Desk, journals: Journals, tmp_path: Path
) -> None:
    calls = [Call("CA1"), Call("CA2")]
    async with (
        receiving() as receiver,
        delivering(webhook(receiver.url, EVENTS_WEBHOOK_PARTIALS="true"), tmp_path, desk.url) as made,
    ):
        for call in calls:
            made.put(call.started(), call.partial(), call.final(), call.ended())
        await eventually(lambda: made.deliverers[0].figures.delivered == 8)
        # The database hears of the arrivals a little later.
        await eventually(lambda: not journals.do("SELECT 1 FROM voicestt_outbox"))
        assert "made once more: 3." in await command("--replay", "--call", "CA1")
        await eventually(lambda: len(receiver.ids) == 11)
        await eventually(lambda: not journals.do("SELECT 1 FROM voicestt_outbox"))
        assert receiver.ids[8:] == [event_id(calls[0].session, sequence) for sequence in (1, 3, 4)]
        bodies = {headers["webhook-id"]: set[bytes]() for headers, _ in receiver.posts}
        for headers, body in receiver.posts:
            bodies[headers["webhook-id"]].add(body)
        assert all(len(each) == 1 for each in bodies.values())
        assert "made once more: 2." in await command("--replay", "--since", "1h", "--type", "partial")
        await eventually(lambda: len(receiver.ids) == 13)


@on_reactor
async def test_an_event_discarded_while_in_flight_does_not_come_back(desk: Desk, tmp_path: Path) -> None:
    call = Call()
    async with receiving() as receiver:
        receiver.answer = never
        async with delivering(webhook(receiver.url), tmp_path, desk.url) as made:
            made.put(call.started(), call.ended())
            await eventually(lambda: len(receiver.ids) == 1)
            await command("--discard", "--all")
            await eventually(lambda: made.deliverers[0].figures.waiting <= 1)
            await receiver.stop()
            await eventually(lambda: made.deliverers[0].figures.waiting == 0)
    assert run("deliveries") == "Everything has arrived.\n"
