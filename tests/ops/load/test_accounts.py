from pathlib import Path
from typing import Any

import pytest

from tests.ops.load.made import Call, CallOfTwo, record
from voicestt.ops.load.accounts import (
    BytesAccount,
    account,
    accounts,
    faults,
    json_lines,
)
from voicestt.ops.load.raw_call import voices_of

AUDIO = Call(3).audio


@pytest.mark.parametrize("encoding", ["LINEAR16", "MULAW"])
def test_one_stream_with_everything_is_everything(encoding: str) -> None:
    assert account(AUDIO, [record(AUDIO, encoding=encoding)]) == BytesAccount()


def test_lost_and_doubled_bytes_are_counted() -> None:
    assert account(AUDIO, []) == BytesAccount(lost=len(AUDIO), words="no stream has it")
    assert account(AUDIO, [record(AUDIO[:-160])]) == BytesAccount(lost=160, words="-160 bytes")
    assert account(AUDIO, [record(AUDIO[:800] + AUDIO[960:])]) == BytesAccount(lost=160, words="-160 bytes")
    assert account(AUDIO, [record(AUDIO[:960] + AUDIO[800:])]) == BytesAccount(doubled=160, words="+160 bytes")


def test_bytes_in_another_place_are_lost_to_the_recogniser() -> None:
    swapped = AUDIO[160:320] + AUDIO[:160] + AUDIO[320:]
    assert account(AUDIO, [record(swapped)]) == BytesAccount(lost=len(AUDIO), words="bytes misplaced")


def test_streams_that_follow_one_another_are_laid_end_to_end() -> None:
    cut = 24_000
    assert account(AUDIO, [record(AUDIO[:cut]), record(AUDIO[cut:])]) == BytesAccount()


def test_audio_sent_to_a_second_stream_too_is_counted_apart() -> None:
    streams = [record(AUDIO[:24_000]), record(AUDIO[12_000:])]
    assert account(AUDIO, streams) == BytesAccount(again=12_000)
    whole_again = [record(AUDIO[:24_000]), record(AUDIO[:12_000]), record(AUDIO[24_000:])]
    assert account(AUDIO, whole_again) == BytesAccount(again=12_000)


def test_a_gap_between_streams_is_lost() -> None:
    found = account(AUDIO, [record(AUDIO[:24_000]), record(AUDIO[24_160:])])
    assert (found.lost, found.words) == (160, "-160 bytes")


def test_streams_find_their_calls_by_their_words_and_without_words_by_their_bytes() -> None:
    calls: list[Any] = [Call(number, 100) for number in range(4)]
    records = [
        record(calls[0].audio[8_000:], "0 1 three", started=2.0),
        record(calls[1].audio),
        record(calls[0].audio[:8_000], "0 0 three", "", started=1.0),
        record(calls[2].audio[160:], "2 0 three"),
        record(b""),
        record(b"\xff" * 800, "3 0") | {"method": "Recognize"},
    ]
    found = accounts(voices_of(calls), records)
    assert [each.words for each in found] == ["", "", "-160 bytes", "no stream has it"]
    assert faults(calls, records) == ["call 2: -160 bytes", "call 3: no stream has it"]


def test_each_voice_of_a_call_has_an_account_of_its_own() -> None:
    call: Any = CallOfTwo(3, 100)
    caller, callee = call.voices
    records = [record(caller.audio, "3 0 three"), record(callee.audio[:-160], "30003 0 three")]
    assert faults([call], records) == ["call 30003: -160 bytes"]


def test_a_file_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert json_lines(tmp_path / "none") == []
    (tmp_path / "some").write_text('{"a": 1}\n{"a": 2}\n')
    assert json_lines(tmp_path / "some") == [{"a": 1}, {"a": 2}]
