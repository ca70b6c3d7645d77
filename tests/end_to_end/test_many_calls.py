"""Many at once: the words and the bytes of each stay its own, and the server stays quick and small."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import load
from tests.bench.raw_calls import (
    RawCall,
    open_call,
    post,
    talk,
)
from tests.end_to_end.rig import (
    Server,
    google_process,
    running_server,
    until,
)
from voicestt.emulators.twilio import webhook_forms
from voicestt.emulators.twilio.twilio_messages import Sids

FRAMES_A_SECOND = 50


@contextlib.contextmanager
def both(folder: Path) -> Iterator[Server]:
    """A server and a Google service that says the call's own name first, every four seconds."""
    with google_process(folder, load.script()) as services, running_server(folder, services.google_port) as server:
        yield server
        assert "Traceback" not in server.output


def talked(server: Server, count: int, seconds: float, first: int = 0) -> list[RawCall]:
    """So many calls at once, over to the last word."""
    calls = [open_call(server.target, first + number, round(seconds * FRAMES_A_SECOND)) for number in range(count)]
    talk(calls, {})
    all_over(server, calls)
    return calls


def all_over(server: Server, calls: list[RawCall]) -> None:
    """Waits until the server has no live call, and every stream is in the service's records."""
    until(lambda: server.health()["live_calls"] == 0, "all calls are over")
    until(lambda: not load.byte_faults(calls, load.json_lines(server.services.streams_file)), "all bytes arrived")


def test_each_of_twenty_calls_gets_its_own_words_only(tmp_path: Path) -> None:
    with both(tmp_path) as server:
        calls = talked(server, 20, 4.0)
        for call in calls:
            texts = [event["text"] for event in server.events(call.sids.call)]
            assert {text.split()[0] for text in texts} == {str(call.number)}
            assert server.wait_for_final(call.sids.call) == [f"{call.number} 0 three four five six seven eight"]
        assert {event["call"] for event in server.events()} == {call.sids.call for call in calls}


def open_files(pid: int) -> int:
    """The number of descriptors that the process holds."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def webhook_seconds(server: Server) -> float:
    """The seconds that one incoming call waits for its TwiML."""
    began = time.monotonic()
    status, _, _ = post(server.target, server.target.public_url, webhook_forms.incoming_call(Sids()))
    assert status == 200
    return time.monotonic() - began


def test_fifty_calls_need_no_fifty_threads_and_others_are_answered_at_once(tmp_path: Path) -> None:
    seconds = 5
    with both(tmp_path) as server:
        pid = server.process.pid
        talked(server, 2, 1.0, first=900)  # what is made once, is made now
        before = load.Usage.of(pid).threads, open_files(pid)
        threads: list[int] = []
        webhooks: list[float] = []

        def look() -> None:
            threads.append(load.Usage.of(pid).threads)
            webhooks.append(webhook_seconds(server))

        calls = [open_call(server.target, number, seconds * FRAMES_A_SECOND) for number in range(50)]
        prober = subprocess.Popen(
            [sys.executable, load.__file__, "--probe", str(server.port), "--seconds", str(seconds - 1)],
            stdout=subprocess.PIPE,
        )
        talk(calls, dict.fromkeys(range(20, seconds * FRAMES_A_SECOND - 10, 20), look))
        answers = json.loads(prober.communicate(timeout=30)[0])
        all_over(server, calls)

        assert max(threads) < 25
        assert None not in answers
        assert statistics.median(answers) < 0.1
        assert statistics.median(webhooks) < 0.1
        until(
            lambda: load.Usage.of(pid).threads <= before[0] and open_files(pid) <= before[1],
            f"threads and descriptors are {before} again",
        )


def test_every_byte_of_a_hundred_calls_arrives_once_and_in_its_place(tmp_path: Path) -> None:
    with both(tmp_path) as server:
        calls = talked(server, 100, 8.0)
        assert [call.number for call in calls if call.close_code != 1000] == []
        streams = load.json_lines(server.services.streams_file)
        assert load.byte_faults(calls, streams) == []
        assert len(streams) == len(calls)
        assert server.health()["calls_taken"] == len(calls)
        for call in calls:
            texts = {event["text"].split()[0] for event in server.events(call.sids.call)}
            assert texts == {str(call.number)}
