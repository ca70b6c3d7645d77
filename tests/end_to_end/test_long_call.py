"""A call of one hour, with fifteen seams and five faults: nothing is lost, nothing comes twice.

Scaled: all clocks run forty times as fast, the caller's, the server's (its reactor's: `fast_reactor.py`) and the
Google service's (`--time-scale`). So the call has a whole hour's audio, 28.8 MB of mu-law in 180,000 frames, and
every limit that is asked of the reactor is in proportion: Google's 305 s, the rotation, the pace of a replay.
Not scaled: the machine itself. Its delays count forty times, so the watchdogs are given more time than usual.
"""

import contextlib
import selectors
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.faults_rig import Plan, Stage, google_that_fails
from tests.end_to_end.faults_rig import talk as saying
from tests.end_to_end.rig import Server, running, until
from voicestt.audio import mulaw
from voicestt.emulators.google.timeline import clip_of
from voicestt.emulators.twilio.call_values import CallReport
from voicestt.emulators.twilio.twilio_messages import StreamMessages
from voicestt.ops.load.raw_call import CLOSE, TEXT, RawCall, masked, open_call
from voicestt.ops.services import beside_python

SCALE = 40.0
SECONDS = 3_600.0
FRAMES_A_SECOND = 50
SAID = saying(12, 0.5, 6.5, repeat=10.0)
FAULTS = {
    3: "error UNAVAILABLE after 40 s of audio",
    6: "hang after 33 s of audio",
    9: "cut after 44 s of audio",
    12: "in-band INTERNAL after 27 s of audio",
    15: "credentials after 36 s of audio",
}
SETTINGS = {
    "STT_SOFT_LIMIT_SECONDS": "210",  # five of the streams die young: so there are fifteen seams beside
    "STT_SILENT_SECONDS": "30",
    "STT_QUEUE_SECONDS": "60",
    "STT_RETAIN_SECONDS": "600",
    "STT_RESTARTS": "20",
    "STT_DRAIN_SECONDS": "60",
    "STT_PARTIAL_DEBOUNCE_MS": "10000",
    "STT_GAP_MS": "10000",  # a quarter of a second of the machine's
    "IDLE_SECONDS": "3600",  # the frames are made after the call was taken
}


def with_words(call: RawCall, audio: bytes) -> RawCall:
    """The same call, but this is what it will say."""
    messages = StreamMessages(call.sids)
    messages.start(call.stream.parameters)  # has been sent, and was the first to be numbered
    pieces = (audio[at : at + mulaw.BYTES_PER_FRAME] for at in range(0, len(audio), mulaw.BYTES_PER_FRAME))
    frames = [masked(TEXT, messages.media(piece).encode()) for piece in pieces]
    last_words = masked(TEXT, messages.stop().encode()) + masked(CLOSE, struct.pack("!H", 1000))
    return replace(call, audio=audio, frames=frames, last_words=last_words)


def say(call: RawCall) -> None:
    """Says all frames, each at its time; the time runs fast."""
    with selectors.DefaultSelector() as selector:
        selector.register(call.socket, selectors.EVENT_READ)
        start, said = time.monotonic(), 0
        while said < len(call.frames):
            due = int((time.monotonic() - start) * FRAMES_A_SECOND * SCALE)
            call.send(b"".join(call.frames[said:due]))
            said = min(due, len(call.frames))
            if selector.select(0.005):
                call.receive()
            assert not call.closed
        call.send(call.last_words)
        while not call.closed and selector.select(30):
            call.receive()
            call.send(b"")
    call.socket.close()


@contextlib.contextmanager
def an_hour(folder: Path) -> Iterator[Stage]:
    """The Google service and the server, both in fast time."""
    with google_that_fails(folder, SAID, "--time-scale", f"{SCALE:g}") as (google, faults_file):
        environment = (
            google.server_environment()
            | SETTINGS
            | {
                "FAST_SCALE": f"{SCALE:g}",
                "FAST_LISTEN": f"tcp:{google.server_port}:interface=127.0.0.1",
                "PYTHONPATH": str(Path(__file__).parents[2]),
            }
        )
        command = [beside_python("twistd"), "--nodaemon", "--pidfile=", "--python"]
        command.append(str(Path(__file__).with_name("fast_server.py")))
        log = folder / "server.log"
        with running(command, environment, folder, log) as process:
            server = Server(google, process, log)
            until(lambda: process.poll() is not None or server.saying("Listening on"), "the server listens")
            assert process.poll() is None, server.output
            yield Stage(server, google, SAID, faults_file)


@pytest.mark.timeout(300)
def test_an_hour_with_fifteen_seams_and_some_faults_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    audio = mulaw.encode(np.frombuffer(clip_of(SAID, 1, SECONDS), "<i2"))
    assert len(audio) == 28_800_000
    with an_hour(tmp_path) as run:
        run.fail([f"stream {number} streaming: {fault}" for number, fault in FAULTS.items()])
        call = with_words(open_call(run.server.target, 1, 1), audio)
        say(call)
        run.server.wait_for("Call ended:")
        run.plans.append(Plan(1, SECONDS))
        run.reports[1] = CallReport(call.sids.call, call.sids.stream, bytes_sent=len(audio))
        told = run.told(1)
        assert len(told.spoken) == 12 * 360
        told.check()
        # A stream that was replaced because of its fault needed no change in time.
        assert told.count("rotated") + told.count("restarted") >= 15
        struck = {stream.record["number"] for stream in run.streams if stream.record["fault"]}
        # Probes and streams of comparison have numbers too, and die before a fault that waits for audio strikes.
        assert struck <= set(FAULTS)
        assert len(struck) >= 3
