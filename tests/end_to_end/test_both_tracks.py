"""Calls whose streams have both tracks, each recognised by itself, with words of its own."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred, gatherResults

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.rig import Server, running_server, scripted_google
from tests.recognisers.on_reactor import reactor
from voicestt.emulators.twilio.call_values import CallOptions, CallReport
from voicestt.emulators.twilio.caller import place_call
from voicestt.emulators.twilio.own_twiml import call_with_both_tracks

SAID = {"utterances": [{"text": "מספר {key} מדבר", "start": 0.6, "end": 1.8}], "final_delay": 0.2}
CALLS = 6
MISSING = CALLS - 1
"""The call whose other track never comes."""


@dataclass(frozen=True)
class Heard:
    """Calls that are over; the caller of call n is number n, and the callee n + 100."""

    server: Server
    reports: list[CallReport]

    def events(self, number: int) -> list[dict[str, Any]]:
        return self.server.journal(self.reports[number].call_sid)


def voice(number: int) -> bytes:
    return as_mulaw(speech(number, 2.4, (0.6, 1.8)))


async def called(server: Server, number: int) -> CallReport:
    other = None if number == MISSING else voice(number + 100)
    options = CallOptions(silence=1.0, other=other)
    control = call_with_both_tracks(server.target)
    return await place_call(reactor, server.target, voice(number), options, control=control)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    folder: Path = tmp_path_factory.mktemp("tracks")
    settings = {"BOTH_TRACKS": "both"}
    with scripted_google(SAID) as google, running_server(folder, google.port, **settings) as server:
        calls = gatherResults([Deferred.fromCoroutine(called(server, number)) for number in range(CALLS)])
        reports: list[CallReport] = pytest_twisted.blockon(calls)
        server.wait_for("Call ended:", count=CALLS)
        yield Heard(server, reports)
        assert "Traceback" not in server.output


def test_each_word_is_under_its_own_track(heard: Heard) -> None:
    assert [report.problems for report in heard.reports] == [()] * CALLS
    for number in range(CALLS):
        finals = [event for event in heard.events(number) if event["type"] == "final"]
        callee = {} if number == MISSING else {"callee": f"מספר {number + 100} מדבר"}
        assert {final["track"]: final["text"] for final in finals} == {"caller": f"מספר {number} מדבר", **callee}
        assert sorted(final["utterance"] for final in finals) == list(range(1, len(finals) + 1))


def test_a_call_of_two_tracks_is_one_call(heard: Heard) -> None:
    events = heard.events(0)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["type"] for event in events]
    assert (kinds[0], kinds[-1]) == ("call_started", "call_ended")
    assert kinds.count("call_started") == kinds.count("call_ended") == 1
    assert {event["track"] for event in events if event["type"] == "partial"} == {"caller", "callee"}


def test_the_ledger_accounts_for_each(heard: Heard) -> None:
    end = heard.events(0)[-1]
    for audio in (end["audio"], end["callee_audio"]):
        assert audio["received"] == heard.reports[0].bytes_sent
        assert audio["uncovered"] == audio["given_up"] == 0
    assert end["callee_final_delay_ms"]["count"] == end["final_delay_ms"]["count"] == 1
    assert end["google_seconds"] > end["audio"]["received"] / 8_000 * 1.5
    assert heard.events(MISSING)[-1]["callee_audio"] is None


def test_the_times_of_both_are_of_one_clock(heard: Heard) -> None:
    starts = {event["track"]: event["end"] for event in heard.events(0) if event["type"] == "final"}
    assert starts["caller"] == pytest.approx(starts["callee"], abs=0.25)


def test_nothing_is_said_into_a_stream_that_listens_in(heard: Heard) -> None:
    assert {report.received_audio for report in heard.reports} == {b""}


def test_transcripts_and_subtitles_and_the_log_say_who_spoke(heard: Heard) -> None:
    sid = heard.reports[0].call_sid
    text = heard.server.asked("transcript", sid)
    assert "caller: מספר 0 מדבר" in text
    assert "callee: מספר 100 מדבר" in text
    for form in ("srt", "vtt"):
        assert "callee: מספר 100 מדבר" in heard.server.asked("transcript", sid, "--format", form)
    lines = json.loads(heard.server.asked("transcript", sid, "--format", "json"))["streams"][0]["lines"]
    assert {line["track"] for line in lines} == {"caller", "callee"}
    assert "caller: " not in heard.server.asked("transcript", heard.reports[MISSING].call_sid)
    assert heard.server.saying("🟢 Final of the callee: מספר 100 מדבר")
    assert heard.server.saying("🟢 Final: מספר 0 מדבר")
