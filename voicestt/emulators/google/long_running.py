"""One LongRunningRecognize call of v1: takes a recording and returns an operation, which gets its words."""

from functools import partial
from typing import Any

from google.cloud.speech_v1.types import cloud_speech as v1
from google.longrunning.operations_pb2 import Operation

from voicestt.emulators.google.client_config import AcceptedConfig
from voicestt.emulators.google.decoding import ClientRecording
from voicestt.emulators.google.faults import Method
from voicestt.emulators.google.limits import INLINE_TOO_LONG, NO_STORAGE, Code, Refusal
from voicestt.emulators.google.operations import Operations
from voicestt.emulators.google.recognising import RecogniseCall
from voicestt.emulators.google.resources import now

LongRunningRequest = v1.LongRunningRecognizeRequest.pb()
_Response = v1.LongRunningRecognizeResponse.pb()
_Metadata = v1.LongRunningRecognizeMetadata.pb()


class LongRunningCall(RecogniseCall):
    """One LongRunningRecognize call; faults strike the call itself, not its operation."""

    method = Method.LONG_RUNNING
    too_long = INLINE_TOO_LONG

    def __init__(self, *parts: Any, operations: Operations) -> None:
        super().__init__(*parts)
        self._operations = operations

    def _nothing(self) -> Any:
        return Operation()

    def _check(self, request: Any) -> None:
        super()._check(request)
        if request.output_config.gcs_uri:
            raise Refusal(Code.UNIMPLEMENTED, NO_STORAGE)

    async def _answer(self, config: AcceptedConfig, recording: ClientRecording) -> Any:
        pcm = await self._in_pool(recording.pcm)  # the operation keeps no more than this: a megabyte at most
        metadata = _Metadata(start_time=now(), last_update_time=now())
        return self._operations.begin(partial(self._recognise, config, recording.seconds, pcm, metadata), metadata)

    async def _recognise(
        self, config: AcceptedConfig, seconds: float, pcm: bytes, metadata: Any, operation: Any
    ) -> Any:
        finals = await self._in_pool(self._shared.engine.recognise, config.request(), pcm)
        answer = self._response(config, finals, seconds)
        metadata.progress_percent = 100
        metadata.last_update_time.CopyFrom(now())
        operation.metadata.Pack(metadata)
        return _Response(
            results=answer.results, total_billed_time=answer.total_billed_time, request_id=answer.request_id
        )
