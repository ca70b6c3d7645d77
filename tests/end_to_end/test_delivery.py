"""Every event arrives, whatever breaks on the way: the receiver, Redis, one of its readers, or the server."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.chatter import SAID, chatted, chatting
from tests.end_to_end.receivers import (
    Post,
    RedisWorkers,
    WebhookReceiver,
    check_schema,
    finals_of,
    first_arrivals,
)
from tests.end_to_end.rig import (
    Server,
    google_process,
    running_again,
    running_server,
    until,
)
from tests.redis_server import RedisServer
from voicestt.delivery.redis_streams import STREAM, stream_of
from voicestt.ops.services import Services

LIVE, LATER = range(6), range(6, 9)
REFUSED = 5
SHARDS = 4


@pytest.fixture
def google(tmp_path: Path) -> Iterator[Services]:
    with google_process(tmp_path, SAID) as services:
        yield services


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as made:
        yield made


def written(server: Server, *, partials: bool) -> dict[str, list[str]]:
    """The ids of each session's events in the journal, in order."""
    return first_arrivals(event for event in server.journal() if partials or event["type"] != "partial")


def count(ids: dict[str, list[str]]) -> int:
    return sum(map(len, ids.values()))


def everything_has_arrived(server: Server) -> bool:
    return server.asked("deliveries").startswith("Everything has arrived.\n")


def repeats(events: list[dict[str, Any]]) -> set[str]:
    """The ids of what came more than once."""
    return {name for name, count in Counter(event["id"] for event in events).items() if count > 1}


def check_repeats(events: list[dict[str, Any]]) -> None:
    """Check that events of the same id are the same."""
    known: dict[str, dict[str, Any]] = {}
    for event in events:
        assert known.setdefault(event["id"], event) == event


def check_that_killed_calls_are_closed(events: list[dict[str, Any]], killed: set[str], ended: set[str]) -> None:
    """Each call's last event is its end, which the new server wrote for the killed ones, and only for those."""
    last = {event["call_sid"]: event for event in events}
    assert set(last) == killed | ended
    assert {event["type"] for event in last.values()} == {"call_ended"}
    assert {call for call, event in last.items() if event["recovered"]} == killed


def test_every_final_is_posted_in_order_though_the_receiver_fails_and_the_server_is_killed(
    tmp_path: Path, google: Services, receiver: WebhookReceiver
) -> None:
    refused: set[str] = set()

    def refuse_some(post: Post) -> int:
        if post.event["type"] != "final" or post.id in refused or len(refused) == REFUSED:
            return 204
        refused.add(post.id)
        return 500

    with running_server(tmp_path, google.google_port, **receiver.settings) as server:
        with chatting(server, LIVE) as calls:
            killed = {call.sids.call for call in calls}
            until(lambda: len(finals_of(receiver.events)) >= 10, "finals arrive")

            receiver.down()
            (line,) = server.wait_for("🔴 The webhook at")
            assert "ConnectionRefusedError" in line
            assert "ConnectionRefusedError" in server.asked("deliveries")
            missed = len(server.finals_shown)
            until(lambda: len(server.finals_shown) >= missed + 10, "calls go on without the receiver")
            receiver.up()
            server.wait_for("works again")
            receiver.answer = refuse_some
            until(lambda: len(refused) == REFUSED, "some are refused")
            until(lambda: len(finals_of(receiver.accepted)) > missed + 10, "finals arrive again")

            receiver.hold()
            until(lambda: any(post.was_held for post in receiver.posts), "posts are on their way")
            server.kill()
        unanswered = {post.id for post in receiver.posts if post.was_held}
        receiver.release()

    with running_again(server) as again:
        ended = {call.sids.call for call in chatted(again, LATER, 3.0)}
        until(lambda: everything_has_arrived(again), "everything has arrived")
        assert first_arrivals(receiver.events) == written(again, partials=False)
        assert first_arrivals(receiver.accepted) == written(again, partials=False)
        assert finals_of(receiver.events) >= set(server.finals_shown + again.finals_shown)

    assert receiver.forged == 0
    assert all(post.id == post.event["id"] for post in receiver.posts)
    assert "partial" not in {event["type"] for event in receiver.events}
    assert receiver.statuses.count(500) == REFUSED
    assert unanswered | refused <= repeats(receiver.events)
    check_repeats(receiver.events)
    check_schema(receiver.events)
    check_that_killed_calls_are_closed(receiver.events, killed, ended)
    assert all(len(finals) == len(set(finals)) for finals in (server.finals_shown, again.finals_shown))
    assert "Traceback" not in server.output + again.output


def test_partials_are_posted_where_they_are_asked_for(
    tmp_path: Path, google: Services, receiver: WebhookReceiver
) -> None:
    settings = {**receiver.settings, "EVENTS_WEBHOOK_PARTIALS": "true"}
    with running_server(tmp_path, google.google_port, **settings) as server:
        chatted(server, range(2), 2.0)
        until(lambda: everything_has_arrived(server), "everything has arrived")
        assert first_arrivals(receiver.events) == written(server, partials=True)
    kinds = [event["type"] for event in receiver.events]
    assert kinds.index("partial") < kinds.index("final")
    assert receiver.forged == 0
    check_schema(receiver.events)


def test_a_server_that_runs_takes_note_of_what_is_changed_by_hand_for_each_of_its_receivers(
    tmp_path: Path, google: Services, receiver: WebhookReceiver
) -> None:
    def refuse_ends(post: Post) -> int:
        return 422 if post.event["type"] == "call_ended" else 204

    with WebhookReceiver() as other:
        other.answer = refuse_ends
        urls = f"{receiver.settings['EVENTS_WEBHOOK_URL']}, {other.settings['EVENTS_WEBHOOK_URL']}#other"
        settings = {**receiver.settings, "EVENTS_WEBHOOK_URL": urls, "EVENTS_WEBHOOK_TYPES": "final,call_ended"}
        with running_server(tmp_path, google.google_port, **settings) as server:
            (call,) = chatted(server, range(1), 2.0)
            until(lambda: [each for each in receiver.events if each["type"] == "call_ended"], "all has arrived")
            first = receiver.events
            assert {event["type"] for event in first} == {"final", "call_ended"}
            until(lambda: 422 in other.statuses, "its end is refused by the other")

            assert "once more" in server.asked("deliveries", "--replay", "--call", call.sids.call)
            assert "discarded: 1." in server.asked("deliveries", "--discard", "--to", "webhook:other")
            until(lambda: len(receiver.posts) == 2 * len(first), "all has arrived once more")
            until(lambda: everything_has_arrived(server), "nothing waits")
            assert receiver.events == first * 2
            assert other.events[: len(first)] == first
            asked = ("deliveries", "--attempts", "--to", "webhook:other", "--json")
            attempts = json.loads(server.asked(*asked))["attempts"]
            assert {(each["type"], each["status"]) for each in attempts} == {("final", 204), ("call_ended", 422)}
            health = server.health()
            assert health["webhook"]["delivered"] == 2 * len(first)
            assert health["webhook:other"]["last_error"].startswith("it answered 422")
    assert receiver.forged == other.forged == 0
    assert "Traceback" not in server.output


def in_streams(redis: RedisServer) -> list[dict[str, str]]:
    """All entries, each call's in order."""
    with redis.client(decode_responses=True) as client:
        names = [f"{STREAM}{shard}" for shard in range(SHARDS)]
        return [fields for name in names for _, fields in client.xrange(name)]


def unacknowledged(redis: RedisServer) -> int:
    with redis.client() as client:
        names = [f"{STREAM}{shard}" for shard in range(SHARDS)]
        return sum(client.xpending(name, "workers")["pending"] for name in names)


def holder_of(workers: RedisWorkers, event: dict[str, Any]) -> str:
    """The worker that has the stream of an event now."""
    holder = workers.holder_of(stream_of(event["call_sid"], SHARDS))
    assert holder is not None
    return holder


def test_two_workers_get_every_event_in_order_though_redis_one_of_them_and_the_server_are_killed(
    tmp_path: Path, google: Services
) -> None:
    with (
        RedisServer(tmp_path) as redis,
        RedisWorkers(redis, tmp_path, SHARDS) as workers,
        running_server(tmp_path, google.google_port, REDIS_URL=redis.url, REDIS_SHARDS=str(SHARDS)) as server,
    ):
        names = [f"{STREAM}{shard}" for shard in range(SHARDS)]

        def are_shared_out() -> bool:
            return {workers.holder_of(name) for name in names} == {"one", "two"}

        workers.start("one")
        workers.start("two")
        until(are_shared_out, "each worker has streams")

        with chatting(server, LIVE) as calls:
            killed = {call.sids.call for call in calls}
            until(lambda: len(finals_of(workers.events)) >= 10, "finals are worked on")

            redis.kill()
            server.wait_for("🔴 Redis at")
            missed = len(server.finals_shown)
            until(lambda: len(server.finals_shown) >= missed + 10, "calls go on without Redis")
            redis.start()
            server.wait_for("works again")
            until(are_shared_out, "each worker has streams again")

            done = len(workers.events)
            until(lambda: len(workers.events) > done, "they go on")
            victim = holder_of(workers, workers.events[-1])
            (other,) = {"one", "two"} - {victim}
            workers.kill(victim)
            until(lambda: {workers.holder_of(name) for name in names} == {other}, "the other has them all")
            server.kill()

        with running_again(server) as again:
            ended = {call.sids.call for call in chatted(again, LATER, 3.0)}
            until(lambda: everything_has_arrived(again), "everything is in Redis")
            expected = written(again, partials=True)
            until(lambda: count(first_arrivals(workers.events)) >= count(expected), "everything is worked on")
            until(lambda: unacknowledged(redis) == 0, "everything is acknowledged")
            assert first_arrivals(workers.events) == expected
            assert finals_of(workers.events) >= set(server.finals_shown + again.finals_shown)
        entries = in_streams(redis)

    check_repeats(workers.events)
    check_schema(workers.events)
    check_that_killed_calls_are_closed(workers.events, killed, ended)
    assert len({entry["id"] for entry in entries}) == len({(entry["id"], entry["event"]) for entry in entries})
    assert "Traceback" not in server.output + again.output
