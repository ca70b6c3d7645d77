import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.conftest import Logged
from tests.recording.made import SECOND, played, session, sound, tone
from voicestt.audio import mulaw
from voicestt.call.playout import Playout
from voicestt.recording import recorder as recorder_module
from voicestt.recording.folder import RecordingFolder
from voicestt.recording.recorder import AudioRecorder

PATIENCE = 20.0


def until(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def folder(tmp_path: Path) -> RecordingFolder:
    return RecordingFolder(tmp_path / "recordings")


class Twilio:
    """A way to the caller."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def media(self, audio: bytes) -> None:
        self.sent.append(audio)

    def mark(self, name: str) -> None:
        self.sent.append(name)

    def clear(self) -> None:
        self.sent.append("clear")


def test_a_call_is_recorded_as_it_was_heard_on_both_sides(clock: Clock, folder: RecordingFolder) -> None:
    recorder = AudioRecorder(folder, 2, clock, now=lambda: 1_796_000_000.0)
    recorder.start()
    recording = recorder.new(session())
    recording.caller(tone(160))  # before its start: of no call
    recording.begin("CA1")
    twilio = Twilio()
    playout = Playout(clock, recording.beside(twilio))
    ours = tone(8_000, 40)
    for n in range(50):
        if n == 10:
            playout.say(ours)
        if n == 30:
            playout.clear()
        recording.caller(tone(160, n), str(n * 20))
        clock.advance(0.02)
    recording.end()
    recording.caller(tone(160))
    recording.end()
    recorder.stop()
    (path,) = folder.whole()
    heard = ours[: 20 * 160]
    left = b"".join(tone(160, n) for n in range(50))
    right = mulaw.SILENCE * 1_600 + heard + mulaw.SILENCE * (len(left) - 1_600 - len(heard))
    assert (played(path) == sound(left, right)).all()
    assert twilio.sent[-1] == "clear"
    assert (recorder.begun, recorder.live, recorder.dropped_seconds, recorder.trouble) == (1, 0, 0.0, "")


def talk_of_two(clock: Clock, recorder: AudioRecorder) -> list[bytes]:
    """A call of which a stream of `<Start>` brings both sides, while a handler speaks into it; its channels."""
    recorder.start()
    recording = recorder.new(session())
    recording.begin("CA1", hears_callee=True)
    playout = Playout(clock, recording.beside(Twilio()))
    playout.say(tone(8_000, 40))
    sides = [b"", mulaw.SILENCE * 1_600]
    for n in range(50):
        recording.caller(tone(160, n), str(52 + n * 20))
        sides[0] += tone(160, n)
        if n >= 10:
            recording.callee(tone(160, n + 50), str(52 + n * 20))
            sides[1] += tone(160, n + 50)
        if n == 30:
            playout.clear()
        clock.advance(0.02)
    recording.end()
    recorder.stop()
    return sides


def test_of_a_stream_of_both_tracks_the_callee_is_recorded_and_nothing_that_nobody_hears(
    clock: Clock, folder: RecordingFolder
) -> None:
    sides = talk_of_two(clock, AudioRecorder(folder, 2, clock))
    (path,) = folder.whole()
    assert (played(path) == sound(*sides)).all()


def test_where_only_the_caller_is_recorded_the_callee_is_not(clock: Clock, folder: RecordingFolder) -> None:
    sides = talk_of_two(clock, AudioRecorder(folder, 1, clock))
    (path,) = folder.whole()
    assert (played(path) == sound(sides[0])).all()


def test_what_was_sent_when_the_call_ended_and_not_heard_is_not_recorded(
    clock: Clock, folder: RecordingFolder
) -> None:
    recorder = AudioRecorder(folder, 2, clock)
    recorder.start()
    recording = recorder.new(session())
    recording.begin("CA1")
    recording.caller(tone(160), "0")
    recording.ours(tone(1_600))
    clock.advance(0.05)
    recording.end()
    recorder.stop()
    (path,) = folder.whole()
    audio = played(path)
    assert (audio[:400, 1] == sound(tone(400))[:, 0]).all()
    assert (audio[400:, 1] == sound(mulaw.SILENCE)[0, 0]).all()


def test_the_caller_alone_is_recorded_on_one_track(clock: Clock, folder: RecordingFolder) -> None:
    recorder = AudioRecorder(folder, 1, clock)
    recorder.start()
    recording = recorder.new(session())
    recording.begin("CA1/../x")
    recording.caller(tone(321), "0")
    recording.ours(tone(1_600))
    recording.clear()
    recording.end()
    recorder.stop()
    (path,) = folder.whole()
    assert path.parent.parent == folder.path
    assert played(path).shape == (322, 1)


def test_a_server_that_stops_finishes_the_recordings_of_live_calls(clock: Clock, folder: RecordingFolder) -> None:
    recorder = AudioRecorder(folder, 1, clock)
    recorder.start()
    for name in ("CA1", "CA2"):
        recording = recorder.new(session())
        recording.begin(name)
        recording.caller(tone(SECOND), "0")
    recorder.stop()
    assert [len(played(path)) for path in folder.whole()] == [SECOND, SECOND]
    assert list(folder.partial()) == []


def test_a_folder_that_cannot_be_written_costs_recordings_and_is_said_once(
    clock: Clock, tmp_path: Path, logged: Logged
) -> None:
    in_the_way = tmp_path / "recordings"
    in_the_way.write_text("a file, where the folder should be")
    recorder = AudioRecorder(RecordingFolder(in_the_way), 1, clock)
    recorder.start()
    recording = recorder.new(session())
    recording.begin("CA1")
    for n in range(3):
        recording.caller(tone(SECOND // 2), str(n * 500))
        until(lambda n=n: recorder.dropped_seconds >= (n + 1) / 2)  # type: ignore[misc]
    assert recorder.trouble
    assert len(logged.matching("RECORD_DIR cannot be written")) == 1
    in_the_way.unlink()
    recording.caller(tone(SECOND // 2), "1500")
    until(lambda: recorder.written_seconds)
    recording.end()
    recorder.stop()
    assert recorder.trouble == ""
    assert logged.matching("RECORD_DIR is written again; 1.5 s of audio are missing")
    (path,) = RecordingFolder(in_the_way).whole()
    audio = played(path)
    assert len(audio) == 2 * SECOND
    assert (audio[: 3 * SECOND // 2] == sound(mulaw.SILENCE)[0, 0]).all(), "its place on the time line stays"


def test_a_disk_that_hangs_drops_what_cannot_wait(
    clock: Clock, folder: RecordingFolder, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread is not started: it takes nothing, as one whose disk hangs."""
    monkeypatch.setattr(recorder_module, "MOST_WAITING", 10_000)
    recorder = AudioRecorder(folder, 1, clock)
    recording = recorder.new(session())
    recording.begin("CA1")
    for n in range(20):
        recording.caller(tone(1_000), str(n * 125))
    assert recorder.dropped_seconds == pytest.approx(13 * 0.125)
    assert recorder.trouble == "it takes too long"
    assert len(logged.matching("RECORD_DIR does not take what is written to it")) == 1
    recorder.start()
    until(lambda: recorder.written_seconds)
    recording.caller(tone(1_000), "2500")
    assert logged.matching("Recordings are written again")
    recording.end()
    recorder.stop()
    (path,) = folder.whole()
    audio = played(path)
    assert len(audio) == 21_000
    assert (audio[7_000:20_000] == sound(mulaw.SILENCE)[0, 0]).all()
    assert (audio[20_000:] == sound(tone(1_000))).all()
