"""Failures of one track of a call alone, and the flag turned in mid-call: every word once, on each track."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.clips import RATE, as_mulaw, speech
from tests.end_to_end.rig import Server, running_server, scripted_google, until
from tests.end_to_end.test_rollback import EVERY_WORD, LENGTH, SCRIPT, SPOKEN, flag, streams
from tests.end_to_end.twilio_line import TwilioLine
from voicestt.emulators.google.service import LocalGoogle


class Talk:
    """A call of two who speak at once, each with audio of their own, said piece by piece."""

    def __init__(self, server: Server, line: TwilioLine, number: int) -> None:
        self._server = server
        self._line = line
        self._voices = [as_mulaw(speech(each, LENGTH, *SPOKEN)) for each in (number, number + 100)]
        self._at = [0, 0]
        self.call = line.sids.call
        line.begin("inbound", "outbound")

    def up_to(self, caller: float, callee: float | None = None) -> None:
        """Say what the caller says up to there, and the callee, up to the same second if not said."""
        ends = [int(seconds * RATE) for seconds in (caller, caller if callee is None else callee)]
        spans = [voice[at:end] for voice, at, end in zip(self._voices, self._at, ends, strict=True)]
        self._line.speak_both(*spans)
        self._at = ends

    def words(self, kind: str, track: str) -> list[str]:
        """The words of that kind of one track."""
        told = [each for each in self._server.events(self.call) if (each["kind"], each["track"]) == (kind, track)]
        return " ".join(each["text"] for each in told).split()

    def hear(self, kind: str, word: str) -> None:
        """Wait for a word of both."""
        for track in ("caller", "callee"):
            until(lambda track=track: word in self.words(kind, track), f"{kind} {word} of the {track}")  # type: ignore[misc]

    def check(self) -> None:
        """Check that every word came once on each track."""
        for track in ("caller", "callee"):
            assert self.words("final", track) == EVERY_WORD, track

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """The events of these types in the journal."""
        return [each for each in self._server.journal(self.call) if each["type"] in kinds]


@pytest.fixture
def google() -> Iterator[LocalGoogle]:
    with scripted_google(SCRIPT, faults="") as service:
        yield service


@pytest.fixture
def server(google: LocalGoogle, tmp_path: Path) -> Iterator[Server]:
    settings = {"VOICESTT_SOCKET": str(tmp_path / "s"), "STT_BATCH_MS": "100", "BOTH_TRACKS": "both"}
    with running_server(tmp_path, google.port, **settings) as running:
        running.wait_for("`voicestt flag` reaches this server at ")
        yield running
        assert "Traceback" not in running.output


def ended(server: Server, line: TwilioLine) -> None:
    """Hang up, and wait until all is told."""
    assert line.hang_up() == 1000
    server.wait_for("Call ended:")
    until(lambda: line.sids.call in server.ended, "the call's end is in EVENTS_FILE, behind all its words")


def caller_first(server: Server, google: LocalGoogle, line: TwilioLine, number: int) -> Talk:
    """A call whose caller has the first stream, before the callee says anything."""
    talk = Talk(server, line, number)
    talk.up_to(1.9, 0.0)
    until(lambda: streams(google) == 1, "the caller's stream")
    return talk


def assert_all_recognised(end: dict[str, Any]) -> None:
    for account in (end["audio"], end["callee_audio"]):
        assert account["uncovered"] == account["given_up"] == 0


def test_a_stream_of_the_callee_that_fails_is_made_good_and_the_caller_s_goes_on(
    server: Server, google: LocalGoogle
) -> None:
    with TwilioLine(server.target) as line:
        talk = caller_first(server, google, line, 31)
        google.set_faults("stream 2: error INTERNAL after 1.2 s of audio")
        talk.up_to(1.9)
        until(lambda: streams(google) >= 3, "a stream in the place of the callee's")
        talk.up_to(LENGTH)
        ended(server, line)
    talk.check()
    incidents = talk.of("incident", "degraded", "interrupted", "unrecognised")
    assert {each["track"] for each in incidents} == {"callee"}, incidents
    end = talk.of("call_ended")[0]
    assert end["audio"]["received"] == end["callee_audio"]["received"] == int(LENGTH * RATE)
    assert_all_recognised(end)


def test_a_callee_who_is_not_streamed_any_more_is_recognised_by_requests_alone(
    server: Server, google: LocalGoogle
) -> None:
    with TwilioLine(server.target) as line:
        talk = caller_first(server, google, line, 32)
        google.set_faults("streams 2-99 streaming: error PERMISSION_DENIED")
        talk.up_to(4.4)
        until(lambda: talk.of("degraded"), f"the callee's fall\n{server.output}")
        talk.up_to(LENGTH)
        ended(server, line)
    talk.check()
    assert {each["track"] for each in talk.of("degraded")} == {"callee"}
    end = talk.of("call_ended")[0]
    assert_all_recognised(end)


def test_the_flag_in_mid_call_takes_both_tracks_along_and_brings_both_back(
    server: Server, google: LocalGoogle
) -> None:
    with TwilioLine(server.target) as line:
        talk = Talk(server, line, 33)
        talk.up_to(1.9)
        talk.hear("partial", "0.3")
        assert "1 live call leaves streaming" in flag(server, "off")
        opened = streams(google)
        talk.up_to(4.4)
        talk.hear("final", "0.7")
        assert streams(google) == opened
        flag(server, "on")
        talk.up_to(8.4)
        talk.hear("final", "1.7")
        talk.up_to(9.7)
        talk.hear("partial", "2.2")
        flag(server, "off")
        talk.up_to(LENGTH)
        ended(server, line)
    talk.check()
    assert {each["track"] for each in talk.of("degraded")} == {"caller", "callee"}
