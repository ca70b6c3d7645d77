"""Servers are replaced under live calls: nobody is hung up on, and no word is lost that could be had."""

import signal
import time
from pathlib import Path

import pytest

from tests.bench.rolling import Story
from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.rig import ENDED_AS_ASKED, running_server, scripted_google, until
from tests.end_to_end.twilio_line import TwilioLine
from tests.recognisers.on_reactor import on_reactor, reactor

SCRIPT = {"utterances": [{"text": "one {key} three four five six", "start": 0.3, "end": 1.8}]}
CALLS = 6


@on_reactor
async def test_a_rolling_restart_and_a_kill_end_no_call_and_lose_no_word_but_those_of_the_gap(
    tmp_path: Path,
) -> None:
    story = Story(reactor, tmp_path, CALLS, shutdown_seconds=4.0, longest=120.0)
    outcomes = await story.run()
    assert len(outcomes) == CALLS
    for outcome in outcomes:
        assert outcome.report.ended_by == "api", outcome.report.problems
        assert outcome.unexplained == []
        assert outcome.is_in_order
        assert outcome.in_hand < 8
        assert outcome.is_counted_on or outcome.forgotten
        assert len(outcome.said) > 10
        assert set(outcome.reasons) <= {"moved", "stop", "the server was killed"}
    assert sum(outcome.forgotten for outcome in outcomes) <= 1, "the journal has a second to answer"
    assert sum(outcome.reasons.count("moved") for outcome in outcomes) >= CALLS
    assert any(len(outcome.report.streams) >= 3 for outcome in outcomes)
    assert max(story.stops) < 4.0 + 2.5


def half_said(line: TwilioLine, number: int) -> None:
    line.begin()
    line.speak(as_mulaw(speech(number, 1.5, (0.3, 1.5))))


def test_sigterm_lets_a_call_go_on_and_a_second_one_ends_it_with_its_last_words(tmp_path: Path) -> None:
    with (
        scripted_google(SCRIPT) as google,
        running_server(tmp_path, google.port, SHUTDOWN_SECONDS="3600") as server,
        TwilioLine(server.target) as line,
    ):
        half_said(line, 31)
        until(lambda: server.texts("partial", line.sids.call), "a first partial")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("Stopping: no new calls. 1 live calls may go on")
        assert server.health()["live_calls"] == 1
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("SIGTERM once more")
        assert server.process.wait(20) in ENDED_AS_ASKED
        assert server.texts("final", line.sids.call) == ["one 31 three four"]
        assert "Traceback" not in server.output


def test_drain_ends_the_server_when_its_last_call_is_over(tmp_path: Path) -> None:
    with (
        scripted_google(SCRIPT) as google,
        running_server(
            tmp_path, google.port, SHUTDOWN_SECONDS="3600", VOICESTT_SOCKET=str(tmp_path / "s")
        ) as server,
        TwilioLine(server.target) as line,
    ):
        half_said(line, 32)
        assert "live calls: 1" in server.asked("drain")
        server.wait_for("Stopping: no new calls")
        assert "is stopping already" in server.asked("drain")
        line.hang_up()
        assert server.process.wait(20) == 0
        assert server.texts("final", line.sids.call) == ["one 32 three four"]


@pytest.mark.parametrize("seconds", [3])
def test_however_google_hangs_the_stop_is_over_in_its_time(tmp_path: Path, seconds: int) -> None:
    with (
        scripted_google(SCRIPT, faults="all: hang on half-close") as google,
        running_server(tmp_path, google.port, SHUTDOWN_SECONDS=str(seconds)) as server,
        TwilioLine(server.target) as line,
    ):
        half_said(line, 33)
        until(lambda: server.texts("partial", line.sids.call), "a first partial")
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)
        assert time.monotonic() - began < seconds + 3
        assert server.saying("Call ended: the server is stopping")
