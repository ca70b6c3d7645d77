import hashlib
import json
from pathlib import Path

import pytest

from voicestt.emulators.google.recording import Recorder, StreamRecord


def a_call(recorder: Recorder) -> StreamRecord:
    recording = recorder.begin(StreamRecord(7, "StreamingRecognize", started=1.5))
    for piece in (b"one", b"two", b"three"):
        recording.audio(piece)
    recording.final("שלום")
    recording.response()
    recording.note(how="OK", ended=2.5)
    assert [record.audio_bytes for record in recorder.running] == [11]
    recorder.end(recording)
    return recorder.ended[0]


def test_a_record_has_every_byte_counted() -> None:
    record = a_call(Recorder())
    assert record.sha256 == hashlib.sha256(b"onetwothree").hexdigest()
    assert (record.audio_bytes, record.messages, record.largest, record.responses) == (11, 3, 5, 1)
    assert record.sizes == ((3, 2), (5, 1))
    assert record.finals == ("שלום",)
    assert (record.started, record.ended, record.how) == (1.5, 2.5, "OK")
    assert record.audio == b""


def test_the_audio_is_kept_for_who_wants_it() -> None:
    assert a_call(Recorder(keep_audio=True)).audio == b"onetwothree"


@pytest.mark.parametrize("write_audio", [True, False])
def test_a_folder_has_a_line_for_each_call(tmp_path: Path, write_audio: bool) -> None:
    folder = tmp_path / "records"
    record = a_call(Recorder(folder, write_audio=write_audio))
    (line,) = (folder / "streams.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["sha256"] == record.sha256
    assert "שלום" in line
    assert "audio" not in json.loads(line)
    assert record.audio == b""
    raw = folder / "stream-7.raw"
    assert (raw.read_bytes() == b"onetwothree") if write_audio else not raw.exists()


def test_waiting_ends_when_a_call_does_or_when_time_is_over() -> None:
    recorder = Recorder()
    assert not recorder.wait(lambda: bool(recorder.ended), 0)
    a_call(recorder)
    assert recorder.wait(lambda: bool(recorder.ended), 0)
