"""A process that records one call in real time, as a server does, until it is killed.

`python recording_process.py FOLDER [MOST_BYTES]` says on its output how many frames it has handed over; with
MOST_BYTES the system lets no file grow beyond that, as a disk that is full does.
"""

import resource
import sys
import time
from typing import Any

from twisted.internet import reactor

from tests.recording.made import session, tone
from voicestt.recording.folder import RecordingFolder
from voicestt.recording.recorder import AudioRecorder

FRAME = tone(160)


def main() -> None:
    clock: Any = reactor
    if len(sys.argv) > 2:
        most = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    recorder = AudioRecorder(RecordingFolder(sys.argv[1]), 2, clock)
    recorder.start()
    recording = recorder.new(session(time.time()))
    recording.begin("CA1")
    began = time.monotonic()
    for n in range(100_000):
        time.sleep(max(0.0, began + n * 0.02 - time.monotonic()))
        recording.caller(FRAME, str(n * 20))
        recording.ours(FRAME)
        print(n + 1, f"{recorder.dropped_seconds:.3f}", flush=True)


if __name__ == "__main__":
    main()
