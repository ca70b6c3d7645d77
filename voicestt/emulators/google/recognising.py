"""One Recognize call: takes a recording and returns its words."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from voicestt.emulators.google.answers import recognised
from voicestt.emulators.google.client_config import AcceptedConfig
from voicestt.emulators.google.decoding import ClientRecording
from voicestt.emulators.google.faults import (
    Due,
    Fault,
    Method,
    What,
    When,
)
from voicestt.emulators.google.limits import (
    LARGEST_REQUEST,
    REQUEST_TOO_LARGE,
    SYNC_TOO_LONG,
    Code,
    Refusal,
    check_recording,
)
from voicestt.emulators.google.recording import CallRecorder
from voicestt.emulators.google.shared import Shared, engine_failed, set_status
from voicestt.emulators.google.versions import ServiceVersion
from voicestt.recognisers.whisper.engine.port import EngineResult, Request

Result = TypeVar("Result")


class RecogniseCall:
    """One Recognize call, carried from start to end by `run`; the engine works in `pool`."""

    method = Method.RECOGNIZE
    too_long = SYNC_TOO_LONG

    def __init__(
        self,
        shared: Shared,
        api: ServiceVersion,
        context: Any,
        recorder: CallRecorder,
        faults: tuple[Fault, ...],
        pool: Executor,
    ) -> None:
        self._shared, self._api, self._context, self._recorder = shared, api, context, recorder
        self._faults = faults
        self._pool = pool
        self._refused: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def run(self, request: Any) -> Any:
        """Return the response; after a refusal an empty one, with the status set."""
        work = asyncio.get_running_loop().create_task(self._work(request))
        try:
            await asyncio.wait((work, self._refused), return_when=asyncio.FIRST_COMPLETED)
            response = self._refused.result() if self._refused.done() else work.result()
            self._recorder.note(how="OK")
            self._recorder.response()
        except Refusal as refusal:
            self._recorder.note(how=set_status(self._context, refusal))
            return self._nothing()
        except asyncio.CancelledError:
            self._recorder.note(how="cancelled by the client")
            raise
        finally:
            work.cancel()
            self._refused.cancel()
        return response

    def _nothing(self) -> Any:
        """Return the empty response that goes with a refusal."""
        return self._api.RecogniseResponse()

    def refuse(self, refusal: Refusal) -> None:
        """End the call with this status; on the loop."""
        if not self._refused.done():
            self._refused.set_exception(refusal)

    def suffer(self, faults: tuple[Fault, ...]) -> None:
        """Apply faults that came into force during the call, at once; `slow` comes too late and is ignored."""
        for fault in faults:
            if fault.what is not What.SLOW:
                self._suffer(fault)

    async def _work(self, request: Any) -> Any:
        due = Due(self._faults)
        await asyncio.sleep(due.delay / self._shared.scale)
        for fault in due.timed():
            await asyncio.sleep(fault.seconds / self._shared.scale)
            await self._hold(fault)
        await self._strike(due, When.START)
        response = await self._recording(request, due)
        await self._strike(due, When.HALF_CLOSE)
        await self._strike(due, When.FIRST_RESPONSE)
        return response

    async def _strike(self, due: Due, when: When, reached: float = 0.0) -> None:
        for fault in due.at(when, reached):
            await self._hold(fault)

    async def _hold(self, fault: Fault) -> None:
        """Apply a fault; unless it is a goaway, the call then waits for ever and no answer comes."""
        self._suffer(fault)
        if fault.what is not What.GOAWAY:
            await asyncio.Event().wait()

    def _suffer(self, fault: Fault) -> None:
        self._recorder.struck(str(fault))
        if fault.what in {What.ERROR, What.IN_BAND}:
            self.refuse(Refusal(fault.code, fault.details))
        elif fault.what is not What.HANG:
            self._shared.connection(self._context.peer(), fault.what)

    async def _recording(self, request: Any, due: Due) -> Any:
        self._check(request)
        audio = self._api.recording(request)
        self._recorder.note(config=str(request.config), half_closed=True)
        self._recorder.audio(audio)
        config = self._api.recognise_config(request)
        recording = ClientRecording(audio, config.format)
        self._recorder.note(language=config.language, model=config.model)
        self._recorder.note(encoding=recording.format.encoding, rate=recording.format.rate)
        check_recording(recording.seconds, self._shared.limits, self.too_long)
        await self._strike(due, When.AUDIO, recording.seconds)
        return await self._answer(config, recording)

    def _check(self, request: Any) -> None:
        if request.ByteSize() > LARGEST_REQUEST:
            raise Refusal(Code.INVALID_ARGUMENT, REQUEST_TOO_LARGE)

    async def _answer(self, config: AcceptedConfig, recording: ClientRecording) -> Any:
        finals = await self._in_pool(self._recognised, config.request(), recording)
        for final in finals:
            self._recorder.final(final.text)
        return self._response(config, finals, recording.seconds)

    def _response(self, config: AcceptedConfig, finals: list[EngineResult], seconds: float) -> Any:
        request_id = secrets.randbits(62)
        return recognised(self._api, finals, config.language, seconds, config.features, request_id)

    def _recognised(self, request: Request, recording: ClientRecording) -> list[EngineResult]:
        return self._shared.engine.recognise(request, recording.pcm())

    async def _in_pool(self, work: Callable[..., Result], *args: Any) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        except Refusal:
            raise
        except Exception as error:  # an engine may fail in any way; the client is told
            raise engine_failed(error) from error
