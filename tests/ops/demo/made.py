"""Calls that were never made, for tests of how they are judged."""

import hashlib
from pathlib import Path

from voicestt.audio import mulaw
from voicestt.emulators.twilio.call_values import CallReport
from voicestt.emulators.twilio.problems import CallProblem
from voicestt.ops.demo.judgement import Placed, RecordedEvent, RecordedStream
from voicestt.ops.demo.voices import Voice

AUDIO = b"\x00\x80" * 80
PCM = mulaw.decode(AUDIO)
STREAM = RecordedStream(len(PCM), hashlib.sha256(PCM).hexdigest())
EVENTS = [
    RecordedEvent("CA1", is_final=False, text="go", at=10.7),
    RecordedEvent("CA2", is_final=False, text="who", at=10.8),
    RecordedEvent("CA1", is_final=False, text="go for", at=10.9),
    RecordedEvent("CA1", is_final=True, text="Go forward.", at=12.5),
    RecordedEvent("CA1", is_final=False, text="ten", at=12.6),
    RecordedEvent("CA1", is_final=True, text="10 meters", at=13.5),
]


def placed(*problems: CallProblem, text: str | None = "go forward ten meters") -> Placed:
    report = CallReport(
        "CA1",
        "MZ1",
        bytes_sent=len(AUDIO),
        voice_began_at=10.5,
        voice_ended_at=12.0,
        problems=problems,
    )
    return Placed(Voice("goforward", Path("goforward.raw"), text), AUDIO, report)
