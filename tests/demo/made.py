"""Calls that were never made, for tests of how they are judged."""

import hashlib
from pathlib import Path

from voicestt import mulaw
from voicestt.demo.judgement import Event, Placed, Stream
from voicestt.demo.voices import Voice
from voicestt.simulator.call_values import CallReport
from voicestt.simulator.problems import Problem

AUDIO = b"\x00\x80" * 80
PCM = mulaw.decode(AUDIO)
STREAM = Stream(len(PCM), hashlib.sha256(PCM).hexdigest())
EVENTS = [
    Event("CA1", is_final=False, text="go", at=10.7),
    Event("CA2", is_final=False, text="who", at=10.8),
    Event("CA1", is_final=False, text="go for", at=10.9),
    Event("CA1", is_final=True, text="Go forward.", at=12.5),
    Event("CA1", is_final=False, text="ten", at=12.6),
    Event("CA1", is_final=True, text="10 meters", at=13.5),
]


def placed(*problems: Problem, text: str | None = "go forward ten meters") -> Placed:
    report = CallReport(
        "CA1",
        "MZ1",
        bytes_sent=len(AUDIO),
        voice_began_at=10.5,
        voice_ended_at=12.0,
        problems=problems,
    )
    return Placed(Voice("goforward", Path("goforward.raw"), text), AUDIO, report)
