"""A process that is killed with -9, or whose disk is full, while it records."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.recording import recording_process
from tests.recording.made import SECOND, played
from voicestt.audio import mulaw
from voicestt.recording.audio_file import PARTIAL, repair
from voicestt.recording.folder import RecordingFolder

PATIENCE = 30.0


@contextmanager
def recording(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-P", str(Path(recording_process.__file__)), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def said(process: "subprocess.Popen[str]", frames: int) -> tuple[int, float]:
    """Wait until so many frames were handed over; return how many were, and the seconds that were dropped."""
    assert process.stdout is not None
    for line in process.stdout:
        handed, dropped = line.split()
        if int(handed) >= frames:
            return int(handed), float(dropped)
    raise AssertionError("the process ended by itself")


def test_a_process_that_is_killed_leaves_its_recording_up_to_the_last_second(tmp_path: Path) -> None:
    with recording(str(tmp_path)) as process:
        handed, _ = said(process, 80)
        process.kill()
        process.wait()
    (partial,) = RecordingFolder(tmp_path).partial()
    assert partial.name.endswith(PARTIAL)
    as_it_was_left = played(partial.read_bytes())
    whole = repair(partial)
    assert whole is not None
    audio = played(whole)
    assert len(audio) >= len(as_it_was_left)
    assert audio.shape[1] == 2
    missing = handed * 160 - len(audio)
    assert missing < SECOND, "no more than the last second is lost"
    assert (audio[: 30 * 160, 0].reshape(30, 160) == audio[:160, 0]).all(), "each frame is in its place"


def test_a_disk_that_is_full_costs_the_recording_and_it_is_counted(tmp_path: Path) -> None:
    with recording(str(tmp_path), "10000") as process:
        began = time.monotonic()
        dropped = 0.0
        while dropped == 0.0:
            _, dropped = said(process, 1)
            assert time.monotonic() - began < PATIENCE
        assert said(process, 1)[0], "the call goes on"
    (partial,) = RecordingFolder(tmp_path).partial()
    assert partial.stat().st_size <= 10_000
    assert len(played(partial.read_bytes())) > 0.2 * SECOND
    assert mulaw.seconds(160) <= dropped
