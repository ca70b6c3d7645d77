"""An application answers its callers: the example handler, espeak-ng, and the simulated caller's ear."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.rig import Server, running_server, scripted_google
from tests.recognisers.on_reactor import reactor
from voicestt.audio import mulaw
from voicestt.config.settings import Settings
from voicestt.emulators.twilio.call_values import CallOptions, CallReport
from voicestt.emulators.twilio.caller import place_call
from voicestt.tts.engines import synthesiser_of

ROOT = Path(__file__).resolve().parents[2]
ORDER = "I would like to know when my order with the number twelve thousand will arrive at our house"
THANKS = "Thank you very much"
# The first utterance begins after the greeting, the second while the first is being said back.
SAID = {
    "utterances": [
        {"text": ORDER, "start": 1.2, "end": 2.8},
        {"text": THANKS, "start": 5.2, "end": 6.2},
    ],
    "final_delay": 0.3,
}
VOICE = {"TTS_ENGINE": "espeak-ng", "TTS_LANGUAGE": "en-US"}
PIECE = mulaw.BYTES_PER_SECOND // 20
SECOND = mulaw.BYTES_PER_SECOND


def spoken(text: str) -> bytes:
    """The audio that the server's voice makes of a text; the same text is always the same audio."""
    voice = synthesiser_of(Settings.from_environment({"PUBLIC_HOST": "h", "TWILIO_VALIDATE": "false", **VOICE}))
    assert voice is not None
    return voice.speak(text).strip(mulaw.SILENCE)


def heard_of(whole: bytes, heard: bytes) -> tuple[int, int, int]:
    """The bytes of `whole`, from its beginning, are in `heard`, piece by piece; and where from and to."""
    begin = at = heard.find(whole[:PIECE])
    assert begin >= 0, "the answer does not begin"
    for start in range(0, len(whole), PIECE):
        piece = whole[start : start + PIECE]
        found = heard.find(piece, at, at + len(piece) + SECOND)
        if found < 0:
            return start, begin, at
        at = found + len(piece)
    return len(whole), begin, at


@dataclass(frozen=True)
class Answered:
    """A call that an Echo has answered, from all sides."""

    server: Server
    report: CallReport

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.server.events(self.report.call_sid)


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("echo")
    settings = {**VOICE, "HANDLER": "docs.examples.echo:Echo", "PYTHONPATH": str(ROOT), "GCP_STT_MODEL": "default"}
    with scripted_google(SAID) as google, running_server(folder, google.port, **settings) as server:
        yield server
        assert "Traceback" not in server.output


@pytest.fixture(scope="module")
def answered(echo: Server) -> Answered:
    clip = as_mulaw(speech(7, 6.8, (1.2, 2.8), (5.2, 6.2)))
    calling = place_call(reactor, echo.target, clip, CallOptions(silence=4.0))
    report: CallReport = pytest_twisted.blockon(Deferred.fromCoroutine(calling))
    echo.wait_for("Call ended:")
    return Answered(echo, report)


def test_twilio_has_nothing_to_complain_of(answered: Answered) -> None:
    assert answered.report.ok, answered.report.problems


def test_the_greeting_is_heard_at_once(answered: Answered) -> None:
    report = answered.report
    chime = (ROOT / "voicestt" / "audio" / "greeting.ulaw").read_bytes()
    assert 0.5 <= mulaw.seconds(len(chime)) <= 0.8
    assert heard_of(chime, report.heard_audio)[0] == len(chime)
    assert report.first_heard_at is not None
    assert report.first_frame_at is not None
    # 100 ms is what is promised; a busy machine of tests gets more.
    assert report.first_heard_at - report.first_frame_at < 1.0


def test_the_answer_to_the_last_words_is_in_what_the_caller_heard(answered: Answered) -> None:
    answer = spoken(THANKS)
    whole, begin, _ = heard_of(answer, answered.report.heard_audio)
    assert whole == len(answer)
    assert begin > 6.2 * SECOND  # nobody is answered before he has said it


def test_the_caller_who_speaks_again_is_listened_to(answered: Answered) -> None:
    """The clear came with the first words, and nothing of the answer was heard from there on."""
    report = answered.report
    answer = spoken(ORDER)
    heard, begin, end = heard_of(answer, report.heard_audio)
    assert 2.8 * SECOND < begin < 5.2 * SECOND
    assert mulaw.BYTES_PER_FRAME < heard < len(answer), "it was to be interrupted in the middle"
    assert report.first_frame_at is not None
    (cleared_at,) = report.cleared_at
    cleared = round((cleared_at - report.first_frame_at) * SECOND)
    assert end <= cleared + mulaw.BYTES_PER_FRAME
    until_the_next = report.heard_audio[cleared + mulaw.BYTES_PER_FRAME : cleared + SECOND]
    assert set(until_the_next) == set(mulaw.SILENCE)


def test_the_clear_comes_with_the_first_partial(answered: Answered) -> None:
    report = answered.report
    second = [event for event in answered.events if event["kind"] == "partial" and event["utterance"] == 2]
    assert report.cleared_at[0] - second[0]["t"] < 1.0


def test_the_log_shows_the_turns_in_order(answered: Answered) -> None:
    assert answered.server.texts("final", answered.report.call_sid) == [ORDER, THANKS]
    assert json.dumps(answered.server.health())  # it is well
