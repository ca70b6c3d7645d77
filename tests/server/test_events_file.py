import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Logged
from tests.server.fakes import CALL
from voicestt.audience import CallEnded, CallStarted, Final, Happened, Partial
from voicestt.server.events_file import EventsFile


@contextmanager
def writing(path: Path | str) -> Iterator[EventsFile]:
    events = EventsFile(str(path))
    events.start()
    try:
        yield events
    finally:
        events.stop()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_partial_and_final_is_a_line_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    before, at = time.monotonic(), time.time()
    with writing(path) as events:
        events.tell(CallStarted(CALL))
        events.tell(Partial(CALL, 1, "שלום", 0.5))
        events.tell(Final(CALL, 1, "שלום לך\n", 0.9, end=1.5, delay=0.3))
        events.tell(CallEnded(CALL, "stop", 1.0, 50, 8_000, {}))
    after = time.monotonic()
    partial, final = lines(path)
    assert before <= partial.pop("t") <= final.pop("t") <= after
    assert at - 1 <= partial.pop("at") <= final.pop("at") <= time.time() + 1
    assert partial == {"call": "CA1", "kind": "partial", "text": "שלום", "utterance": 1}
    assert final == {
        "call": "CA1",
        "kind": "final",
        "text": "שלום לך\n",
        "utterance": 1,
        "confidence": 0.9,
        "end": 1.5,
    }


def test_what_befell_a_call_has_a_line_where_an_application_must_know(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with writing(path) as events:
        events.tell(Happened(CALL, "restarted", "UNAVAILABLE: gone"))
        events.tell(Happened(CALL, "degraded", "UNAVAILABLE: gone", 1.5))
    (line,) = lines(path)
    assert line.pop("t") > 0
    assert line.pop("at") > 0
    assert line == {"call": "CA1", "kind": "degraded", "text": "", "why": "UNAVAILABLE: gone", "seconds": 1.5}


def test_no_number_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with writing(path) as events:
        events.tell(Final(CALL, 1, "hello"))
    assert "+972" not in path.read_text()


def test_stopping_writes_what_is_waiting_and_gives_the_thread_back(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    before = set(threading.enumerate())
    with writing(path) as events:
        for number in range(5_000):
            events.tell(Partial(CALL, number, "x"))
    assert [line["utterance"] for line in lines(path)] == list(range(5_000))
    assert set(threading.enumerate()) - before == set()


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for text in ("one", "two"):
        with writing(path) as events:
            events.tell(Final(CALL, 1, text))
    assert [line["text"] for line in lines(path)] == ["one", "two"]


def test_telling_does_not_write(tmp_path: Path) -> None:
    events = EventsFile(str(tmp_path / "events.jsonl"))
    events.tell(Final(CALL, 1, "x"))
    assert not (tmp_path / "events.jsonl").exists()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param("{tmp}/no/such/folder/events", "No such file or directory", id="no folder"),
        pytest.param("{tmp}", "Is a directory", id="a folder"),
        pytest.param(
            "/dev/full",
            "No space left on device",
            id="a full disk",
            marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux"),
        ),
    ],
)
def test_what_cannot_be_written_is_counted_and_told(tmp_path: Path, logged: Logged, path: str, words: str) -> None:
    with writing(path.format(tmp=tmp_path)) as events:
        events.tell(Final(CALL, 1, "x"))
        events.tell(Final(CALL, 2, "y"))
    assert events.lost == 2
    told = logged.matching("EVENTS_FILE cannot be written")
    assert told
    assert words in told[-1]
    assert "2 events are lost so far" in told[-1]


def test_when_the_path_is_good_again_it_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    path = folder / "events"
    with writing(path) as events:
        events.tell(Final(CALL, 1, "lost"))
        while not events.lost:
            time.sleep(0.001)
        folder.mkdir()
        events.tell(Final(CALL, 2, "kept"))
    assert [line["text"] for line in lines(path)] == ["kept"]
    assert events.lost == 1


def test_stopping_what_never_started_is_allowed(tmp_path: Path) -> None:
    EventsFile(str(tmp_path / "events")).stop()
