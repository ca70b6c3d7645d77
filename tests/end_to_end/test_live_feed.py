"""Pages and tools hear the calls as they happen, and go on after a restart where they were."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.chatter import SAID, chatted, chatting
from tests.end_to_end.listeners import SETTINGS, live_socket, stream
from tests.end_to_end.receivers import check_schema, finals_of
from tests.end_to_end.rig import (
    Server,
    google_process,
    running_again,
    running_server,
    until,
)

GOING_AWAY = 1001


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with (
        google_process(tmp_path, SAID) as services,
        running_server(tmp_path, services.google_port, **SETTINGS) as made,
    ):
        yield made


def without_number(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "number"}


def check_order(events: Iterable[Mapping[str, Any]]) -> None:
    """Each call from its first event to its last, one by one."""
    sequences: dict[str, list[int]] = defaultdict(list)
    for event in events:
        sequences[event["session"]].append(event["sequence"])
    for each in sequences.values():
        assert each == list(range(1, len(each) + 1))


def test_a_stream_that_comes_again_after_the_server_was_killed_misses_nothing_and_hears_nothing_twice(
    server: Server,
) -> None:
    with stream(server) as before, chatting(server, range(3)) as calls:
        until(lambda: len(finals_of(before.events)) >= 10, "finals are heard")
        name = calls[0].sids.call
        with stream(server, f"?call={name}&types=call_started,final&after=0") as late:
            until(lambda: len(late.numbers) >= 6, "a call is heard from its beginning")
        asked_for = [event for event in server.journal(name) if event["type"] in {"call_started", "final"}]
        assert late.events == [without_number(event) for event in asked_for][: len(late.events)]
        server.kill()
    with running_again(server) as again, stream(again, after=before.numbers[-1]) as after:
        chatted(again, range(3, 5), 2.0)
        written = again.journal()
        until(lambda: after.numbers and after.numbers[-1] == written[-1]["number"], "the last event is heard")
    assert before.numbers + after.numbers == [event["number"] for event in written]
    heard = before.events + after.events
    assert heard == [without_number(event) for event in written]
    check_order(heard)
    check_schema(heard)
    assert [event["recovered"] for event in heard if event["type"] == "call_ended"] == [True] * 3 + [False] * 2
    assert finals_of(heard) >= set(server.finals_shown + again.finals_shown)


def test_a_socket_hears_the_last_words_of_a_server_that_stops_and_all_of_them_again_from_the_next(
    server: Server,
) -> None:
    with live_socket(server) as before, chatting(server, range(2)):
        until(lambda: len(finals_of(before.events)) >= 6, "finals are heard")
        server.end()
        until(lambda: before.close_code, "the socket is closed")
    assert before.close_code == GOING_AWAY
    assert before.events == [without_number(event) for event in server.journal()]
    ends = [event["recovered"] for event in before.events if event["type"] == "call_ended"]
    assert ends == [False, False]

    with running_again(server) as again, live_socket(again, "?after=0") as after:
        chatted(again, range(2, 3), 2.0)
        written = [without_number(event) for event in again.journal()]
        until(lambda: len(after.events) >= len(written), "all is heard")
    assert after.events == written
    assert written[: len(before.events)] == before.events
    check_order(written)
