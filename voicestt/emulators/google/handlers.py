"""The gRPC handlers of the service, and its running calls. Used on the service's loop."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
from google.longrunning.operations_pb2 import Operation

from voicestt.emulators.google.limits import Code, Refusal
from voicestt.emulators.google.long_running import LongRunningCall, LongRunningRequest
from voicestt.emulators.google.operations import Operations
from voicestt.emulators.google.recognising import RecogniseCall
from voicestt.emulators.google.recognizer_methods import RecognizerMethods
from voicestt.emulators.google.recognizers import Recognizers
from voicestt.emulators.google.recording import CallRecorder, Recorder, StreamRecord
from voicestt.emulators.google.shared import Shared
from voicestt.emulators.google.streaming import StreamingCall
from voicestt.emulators.google.unary_methods import OperationMethods
from voicestt.emulators.google.versions import ServiceV1, ServiceV2, ServiceVersion


class RpcHandlers:
    """Handles all methods of all versions; `peer_name` gives the client behind a peer as gRPC names it.

    `refresh` is asked before each call: the faults may have changed.
    """

    def __init__(
        self,
        shared: Shared,
        recorder: Recorder,
        *,
        peer_name: Callable[[str], str] = str,
        refresh: Callable[[], None] = lambda: None,
    ) -> None:
        self._shared = shared
        self._recorder = recorder
        self._peer_name = peer_name
        self._refresh = refresh
        self._numbers = itertools.count(1)
        self._calls: set[StreamingCall | RecogniseCall] = set()
        self._recognizers = Recognizers()
        loop = asyncio.get_running_loop()
        self._operations = Operations(lambda: loop.time() * shared.scale)
        self._pool = ThreadPoolExecutor(4, "google-local-recognise")

    def generic(self) -> tuple[Any, ...]:
        """Make one generic handler for each version of the API, and one for operations."""
        versions = (ServiceV1(), ServiceV2(self._recognizers))
        return (*(self._of(api) for api in versions), OperationMethods(self._operations).generic())

    def suffer(self) -> None:
        """Apply changed faults to the running calls that they name."""
        for call in tuple(self._calls):
            call.suffer(self._shared.faults.of_running_call(call.method))

    async def dismiss(self) -> None:
        """End all calls with UNAVAILABLE: a server stopped under running calls logs tracebacks."""
        for call in tuple(self._calls):
            call.refuse(Refusal(Code.UNAVAILABLE, "The service is shutting down."))
        for _ in range(100):
            if not self._calls:
                break
            await asyncio.sleep(0.01)
        self._operations.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _of(self, api: ServiceVersion) -> Any:
        streaming = grpc.stream_stream_rpc_method_handler(
            _method(self._streaming, api),
            request_deserializer=api.StreamingRequest.FromString,
            response_serializer=api.StreamingResponse.SerializeToString,
        )
        recognise = grpc.unary_unary_rpc_method_handler(
            _method(self._recognise, api),
            request_deserializer=api.RecogniseRequest.FromString,
            response_serializer=api.RecogniseResponse.SerializeToString,
        )
        others = self._only_v1(api) if api.version == "v1" else self._only_v2()
        return grpc.method_handlers_generic_handler(
            api.service, {"StreamingRecognize": streaming, "Recognize": recognise, **others}
        )

    def _only_v1(self, api: ServiceVersion) -> dict[str, Any]:
        long_running = grpc.unary_unary_rpc_method_handler(
            _method(self._recognise_long, api),
            request_deserializer=LongRunningRequest.FromString,
            response_serializer=Operation.SerializeToString,
        )
        return {"LongRunningRecognize": long_running}

    def _only_v2(self) -> dict[str, Any]:
        return RecognizerMethods(self._recognizers, self._operations).by_name()

    async def _streaming(self, api: ServiceVersion, _requests: Any, context: Any) -> None:
        recorder = self._begin("StreamingRecognize", api, context)
        faults = self._shared.faults.of_new_call(recorder.record.number, StreamingCall.method)
        call = StreamingCall(self._shared, api, context, recorder, faults)
        await self._carry(call, recorder, call.run())

    async def _recognise(self, api: ServiceVersion, request: Any, context: Any) -> Any:
        recorder = self._begin("Recognize", api, context)
        faults = self._shared.faults.of_new_call(recorder.record.number, RecogniseCall.method)
        call = RecogniseCall(self._shared, api, context, recorder, faults, self._pool)
        return await self._carry(call, recorder, call.run(request))

    async def _recognise_long(self, api: ServiceVersion, request: Any, context: Any) -> Any:
        recorder = self._begin("LongRunningRecognize", api, context)
        faults = self._shared.faults.of_new_call(recorder.record.number, LongRunningCall.method)
        parts = (self._shared, api, context, recorder, faults, self._pool)
        call = LongRunningCall(*parts, operations=self._operations)
        return await self._carry(call, recorder, call.run(request))

    async def _carry(
        self, call: StreamingCall | RecogniseCall, recorder: CallRecorder, life: Awaitable[Any]
    ) -> Any:
        self._calls.add(call)
        try:
            return await life
        finally:
            self._calls.discard(call)
            recorder.note(ended=time.monotonic())
            self._recorder.end(recorder)

    def _begin(self, method: str, api: ServiceVersion, context: Any) -> CallRecorder:
        self._refresh()
        return self._recorder.begin(
            StreamRecord(
                next(self._numbers),
                method,
                api.version,
                peer=self._peer_name(context.peer()),
                started=time.monotonic(),
            )
        )


def _method(handler: Callable[..., Any], api: ServiceVersion) -> Any:
    """Bind a handler to a version; gRPC recognises a partial of a coroutine function as one."""
    return partial(handler, api)
