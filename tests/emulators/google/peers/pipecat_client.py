"""Pipecat's GoogleSTTService in a pipeline, as a program: does the jobs of its argument, and prints what it hears.

See `rig.py` for the jobs and the lines. `options` of a job are those of the service, `settings` its settings.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.google.stt import GoogleSTTService
from pipecat.workers.runner import WorkerRunner

PATIENCE = 30.0


class Listener(FrameProcessor):  # type: ignore[misc]
    """Prints the transcriptions that come out of the service."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__()
        self._job = job
        self.signs = asyncio.Semaphore(0)

    def say(self, kind: str, text: str) -> None:
        print(json.dumps([self._job["name"], kind, text]), flush=True)
        if kind != "partial":
            self.signs.release()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            self.say("final", frame.text)
        elif isinstance(frame, InterimTranscriptionFrame):
            self.say("partial", frame.text)
        await self.push_frame(frame, direction)


def service(job: dict[str, Any], listener: Listener) -> Any:
    settings = GoogleSTTService.Settings(**job["settings"]) if job["settings"] else None
    made = GoogleSTTService(settings=settings, **job["options"])

    @made.event_handler("on_error")  # type: ignore[untyped-decorator]
    async def failed(_service: object, error: object) -> None:
        listener.say("error", str(error))

    return made


def leap(seconds: float) -> None:
    """Set the clock of this process forward."""
    now = time.time
    time.time = lambda: now() + seconds


async def speak(worker: Any, job: dict[str, Any], listener: Listener) -> None:
    audio, rate = await asyncio.to_thread(Path(job["audio"]).read_bytes), job["rate"]
    size = rate // 25
    for signs in job["rounds"]:
        for start in range(0, len(audio), size):
            frame = InputAudioRawFrame(audio=audio[start : start + size], sample_rate=rate, num_channels=1)
            await worker.queue_frame(frame)
        for _ in range(signs):
            await listener.signs.acquire()
        leap(job["leap"])


async def do(job: dict[str, Any]) -> None:
    listener = Listener(job)
    pipeline = Pipeline([service(job, listener), listener])
    parameters = PipelineParams(audio_in_sample_rate=job["rate"])
    worker = PipelineWorker(pipeline, params=parameters, enable_rtvi=False)
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")  # type: ignore[untyped-decorator]
    async def begin(_worker: object, _frame: object) -> None:
        started.set()

    runner = WorkerRunner()
    await runner.add_workers(worker)
    running = asyncio.ensure_future(runner.run())
    await started.wait()
    try:
        await asyncio.wait_for(speak(worker, job, listener), PATIENCE)
    except TimeoutError:
        listener.say("error", f"not all was heard within {PATIENCE:g} s")
    await worker.queue_frame(EndFrame())
    await running


async def main() -> None:
    logger.remove()
    for job in json.loads(sys.argv[1]):
        await do(job)


asyncio.run(main())
