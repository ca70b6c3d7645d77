"""The plan of NUMBERS_FILE for the called number, and a handler that changes the language in mid-call."""

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.receivers import WebhookReceiver
from tests.end_to_end.rig import Server, running_server, scripted_google, until
from tests.end_to_end.twilio_line import TwilioLine
from tests.recognisers.on_reactor import reactor
from voicestt.emulators.google.recording import StreamRecord
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.twilio.call_values import CallOptions, CallReport
from voicestt.emulators.twilio.caller import place_call
from voicestt.emulators.twilio.webhook_forms import CALLED

ROOT = Path(__file__).resolve().parents[2]
BOTH = [
    ("שלום אני מתקשר מחברת שור", "hello I am calling from sure"),
    ("המספר שלי הוא ארבע", "my number is four"),
    ("תודה רבה ולהתראות", "thank you very much"),
    ("רק עוד דבר אחד", "just one more thing"),
]
PLACES = [(0.6, 1.8), (2.8, 3.8), (4.8, 5.8), (6.8, 7.8)]
SAID = {
    "utterances": [
        {"text": english, "texts": {"he": hebrew}, "start": start, "end": end, "hinted": {}}
        for (hebrew, english), (start, end) in zip(BOTH, PLACES, strict=True)
    ],
    "final_delay": 0.2,
}
NUMBERS = f"""
["{CALLED}"]
language = "he-IL"
model = "default"
max_alternatives = 2
handler = "tests.end_to_end.linguist:Linguist"
greeting = "off"
busy = "all lines are busy"
webhook = "crm"

["*"]
language = "en-US"
profiles = ["arabic"]

[profile.arabic]
language = "ar-IL"
"""


@dataclass(frozen=True)
class Understood:
    """A call that is over, seen from all sides."""

    server: Server
    report: CallReport
    streams: tuple[StreamRecord, ...]
    google: LocalGoogle
    first: WebhookReceiver
    crm: WebhookReceiver

    @property
    def finals(self) -> list[dict[str, Any]]:
        return [event for event in self.server.journal() if event["type"] == "final"]


@pytest.fixture(scope="module")
def understood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Understood]:
    folder = tmp_path_factory.mktemp("numbers")
    file = folder / "numbers.toml"
    file.write_text(NUMBERS, "utf-8")
    settings = {
        "NUMBERS_FILE": str(file),
        "NUMBERS_PARAMETER": "menu",
        "GCP_STT_LANGUAGE": "en-US",
        "GCP_STT_MODEL": "default",
        "PYTHONPATH": str(ROOT),
    }
    with WebhookReceiver() as first, WebhookReceiver() as crm, scripted_google(SAID) as google:
        places = [each.settings["EVENTS_WEBHOOK_URL"] for each in (first, crm)]
        settings |= first.settings | {"EVENTS_WEBHOOK_URL": f"{' '.join(places)}#crm"}
        with running_server(folder, google.port, **settings) as server:
            yield called(server, google, first, crm)
            assert "Traceback" not in server.output


def called(server: Server, google: LocalGoogle, first: WebhookReceiver, crm: WebhookReceiver) -> Understood:
    """Place the call, and wait until it is over and delivered."""
    clip = as_mulaw(speech(7, 8.4, *PLACES))
    calling = place_call(reactor, server.target, clip, CallOptions(silence=1.0))
    report: CallReport = pytest_twisted.blockon(Deferred.fromCoroutine(calling))
    server.wait_for("Call ended:")
    until(lambda: any(event["type"] == "call_ended" for event in crm.events), "its end has arrived")
    return Understood(server, report, google.streams, google, first, crm)


def test_the_call_is_recognised_as_its_number_says(understood: Understood) -> None:
    assert understood.report.ok, understood.report.problems
    first = understood.streams[0]
    assert (first.language, first.model) == ("iw-IL", "default")
    assert "max_alternatives: 2" in first.config


def test_it_is_greeted_as_its_number_says(understood: Understood) -> None:
    assert understood.report.heard_audio.strip(b"\xff\x7f") == b"", "greeting = off"


def test_in_a_change_of_language_every_word_is_heard_once(understood: Understood) -> None:
    texts = [final["text"] for final in understood.finals]
    assert texts == [BOTH[0][0], BOTH[1][1], BOTH[2][0], BOTH[3][1]]
    assert [final["utterance"] for final in understood.finals] == [1, 2, 3, 4]
    languages = [final["language"] for final in understood.finals]
    assert languages == ["iw-il", "en-us", "iw-il", "en-us"]
    totals = next(event for event in understood.server.journal() if event["type"] == "call_ended")["audio"]
    assert totals["given_up"] == totals["uncovered"] == 0


def test_its_events_go_to_the_receiver_that_its_number_names_and_to_no_other(understood: Understood) -> None:
    written = [event["id"] for event in understood.server.journal() if event["type"] != "partial"]
    assert list(dict.fromkeys(event["id"] for event in understood.crm.events)) == written
    assert understood.first.posts == []


def test_a_change_is_a_seam_and_no_failure(understood: Understood) -> None:
    assert [stream.language for stream in understood.streams].count("en-US") >= 2
    assert all("phrases" in stream.config for stream in understood.streams[1:]), "the hints come with the language"
    assert understood.server.saying("The stream was changed in time")
    assert understood.server.saying("The stream failed") == []


@pytest.mark.parametrize(("menu", "language"), [("arabic", "ar-IL"), ("klingon", "en-US")])
def test_a_parameter_of_the_twiml_chooses_a_profile_that_the_file_allows(
    understood: Understood, menu: str, language: str
) -> None:
    server, google = understood.server, understood.google
    before, ended = len(google.streams), len(server.saying("Call ended:"))
    with TwilioLine(server.target) as line:
        line.begin(menu=menu)
        line.speak(as_mulaw(speech(11, 1.5, (0.3, 1.2))))
        until(lambda: len(google.streams) > before, "it is recognised")
        line.hang_up()
    server.wait_for("Call ended:", count=ended + 1)
    assert {stream.language for stream in google.streams[before:]} == {language}
    if menu == "klingon":
        server.wait_for("asks for the profile klingon, which NUMBERS_FILE does not allow")


def test_sighup_reads_the_file_again_and_keeps_the_old_one_if_it_is_wrong(understood: Understood) -> None:
    server = understood.server
    file = Path(server.environment["NUMBERS_FILE"])
    file.write_text('["*"]\nlangauge = "he-IL"\n', "utf-8")
    os.kill(server.process.pid, signal.SIGHUP)
    (line,) = server.wait_for("NUMBERS_FILE cannot be used")
    assert "line 2: langauge is no key of the file: did you mean language?" in line
    file.write_text('["+1*"]\nlanguage = "en-US"\n', "utf-8")
    os.kill(server.process.pid, signal.SIGHUP)
    lines = server.wait_for("numbers and patterns", count=2)
    assert re.search("2 numbers and patterns, 1 profiles", lines[0])
    assert re.search("1 numbers and patterns, 0 profiles", lines[1])
    assert CALLED not in server.output
