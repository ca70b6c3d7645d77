"""From the settings to what arrives, with a real journal."""

from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook
from twisted.internet.defer import Deferred

from tests.conftest import Logged
from tests.delivery.fakes import MemoryOutbox
from tests.delivery.receiver import never, receiving, status
from tests.journal.made import FAST, Call, eventually
from tests.recognisers.on_reactor import on_reactor, reactor, soon
from tests.redis_server import RedisServer
from voicestt.config.settings import Settings
from voicestt.delivery.deliverer import Deliverer
from voicestt.delivery.destinations import deliverers_of, destinations_of
from voicestt.delivery.redis_streams import stream_of
from voicestt.events import Event, event_id
from voicestt.journal.journal import Journal
from voicestt.journal.port import Destination, Written
from voicestt.runtime.backoff import Backoff

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + b64encode(KEY).decode()


def settings_of(**variables: str) -> Settings:
    needed = {"PUBLIC_HOST": "voice.example.com", "TWILIO_VALIDATE": "false"}
    return Settings.from_environment({**needed, **variables})


class Delivering:
    """A journal and its deliverers, as the server has them: who is told of what was written wakes them."""

    def __init__(self, settings: Settings, folder: Path, url: str | None = None) -> None:
        self.journal = Journal(
            reactor,
            url or f"sqlite:///{folder}/journal.db",
            self,
            destinations_of(settings),
            days=30.0,
            redact="none",
            pace=FAST,
            changed=self._read_again,
        )
        self.deliverers = deliverers_of(reactor, settings, self.journal)

    async def start(self) -> None:
        await soon(Deferred.fromCoroutine(self.journal.open()))
        for deliverer in self.deliverers:
            deliverer.start()

    async def stop(self) -> None:
        for deliverer in self.deliverers:
            await soon(Deferred.fromCoroutine(deliverer.stop()))
        await soon(Deferred.fromCoroutine(self.journal.close()))

    def put(self, *events: Event) -> None:
        for event in events:
            self.journal.put(event, None)

    def written(self, _entries: Sequence[Written[object]]) -> None:
        for deliverer in self.deliverers:
            deliverer.wake()

    def late(self, _facts: Sequence[object]) -> None:
        """Do nothing."""

    def _read_again(self) -> None:
        for deliverer in self.deliverers:
            deliverer.read_again()


@asynccontextmanager
async def delivering(settings: Settings, folder: Path, url: str | None = None) -> AsyncIterator[Delivering]:
    made = Delivering(settings, folder, url)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def webhook(url: str, **more: str) -> Settings:
    return settings_of(EVENTS_WEBHOOK_URL=url, EVENTS_WEBHOOK_SECRET=SECRET, **more)


def test_without_a_variable_there_is_no_destination(clock: Any) -> None:
    settings = settings_of()
    assert destinations_of(settings) == []
    assert deliverers_of(clock, settings, MemoryOutbox(clock.seconds)) == []


@pytest.mark.parametrize("partials", [True, False])
def test_the_webhook_and_redis_have_names_that_stay(clock: Any, partials: bool) -> None:
    settings = webhook(
        "https://hook.example.com",
        REDIS_URL="redis://127.0.0.1",
        EVENTS_WEBHOOK_PARTIALS=str(partials),
    )
    hook = Destination("webhook", partials=partials, is_receiver=True)
    expected = [hook, Destination("redis", partials=True)]
    assert destinations_of(settings) == expected
    deliverers = deliverers_of(clock, settings, MemoryOutbox(clock.seconds))
    assert [each.destination for each in deliverers] == expected
    assert not any(isinstance(each, Deliverer) and each.figures.is_down for each in deliverers)


@on_reactor
async def test_from_the_journal_to_both_each_with_the_partials_it_wants(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as redis:
        async with receiving() as receiver:
            settings = webhook(receiver.url, REDIS_URL=redis.url, REDIS_SHARDS="2")
            async with delivering(settings, tmp_path) as made:
                call = Call("CA7")
                made.put(call.started(), call.partial(), call.final("שלום"), call.ended())
                await eventually(lambda: len(receiver.posts) == 3)
                with redis.client(decode_responses=True) as client:
                    await eventually(lambda: client.xlen(stream_of("CA7", 2)) == 4)
                    types = [fields["type"] for _, fields in client.xrange(stream_of("CA7", 2))]
    assert types == ["call_started", "partial", "final", "call_ended"]
    told: list[dict[str, Any]] = [StandardWebhook(KEY).verify(body, headers) for headers, body in receiver.posts]
    assert [each["type"] for each in told] == ["call_started", "final", "call_ended"]
    assert [each["id"] for each in told] == receiver.ids
    assert told[1]["text"] == "שלום"


@on_reactor
async def test_only_the_types_that_are_wanted_are_posted(tmp_path: Path) -> None:
    async with receiving() as receiver:
        settings = webhook(receiver.url, EVENTS_WEBHOOK_TYPES="partial,call_ended")
        async with delivering(settings, tmp_path) as made:
            call = Call("CA7")
            made.put(call.started(), call.partial(), call.final("שלום"), call.ended())
            await eventually(lambda: made.deliverers[0].figures.delivered == 2)
            await eventually(lambda: made.journal.standing("webhook").waiting == 0)
    told = [StandardWebhook(KEY).verify(body, headers) for headers, body in receiver.posts]
    assert [(each["type"], each["sequence"]) for each in told] == [("partial", 2), ("call_ended", 4)]


@on_reactor
async def test_in_batches_one_bad_event_is_dead_lettered_and_all_others_arrive_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicestt.delivery.completer.AFTER_REFUSAL", Backoff(first=0.01, longest=0.01))
    call = Call("CA1")
    bad = event_id(call.session, 5).encode()
    async with receiving() as receiver:

        def answer(request: Any) -> Any:
            return status(400 if bad in receiver.posts[-1][1] else 204)(request)

        receiver.answer = answer
        async with delivering(webhook(receiver.url, EVENTS_WEBHOOK_BATCH="8"), tmp_path) as made:
            made.put(call.started(), *(call.final() for _ in range(18)), call.ended())
            await eventually(lambda: made.deliverers[0].figures.delivered == 19)
            assert made.deliverers[0].figures.dead_lettered == 1
    told = [StandardWebhook(KEY).verify(body, headers) for headers, body in receiver.posts]
    taken = [each["sequence"] for body in told for each in body if bad.decode() not in {one["id"] for one in body}]
    assert taken == [*range(1, 5), *range(6, 21)]
    assert sum([each["sequence"] for each in body] == [5] for body in told) == 5
    assert max(map(len, told)) == 8


@on_reactor
async def test_each_of_several_webhooks_has_its_own_progress_outage_and_dead_letters(
    tmp_path: Path, logged: Logged
) -> None:
    refused, call = Call("CA1"), Call("CA2")
    async with receiving() as good, receiving() as bad:
        bad.answer = status(500)
        settings = webhook(f"{good.url}, {bad.url}#crm")
        assert [each.name for each in destinations_of(settings)] == ["webhook", "webhook:crm"]
        async with delivering(settings, tmp_path) as made:
            for each in (refused, call, Call("CA3")):
                made.put(each.started(), each.final(), each.ended())
            (line,) = logged.matching("several webhooks")
            assert line == (
                f"Events go to several webhooks: webhook is at 127.0.0.1:{good.port}, "
                f"webhook:crm is at 127.0.0.1:{bad.port}."
            )
            first, second = made.deliverers
            await eventually(lambda: first.figures.delivered == 9)
            await eventually(lambda: logged.matching("(webhook:crm) is down"))
            assert not first.figures.is_down
            assert second.figures.delivered == 0
            assert len(await made.journal.pending("webhook:crm", 100)) == 9
            bad.answer = status(204)
            await eventually(lambda: second.figures.delivered == 9)
    assert not logged.matching(f"The webhook at http://127.0.0.1:{good.port} is down")
    for headers, body in bad.posts:
        assert StandardWebhook(KEY).verify(body, headers)["call_sid"] in ("CA1", "CA2", "CA3")


@on_reactor
async def test_who_adds_a_webhook_loses_nothing_of_what_waits_for_the_first(tmp_path: Path) -> None:
    call = Call()
    async with receiving() as first, receiving() as second:
        first.answer = never
        async with delivering(webhook(first.url), tmp_path) as made:
            made.put(call.started(), call.final(), call.ended())
            await eventually(lambda: len(first.posts) == 1)
        first.answer = status(204)
        async with delivering(webhook(f"{first.url} {second.url}"), tmp_path) as made:
            await eventually(lambda: made.deliverers[0].figures.delivered == 3)
            made.put(Call("CA9").started())
            await eventually(lambda: made.deliverers[0].figures.delivered == 4)
            await eventually(lambda: made.deliverers[1].figures.delivered == 1)
    assert first.ids[1:4] == [event_id(call.session, sequence) for sequence in (1, 2, 3)]
    assert second.posts[0][1] == first.posts[-1][1]


@on_reactor
async def test_what_a_stopped_server_had_not_delivered_the_next_delivers(tmp_path: Path) -> None:
    call = Call()
    async with receiving() as receiver:
        receiver.answer = never
        async with delivering(webhook(receiver.url), tmp_path) as made:
            made.put(call.started(), call.final("one"), call.ended())
            await eventually(lambda: len(receiver.posts) == 1)
        receiver.answer = status(204)
        async with delivering(webhook(receiver.url), tmp_path) as made:
            await eventually(lambda: made.deliverers[0].figures.delivered == 3)
    assert receiver.ids == [f"{call.session}-{number:06d}" for number in (1, 1, 2, 3)]


@on_reactor
async def test_what_is_refused_for_too_long_is_dead_lettered_in_the_journal(tmp_path: Path) -> None:
    refused, taken = Call("CA1"), Call("CA2")

    def is_refused(request: Any) -> bool:
        name: str = request.getHeader("webhook-id")
        return name.startswith(refused.session)

    async with receiving() as receiver:
        receiver.answer = lambda request: status(400 if is_refused(request) else 204)(request)
        settings = webhook(receiver.url, EVENTS_WEBHOOK_HOURS="0.001", EVENTS_WEBHOOK_ORDER="strict")
        async with delivering(settings, tmp_path) as made:
            made.put(refused.started(), taken.started())
            await eventually(lambda: made.deliverers[0].figures.dead_lettered == 1)
            made.put(taken.final("one"))
            await eventually(lambda: made.deliverers[0].figures.delivered == 2)
            await made.deliverers[0].stop()
            assert await made.journal.pending("webhook", 10) == []
    assert receiver.ids.count(f"{refused.session}-000001") == 5
