"""Figures of calls that were moved; one such load is real."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import click.testing

from voicestt.emulators.twilio.call_values import CallReport, StreamLeg
from voicestt.emulators.twilio.problems import CallProblem
from voicestt.ops.load.command import load_command
from voicestt.ops.load.moving import MovingResult, WordAccount, report_moving, word_accounts
from voicestt.ops.load.said import words_within

SECOND = 8_000


def moved(number: int = 0, **more: Any) -> CallReport:
    """A call of ten seconds that had no stream from 1.5 s (in its first round) to 5 s (before its second)."""
    legs = (
        StreamLeg(f"MZ{number}a", 100.0, 101.5, sent=(0, 12_000)),
        StreamLeg(f"MZ{number}b", 105.0, 110.0, sent=(40_000, 80_000)),
    )
    return CallReport(f"CA{number}", f"MZ{number}a", streams=legs, unsent=((12_000, 40_000),), **more)


def final(stream: str, text: str) -> dict[str, Any]:
    return {"kind": "final", "stream_sid": stream, "text": text}


def test_words_are_within_a_part_of_a_call_if_all_of_their_audio_is() -> None:
    assert words_within(7, 0, 4 * SECOND) == ["7", "0", "three", "four", "five", "six", "seven", "eight"]
    assert words_within(7, 4_000, 8_000) == ["7", "0"]
    assert words_within(7, 4_001, 7_999) == []
    assert words_within(7, 18_000, 40_000) == ["eight", "7", "1"]
    assert words_within(7, 0, 0) == []


def test_what_each_stream_was_to_bring_is_compared_with_its_finals() -> None:
    right = [
        final("MZ0a", "0 0 three four"),
        final("MZ0b", "three four five six seven eight"),
        final("MZ0b", "0 2 three four five six"),
        {"kind": "partial", "stream_sid": "MZ0b", "text": "nobody counts this"},
    ]
    assert word_accounts([moved()], right) == [WordAccount(sent=16, to_nobody=6)]
    wrong = [right[0], right[0], right[2]]
    assert word_accounts([moved()], wrong) == [WordAccount(sent=16, lost=6, doubled=4, to_nobody=6)]


def test_the_table_says_how_long_there_was_no_stream() -> None:
    warned = moved(1, warnings=(CallProblem("it closed", 31921),))
    result = MovingResult([moved(), warned], [WordAccount(18, to_nobody=6)] * 2)
    headings, row, *others = report_moving(result)
    assert headings.split()[:2] == ["calls", "moved"]
    assert row.split() == ["2", "2", "0", "4", "3500/3500", "36", "0", "0", "12", "0"]
    assert "1 times: it closed (Twilio's error 31921)" in others
    assert others[-1].startswith("Every call lasted until its caller hung up; every word")
    assert "only the server there knows" in report_moving(MovingResult([moved()]))[-1]


def test_a_call_that_ended_early_and_a_lost_word_are_faults() -> None:
    ended = moved(1, ended_by="server", problems=(CallProblem("it broke", 31903),))
    result = MovingResult([moved(), ended, CallReport("CA2", "MZ2")], [WordAccount(18, lost=1)] * 3)
    assert result.faults[0] == "CA1: ended by the server: it broke (Twilio's error 31903)"
    assert result.faults[1].startswith("CA2: ended by the caller")
    assert result.faults[2] == "CA0: 1 words lost, 0 doubled, of 18"
    many = MovingResult([ended] * 30)
    assert report_moving(many)[-1] == "... and 10 more"


def test_one_number_of_calls_is_moved_at_a_time() -> None:
    result = click.testing.CliRunner().invoke(load_command, ["--api", "0", "--calls", "2", "3"])
    assert result.exit_code == 2
    assert "--api is for one number of calls" in result.output


def test_two_real_calls_are_moved_and_keep_their_words(tmp_path: Path) -> None:
    arguments = ["--api", "0", "--calls", "2", "--seconds", "5", "--move-at", "2", "--keep", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[1].split()[:4] == ["2", "2", "0", "4"]
