import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Logged
from tests.server.fakes import CALL
from tests.server.published import publisher
from voicestt import events
from voicestt.call.facts import (
    CallEnded,
    CallStarted,
    Final,
    Happened,
    Partial,
)
from voicestt.events import decode, type_of
from voicestt.server import events_file
from voicestt.server.events_file import EventsFile, _line_of

EVENT: dict[str, Any] = {
    "id": "s-000001",
    "session": "s",
    "sequence": 1,
    "timestamp": "2026-01-01T00:00:00Z",
    "call_sid": "CA1",
    "stream_sid": "MZ1",
}


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


def test_each_event_is_a_line_with_five_fields_more(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    before, at = time.monotonic(), time.time()
    with writing(path) as events:
        observer = publisher(events)
        observer.tell(CallStarted(CALL))
        observer.tell(Partial(CALL, 1, "שלום", 0.5))
        observer.tell(Happened(CALL, "restarted", "UNAVAILABLE: gone"))
        observer.tell(Happened(CALL, "degraded", "UNAVAILABLE: gone", 1.5))
        observer.tell(Final(CALL, 1, "שלום לך\n", 0.9, end=1.5, delay=0.3))
        observer.tell(CallEnded(CALL, "stop", 1.0, 50, 8_000, {}))
    after = time.monotonic()
    found = lines(path)
    kinds = ["call_started", "partial", "incident", "degraded", "final", "call_ended"]
    assert [line["kind"] for line in found] == kinds
    assert [line["text"] for line in found] == ["", "שלום", "", "", "שלום לך\n", ""]
    assert before <= found[0]["t"] <= found[4]["t"] <= after
    assert at - 1 <= found[0]["at"] <= found[4]["at"] <= time.time() + 1
    for line, raw in zip(found, path.read_text().splitlines(), strict=True):
        event = decode(raw)
        assert (line["call"], line["kind"]) == (event.call_sid, type_of(event)) == ("CA1", line["type"])
        assert raw.count('"text":') == 1
    assert found[2]["incident"] == "restarted"
    assert found[3]["why"] == "UNAVAILABLE: gone"
    assert found[4].items() >= {"utterance": 1, "confidence": 0.9, "end": 1.5}.items()


@pytest.mark.parametrize("text", ["שלום", None])
def test_what_the_server_said_has_one_text(text: str | None) -> None:
    line = _line_of(events.Said(**EVENT, text=text, seconds=1.0, start=0.0, end=1.0), 1.0, 2.0)
    assert line.count(b'"text":') == 1
    assert json.loads(line)["text"] == (text or "")


@given(st.text())
def test_whatever_is_said_its_line_is_one_line_of_json(text: str) -> None:
    line = _line_of(events.Final(**EVENT, utterance=1, text=text), 1.0, 2.0)
    assert line.count(b"\n") == 1
    assert json.loads(line)["text"] == text


def test_stopping_writes_the_waiting_lines_and_ends_the_thread(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    before = set(threading.enumerate())
    with writing(path) as events:
        for number in range(5_000):
            publisher(events).tell(Partial(CALL, number, "x"))
    assert [line["utterance"] for line in lines(path)] == list(range(5_000))
    assert set(threading.enumerate()) - before == set()


def test_lines_of_an_earlier_run_stay(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for text in ("one", "two"):
        with writing(path) as events:
            publisher(events).tell(Final(CALL, 1, text))
    assert [line["text"] for line in lines(path)] == ["one", "two"]


def test_telling_does_not_write(tmp_path: Path) -> None:
    events = EventsFile(str(tmp_path / "events.jsonl"))
    publisher(events).tell(Final(CALL, 1, "x"))
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
def test_events_that_cannot_be_written_are_counted_and_logged(
    tmp_path: Path, logged: Logged, path: str, words: str
) -> None:
    with writing(path.format(tmp=tmp_path)) as events:
        publisher(events).tell(Final(CALL, 1, "x"))
        publisher(events).tell(Final(CALL, 2, "y"))
    assert events.lost == 2, "when the server stops"
    (told,) = logged.matching("EVENTS_FILE cannot be written (" + words + "); ")
    assert "events wait" in told
    assert "2 events are lost so far" in logged.matching("no more can wait")[-1]


def test_lines_that_could_not_be_written_are_written_later(tmp_path: Path, logged: Logged) -> None:
    folder = tmp_path / "later"
    path = folder / "events"
    with writing(path) as events:
        publisher(events).tell(Final(CALL, 1, "waits"))
        while not logged.matching("EVENTS_FILE cannot be written"):
            time.sleep(0.001)
        folder.mkdir()
        publisher(events).tell(Final(CALL, 2, "kept"))
    assert [line["text"] for line in lines(path)] == ["waits", "kept"]
    assert events.lost == 0


def test_nothing_need_come_for_it_to_be_tried_again(tmp_path: Path, logged: Logged) -> None:
    folder = tmp_path / "later"
    with writing(folder / "events") as events:
        publisher(events).tell(Final(CALL, 1, "waits"))
        while not logged.matching("EVENTS_FILE cannot be written"):
            time.sleep(0.001)
        folder.mkdir()
        while not (folder / "events").exists():
            time.sleep(0.01)
    assert len(lines(folder / "events")) == 1


def test_waiting_lines_are_bounded_and_the_oldest_go_first(
    tmp_path: Path, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_file, "MOST_WAITING", 1_000)
    folder = tmp_path / "later"
    with writing(folder / "events") as events:
        for number in range(1, 51):
            publisher(events).tell(Final(CALL, number, "x"))
        while not events.lost:
            time.sleep(0.001)
        folder.mkdir()
    kept = [line["utterance"] for line in lines(folder / "events")]
    assert kept == list(range(51 - len(kept), 51))
    assert 0 < len(kept) < 20
    assert logged.matching("events are lost so far")


@contextmanager
def stuck(path: Path) -> Iterator[EventsFile]:
    """A pipe that nobody reads, whose writer hangs as on a disk that does. It has event 0 in its hands."""
    os.mkfifo(path)
    events = EventsFile(str(path))
    events.start()
    try:
        publisher(events).tell(Final(CALL, 0, "x"))
        while not events._waiting:
            time.sleep(0.001)
        yield events
    finally:
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        events.stop()
        os.close(reader)


def test_a_stuck_disk_costs_bounded_memory_and_the_lost_events_are_counted(
    tmp_path: Path, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_file, "MOST_UNTAKEN", 10_000)
    path = tmp_path / "events"
    with stuck(path) as events:
        tracemalloc.start()
        try:
            for number in range(1, 5_000):
                publisher(events).tell(Final(CALL, number, "x" * (number % 7)))
            assert tracemalloc.get_traced_memory()[0] < 500_000
        finally:
            tracemalloc.stop()
        (said,) = logged.matching("no more can wait: events are lost until it does, 1 so far")
        assert "What to do: see whether the disk" in said
        with path.open() as reader:
            kept = [json.loads(reader.readline())["utterance"]]
            while kept[-1] != 5_000:
                publisher(events).tell(Final(CALL, 5_000, "it goes on"))
                kept.append(json.loads(reader.readline())["utterance"])
    kept = [number for number in kept if number != 5_000]
    assert kept == list(range(len(kept)))
    assert events.lost >= 5_000 - len(kept) > 4_000
    assert logged.matching("EVENTS_FILE is written again; ")


def test_events_that_a_stuck_disk_did_not_take_are_counted_at_the_servers_end(
    tmp_path: Path, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_file, "_STOP_SECONDS", 0.01)
    with stuck(tmp_path / "events") as events:
        for number in range(1, 3):
            publisher(events).tell(Final(CALL, number, "x"))
        events.stop()
        (said,) = logged.matching("and the server ends: ")
        assert "the server ends: 3 events are lost, and 0 were before. What to do:" in said


WITHOUT_DESCRIPTORS = """
import os, resource, sys, time
from twisted.logger import globalLogPublisher
from tests.server.fakes import CALL
from tests.server.published import publisher
from voicestt.call.facts import Final
from voicestt.server.events_file import EventsFile

said = []
globalLogPublisher.addObserver(lambda event: said.append(event.get("problem")))
events = EventsFile(sys.argv[1])
events.start()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    pass
for number in range(35):
    publisher(events).tell(Final(CALL, number, "x"))
while "Too many open files" not in said:
    time.sleep(0.01)
for each in taken:
    os.close(each)
publisher(events).tell(Final(CALL, 35, "x"))
events.stop()
print(events.lost)
"""


def test_without_a_descriptor_for_it_no_line_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "events"
    command = [sys.executable, "-c", WITHOUT_DESCRIPTORS, str(path)]
    told = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60)
    assert told.stdout == "0\n"
    assert [line["utterance"] for line in lines(path)] == list(range(36))


def test_it_is_for_its_owner_s_eyes_only(tmp_path: Path) -> None:
    path = tmp_path / "events"
    with writing(path) as events:
        publisher(events).tell(Final(CALL, 1, "secret"))
    assert path.stat().st_mode & 0o777 == 0o600


def test_one_that_was_readable_by_all_is_so_no_more(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text("")
    path.chmod(0o644)
    with writing(path) as events:
        publisher(events).tell(Final(CALL, 1, "secret"))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_is_there_in_part_is_ended_in_the_same_file(tmp_path: Path) -> None:
    path, rotated = tmp_path / "events", tmp_path / "events.1"
    events = EventsFile(str(path))
    events._keep([b'{"one":1}\n'])
    events._written(os.write(events._opened(), b'{"one'))
    path.rename(rotated)
    events.reopen()
    events._write()
    events._keep([b'{"two":2}\n'])
    events._write()
    events._close()
    assert (rotated.read_text(), path.read_text()) == ('{"one":1}\n', '{"two":2}\n')


def test_dropping_lines_spoils_no_line_written_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_file, "MOST_WAITING", 15)
    path = tmp_path / "events"
    events = EventsFile(str(path))
    events._keep([b'{"one":1}\n'])
    events._written(os.write(events._opened(), b'{"one'))
    events._keep([b'{"two":2}\n', b'{"three":3}\n'])
    events._write()
    events._close()
    assert path.read_text() == '{"one":1}\n'
    assert events.lost == 2


def test_renamed_it_is_written_on_until_it_is_reopened(tmp_path: Path) -> None:
    path, rotated = tmp_path / "events", tmp_path / "events.1"
    with writing(path) as events:
        publisher(events).tell(Final(CALL, 1, "one"))
        while not path.exists() or not path.stat().st_size:
            time.sleep(0.001)
        path.rename(rotated)
        publisher(events).tell(Final(CALL, 2, "two"))
        while len(lines(rotated)) < 2:
            time.sleep(0.001)
        events.reopen()
        publisher(events).tell(Final(CALL, 3, "three"))
    assert [line["text"] for line in lines(rotated)] == ["one", "two"]
    assert [line["text"] for line in lines(path)] == ["three"]


@given(st.lists(st.integers(1, 60), max_size=30))
def test_however_little_is_taken_at_a_time_every_byte_is_there_once(taken: list[int]) -> None:
    events = EventsFile("/nowhere")
    whole = [b"%d\n" % number for number in range(20)]
    events._keep(whole)
    rest = b"".join(whole)
    for count in taken:
        part = min(count, len(rest))
        events._written(part)
        rest = rest[part:]
        assert b"".join(events._waiting) == rest
        assert events._waiting_bytes == len(rest)


def test_stopping_what_never_started_is_allowed(tmp_path: Path) -> None:
    EventsFile(str(tmp_path / "events")).stop()
