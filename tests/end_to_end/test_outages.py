"""The Google service is killed, or stopped, and comes back, while ten callers speak: every word comes once."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.end_to_end.faults_rig import talk
from tests.end_to_end.rig import (
    Server,
    reserved,
    running,
    running_server,
    until,
)
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt.audio import mulaw
from voicestt.emulators.google.timeline import Timeline, clip_of
from voicestt.emulators.twilio.call_values import CallOptions
from voicestt.emulators.twilio.caller import place_call
from voicestt.ops.services import Services

CALLERS = 10
SECONDS = 10.0
SAID = talk(6, 0.3, 3.0, repeat=3.4)
BEGINS = 3.0
FOR_ALL = 90.0
PATIENCE_WITH_PARTIALS = 10.0  # seconds; 0.5 to 1.5 on a quiet machine
NO_WHISPER = {"WHISPER_MODEL": "off"}  # it would hear something in what is a code, not speech


class Google:
    """The service as a process that can be killed and started again on its port."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services = services
        self._folder = folder
        self._starts = 0
        self._process: Any = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Listening, until the end of the block."""
        self._starts += 1
        log = self._folder / f"google-{self._starts}.log"
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        folder = self._folder / f"streams-{self._starts}"
        command = [*self.services.google_command()[:-4], "--record", str(folder)]
        command += ["--script", str(self.services.script)]
        with running(command, environment, self._folder, log) as process:
            until(lambda: b"listening on" in log.read_bytes(), "google-local listens")
            self._process = process
            yield

    def signal(self, number: int) -> None:
        """To the process that runs now."""
        self._process.send_signal(number)


def _spoken(number: int, sent: int) -> list[str]:
    words = []
    for spoken in Timeline(SAID).between(0, sent):
        whole = [word for index, word in enumerate(spoken.words) if spoken.word_end(index) <= sent]
        words += [word.replace("{key}", str(number)).replace("{round}", str(spoken.round)) for word in whole]
    return words


async def _all_calls(server: Server, seconds: float = SECONDS) -> Sequence[Any]:
    calls = []
    for number in range(1, CALLERS + 1):
        clip = mulaw.encode(np.frombuffer(clip_of(SAID, number, seconds), "<i2"))
        call = place_call(reactor, server.target, clip, CallOptions(silence=0), lambda _words: None)
        calls.append(Deferred.fromCoroutine(call))
    return await gatherResults(calls)


def _finals(server: Server, call: str) -> list[str]:
    return [word for text in server.texts("final", call) for word in text.split()]


def _first_partial_after(server: Server, call: str, at: float) -> float:
    times = [event["t"] for event in server.events(call) if event["kind"] == "partial" and event["t"] > at]
    return float(min(times))


def _check(server: Server, reports: Sequence[Any]) -> None:
    for number, report in enumerate(reports, 1):
        assert report.ok, report.problems
        kinds = [event["kind"] for event in server.events(report.call_sid)]
        story = "\n".join(line for line in server.output.splitlines() if report.call_sid in line)
        assert _finals(server, report.call_sid) == _spoken(number, report.bytes_sent), story
        assert "unrecognised" not in kinds, story
        assert "degraded" not in kinds, story


def _pause(seconds: float) -> Deferred[None]:
    return deferLater(reactor, seconds, lambda: None)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Google]:
    script_file = tmp_path / "script.json"
    utterances = [{"text": each.text, "start": each.start, "end": each.end} for each in SAID.utterances]
    said: Mapping[str, Any] = {"utterances": utterances, "repeat": SAID.repeat, "final_delay": SAID.final_delay}
    script_file.write_text(json.dumps(said), "utf-8")
    services = replace(Services(tmp_path), script=script_file)
    with reserved(services.google_port):
        yield Google(services, tmp_path)


@pytest.mark.parametrize("away", [1.4, 5.0])
@on_reactor
async def test_killed_and_back_no_word_is_lost_and_no_call_is_degraded(
    place: Google, tmp_path: Path, away: float
) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(place.running())
        server = stack.enter_context(running_server(tmp_path, place.services.google_port, **NO_WHISPER))
        reports = Deferred.fromCoroutine(_all_calls(server, SECONDS + away))
        await _pause(BEGINS)
        place.signal(signal.SIGKILL)
        await _pause(away)
        await deferToThread(stack.enter_context, place.running())
        back = time.monotonic()
        told = await reports.addTimeout(FOR_ALL, reactor)
        server.wait_for("Call ended:", CALLERS)
        _check(server, told)
        assert server.saying("answers again after")
        partials = [_first_partial_after(server, report.call_sid, back) for report in told]
        print(f"partials again after {[round(at - back, 2) for at in partials]} s")
        assert max(partials) - back <= PATIENCE_WITH_PARTIALS


@on_reactor
async def test_stopped_at_hang_up_the_last_words_are_waited_for(place: Google, tmp_path: Path) -> None:
    with place.running(), running_server(tmp_path, place.services.google_port, **NO_WHISPER) as server:
        reports = Deferred.fromCoroutine(_all_calls(server))
        await _pause(SECONDS - 1.5)
        place.signal(signal.SIGSTOP)
        told = await reports.addTimeout(FOR_ALL, reactor)
        await _pause(2.0)  # the calls are over, and Google is not there yet
        place.signal(signal.SIGCONT)
        server.wait_for("Call ended:", CALLERS)
        _check(server, told)


@on_reactor
async def test_stopped_for_twenty_seconds_while_they_speak_no_word_is_lost(place: Google, tmp_path: Path) -> None:
    with place.running(), running_server(tmp_path, place.services.google_port, **NO_WHISPER) as server:
        reports = Deferred.fromCoroutine(_all_calls(server, 28.0))
        await _pause(BEGINS)
        place.signal(signal.SIGSTOP)
        await _pause(20.0)
        place.signal(signal.SIGCONT)
        told = await reports.addTimeout(FOR_ALL, reactor)
        server.wait_for("Call ended:", CALLERS)
        _check(server, told)


@pytest.mark.parametrize("batch_ms", ["20", "1000"])
@on_reactor
async def test_the_smallest_and_the_largest_batches_lose_no_word(
    place: Google, tmp_path: Path, batch_ms: str
) -> None:
    settings = NO_WHISPER | {
        "STT_BATCH_MS": batch_ms,
        "STT_SOFT_LIMIT_SECONDS": "3",
        "STT_HARD_LIMIT_SECONDS": "5",
    }
    with place.running(), running_server(tmp_path, place.services.google_port, **settings) as server:
        told = await Deferred.fromCoroutine(_all_calls(server, 7.0)).addTimeout(FOR_ALL, reactor)
        server.wait_for("Call ended:", CALLERS)
        _check(server, told)


@on_reactor
async def test_at_sigterm_the_words_are_waited_for_until_google_is_back(place: Google, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(place.running())
        server = stack.enter_context(running_server(tmp_path, place.services.google_port, **NO_WHISPER))
        reports = Deferred.fromCoroutine(_all_calls(server))
        await _pause(BEGINS)
        place.signal(signal.SIGKILL)
        server.process.terminate()
        await _pause(3.0)
        await deferToThread(stack.enter_context, place.running())
        told = await reports.addTimeout(FOR_ALL, reactor)
        server.wait_for("Call ended:", CALLERS)
        for number, report in enumerate(told, 1):
            spoken = _spoken(number, report.bytes_sent)
            finals = _finals(server, report.call_sid)
            # What was on its way to a socket that was closed was never received.
            assert finals == spoken[: len(finals)]
            assert len(spoken) - len(finals) <= 1, server.output
            assert "unrecognised" not in [event["kind"] for event in server.events(report.call_sid)]
