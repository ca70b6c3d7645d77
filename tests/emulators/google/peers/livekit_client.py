"""LiveKit's speech to text by Google, as a program: does the jobs of its argument, and prints what it hears.

See `rig.py` for the jobs and the lines. `options` of a job are those of `google.STT`.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import APIError
from livekit.agents.stt import SpeechEventType
from livekit.plugins import google

PATIENCE = 30.0
KINDS = {
    SpeechEventType.INTERIM_TRANSCRIPT: "partial",
    SpeechEventType.FINAL_TRANSCRIPT: "final",
    SpeechEventType.START_OF_SPEECH: "speech begins",
    SpeechEventType.END_OF_SPEECH: "speech ends",
}


def frames(job: dict[str, Any]) -> list[rtc.AudioFrame]:
    audio, rate = Path(job["audio"]).read_bytes(), job["rate"]
    pieces = [audio[start : start + rate // 25] for start in range(0, len(audio), rate // 25)]
    return [
        rtc.AudioFrame(data=piece, sample_rate=rate, num_channels=1, samples_per_channel=len(piece) // 2)
        for piece in pieces
    ]


def say(job: dict[str, Any], kind: str, text: str) -> None:
    print(json.dumps([job["name"], kind, text]), flush=True)


def tell(job: dict[str, Any], event: Any) -> None:
    if kind := KINDS.get(event.type):
        say(job, kind, event.alternatives[0].text if event.alternatives else "")
    if kind == "final":
        say(job, "times", f"{event.alternatives[0].start_time:.1f} {event.alternatives[0].end_time:.1f}")


def leap(seconds: float) -> None:
    """Set the clock of this process forward."""
    now = time.time
    time.time = lambda: now() + seconds


async def speak(job: dict[str, Any], stream: Any, heard: asyncio.Semaphore) -> None:
    for number, finals in enumerate(job["rounds"], 1):
        for frame in frames(job):
            stream.push_frame(frame)
        for _ in range(finals if number < len(job["rounds"]) else 0):
            await heard.acquire()
        leap(job["leap"])
    stream.end_input()


async def listen(job: dict[str, Any], service: Any) -> None:
    if not job["stream"]:
        tell(job, await service.recognize(frames(job)))
        return
    stream, heard = service.stream(), asyncio.Semaphore(0)
    speaking = asyncio.ensure_future(speak(job, stream, heard))
    async for event in stream:
        tell(job, event)
        if event.type is SpeechEventType.FINAL_TRANSCRIPT:
            heard.release()
    await speaking


async def main() -> None:
    for job in json.loads(sys.argv[1]):
        service = google.STT(**job["options"])
        try:
            await asyncio.wait_for(listen(job, service), PATIENCE)
        except (APIError, TimeoutError) as error:
            say(job, "error", repr(error))
        finally:
            await service.aclose()


asyncio.run(main())
