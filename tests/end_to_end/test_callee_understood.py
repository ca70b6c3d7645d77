"""The callee's own language: of NUMBERS_FILE, and changed by a handler in mid-call, while the caller's stays."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.rig import Server, running_server, scripted_google
from tests.end_to_end.test_understanding import BOTH, PLACES, ROOT, SAID
from tests.recognisers.on_reactor import reactor
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.google.watermarked_audio import Tracker
from voicestt.emulators.twilio.call_values import CallOptions, CallReport
from voicestt.emulators.twilio.caller import place_call
from voicestt.emulators.twilio.own_twiml import call_with_both_tracks

CALLER, CALLEE = 7, 107
NUMBERS = """
["*"]
language = "en-US"
callee = { language = "he-IL" }
handler = "tests.end_to_end.linguist:Interpreter"
"""


@dataclass(frozen=True)
class Understood:
    """A call of both sides that is over."""

    server: Server
    google: LocalGoogle
    report: CallReport

    def finals(self, track: str) -> list[dict[str, Any]]:
        events = self.server.journal(self.report.call_sid)
        return [event for event in events if event["type"] == "final" and event["track"] == track]

    def languages(self, number: int) -> list[str]:
        """The languages of the streams of that side, in the order of their start."""
        found = []
        for stream in sorted(self.google.streams, key=lambda each: each.started):
            tracker = Tracker()
            list(tracker.feed(stream.audio))
            found += [stream.language] if tracker.number == number else []
        return found


@pytest.fixture(scope="module")
def understood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Understood]:
    folder: Path = tmp_path_factory.mktemp("callee")
    file = folder / "numbers.toml"
    file.write_text(NUMBERS, "utf-8")
    settings = {"NUMBERS_FILE": str(file), "BOTH_TRACKS": "both", "PYTHONPATH": str(ROOT)}
    with scripted_google(SAID) as google, running_server(folder, google.port, **settings) as server:
        caller, callee = (as_mulaw(speech(each, 8.4, *PLACES)) for each in (CALLER, CALLEE))
        options = CallOptions(silence=1.0, other=callee)
        control = call_with_both_tracks(server.target)
        calling = place_call(reactor, server.target, caller, options, control=control)
        report: CallReport = pytest_twisted.blockon(Deferred.fromCoroutine(calling))
        server.wait_for("Call ended:")
        yield Understood(server, google, report)
        assert "Traceback" not in server.output


def test_the_callee_changes_language_and_each_word_is_heard_once(understood: Understood) -> None:
    assert understood.report.ok, understood.report.problems
    texts = [final["text"] for final in understood.finals("callee")]
    assert texts == [BOTH[0][0], BOTH[1][1], BOTH[2][0], BOTH[3][1]]


def test_the_caller_stays_with_their_own(understood: Understood) -> None:
    assert [final["text"] for final in understood.finals("caller")] == [english for _, english in BOTH]
    assert set(understood.languages(CALLER)) == {"en-US"}


def test_the_callee_begins_in_the_language_of_the_file(understood: Understood) -> None:
    languages = understood.languages(CALLEE)
    assert languages[0] == "iw-IL"
    assert set(languages) == {"iw-IL", "en-US"}


def test_the_change_loses_nothing_of_either(understood: Understood) -> None:
    end = understood.server.journal(understood.report.call_sid)[-1]
    for audio in (end["audio"], end["callee_audio"]):
        assert audio["received"] == understood.report.bytes_sent
        assert audio["uncovered"] == audio["given_up"] == 0
