"""Calls by `voicestt call` whose two tracks are not alike: no fault, and every word under its own track."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.end_to_end.clips import RATE, speech, write_wav
from tests.end_to_end.rig import Server, call_process, running_server, scripted_google

SECONDS = 4.4
SPOKEN = [(0.4, 1.6), (3.2, 4.0)]
SAID = {
    "utterances": [
        {"text": f"{number} {{key}} מילה", "start": start, "end": end}
        for number, (start, end) in enumerate(SPOKEN)
    ],
    "final_delay": 0.2,
}
FIRST, SECOND = [0], [1]
SILENCE = 60
"""The second of a watermarked call from which on the script has no words."""


@dataclass(frozen=True)
class Uneven:
    """A call of a stereo file: options of the command, and the utterances heard of each side (None: no track)."""

    options: tuple[str, ...]
    caller: list[int]
    callee: list[int] | None
    seconds: tuple[float, float]
    is_silent: bool = False


CALLS = {
    "even": Uneven((), [0, 1], [0, 1], (5.4, 5.4)),
    "late": Uneven(("--track", "callee@3:"), [0, 1], SECOND, (5.4, 2.4)),
    "silent": Uneven((), [0, 1], [], (5.4, 5.4), is_silent=True),
    "missing": Uneven(("--track", "callee@0:0"), [0, 1], None, (5.4, 0)),
    "ends early": Uneven(("--track", "callee@:2"), [0, 1], FIRST, (5.4, 2)),
    "the other has more": Uneven(("--track", "caller@0.2:2.2", "--track", "callee@0.1:"), FIRST, [0, 1], (2, 5.3)),
}


@dataclass(frozen=True)
class Called:
    """A call that is over: what the command said, and the events of it."""

    number: int
    output: str
    code: int
    events: list[dict[str, Any]]

    def finals(self, track: str) -> list[str]:
        return [each["text"] for each in self.events if each["type"] == "final" and each["track"] == track]


def stereo(folder: Path, number: int, call: Uneven) -> Path:
    """A file with the caller of that number on the left, and on the right the callee, who is number + 100."""
    left = np.frombuffer(speech(number, SECONDS, *SPOKEN), "<i2")
    right = np.frombuffer(speech(number + 100, SECONDS, *SPOKEN), "<i2")
    if call.is_silent:
        right = np.frombuffer(speech(number + 100, SILENCE + SECONDS), "<i2")[SILENCE * RATE :]
    both = np.column_stack([left, right]).astype("<i2").tobytes()
    return write_wav(folder / f"{number}.wav", both, channels=2)


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Called]]:
    folder = tmp_path_factory.mktemp("uneven")
    with (
        scripted_google(SAID) as google,
        running_server(folder, google.port, BOTH_TRACKS="both") as server,
        ThreadPoolExecutor(len(CALLS)) as threads,
    ):
        calls = dict(
            zip(CALLS, threads.map(lambda each: placed(server, *each), enumerate(CALLS.values())), strict=True)
        )
        server.wait_for("Call ended:", count=len(CALLS))
        yield {name: over(server, *each) for name, each in calls.items()}
        assert "Traceback" not in server.output


def placed(server: Server, number: int, call: Uneven) -> tuple[int, str, int]:
    """Place a call by the command."""
    clip = stereo(server.services.folder, number, call)
    done = call_process(server, clip, "--both-tracks", "--silence", "1", *call.options)
    return number, done.stdout + done.stderr, done.returncode


def over(server: Server, number: int, output: str, code: int) -> Called:
    """Read what became of a call."""
    found = re.search(r"CA\w{32}", output)
    assert found, output
    return Called(number, output, code, server.journal(found[0]))


@pytest.mark.parametrize("name", CALLS)
def test_each_word_is_under_its_own_track_once(called: dict[str, Called], name: str) -> None:
    call, wanted = called[name], CALLS[name]
    for track, key, utterances in (
        ("caller", call.number, wanted.caller),
        ("callee", call.number + 100, wanted.callee or []),
    ):
        assert call.finals(track) == [f"{each} {key} מילה" for each in utterances], call.output


@pytest.mark.parametrize("name", CALLS)
def test_tracks_that_are_not_alike_are_no_fault_and_no_incident(called: dict[str, Called], name: str) -> None:
    call = called[name]
    assert call.code == 0, call.output
    assert {each["type"] for each in call.events} <= {
        *("call_started", "partial", "final", "utterance_end", "call_ended"),
    }
    assert call.events[-1]["type"] == "call_ended"
    assert call.events[-1]["reason"] == "stop"


@pytest.mark.parametrize("name", CALLS)
def test_the_account_of_each_track_is_true(called: dict[str, Called], name: str) -> None:
    call, wanted = called[name], CALLS[name]
    end = call.events[-1]
    accounts = [end["audio"], end["callee_audio"]]
    assert (accounts[1] is None) == (wanted.callee is None)
    for account, seconds in zip(accounts, wanted.seconds, strict=True):
        if account is not None:
            assert account["received"] == pytest.approx(seconds * RATE)
            assert account["uncovered"] == account["given_up"] == 0
    if wanted.callee is not None:
        assert f"callee    {accounts[1]['received']} bytes" in call.output


@pytest.mark.parametrize("name", CALLS)
def test_times_are_those_of_the_call_whenever_a_track_begins(called: dict[str, Called], name: str) -> None:
    finals = [each for each in called[name].events if each["type"] == "final"]
    for final in finals:
        _, until = SPOKEN[int(final["text"].split()[0])]
        assert final["end"] == pytest.approx(until, abs=0.5), final


def test_what_is_left_of_a_track_is_said_by_the_command(called: dict[str, Called]) -> None:
    assert "callee    " not in called["missing"].output
