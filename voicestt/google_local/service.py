"""The local Google-compatible service: a gRPC server of `google.cloud.speech.v1.Speech` on a thread of its own."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio

from voicestt.google_local.answers import (
    RecogniseRequest,
    RecogniseResponse,
    StreamingRequest,
    StreamingResponse,
    recognised,
)
from voicestt.google_local.asked import v1
from voicestt.google_local.audio import Decoder
from voicestt.google_local.engine import Engine
from voicestt.google_local.limits import GOOGLES, Code, Limits, Refusal, check_recording
from voicestt.google_local.recording import Recorder, StreamRecord, Tape
from voicestt.google_local.streaming import Rules, StreamingCall, engine_failed, set_status

V1 = "google.cloud.speech.v1.Speech"
STREAMS_PER_CONNECTION = 100
LARGEST_REQUEST = 10_485_760


class CannotListen(OSError):
    """The address cannot be listened on; the words say which and why."""


class LocalGoogle:
    """The service, started and stopped from any thread.

    `host` and `port` say where it listens (port 0: a free one), in plaintext. `time_scale` lets its clock run so
    many times as fast: all limits in seconds pass sooner, audio may come so many times as fast; audio itself
    stays as long as it is. `recorder` keeps what came. The engine stays the caller's: it is not closed.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits = GOOGLES,
        time_scale: float = 1.0,
        max_streams_per_connection: int = STREAMS_PER_CONNECTION,
        recorder: Recorder | None = None,
    ) -> None:
        self.recorder = recorder or Recorder()
        self.host, self.port = host, port
        self._shared = Rules(engine, limits, time_scale)
        self._max_streams = max_streams_per_connection
        self._numbers = itertools.count(1)
        self._calls: set[StreamingCall] = set()
        self._pool = ThreadPoolExecutor(4, "google-local-recognise")
        self._ready = threading.Event()
        self._failed: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._live, name="google-local", daemon=True)

    def start(self) -> int:
        """Listens, and gives the port; raises `CannotListen`."""
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        return self.port

    def stop(self) -> None:
        """Ends all calls and the thread; returns when they have ended. May be called again."""
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread.is_alive():
            self._thread.join()

    def __enter__(self) -> "LocalGoogle":
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    @property
    def target(self) -> str:
        """The address a gRPC channel takes."""
        return f"{self.host}:{self.port}"

    @property
    def streams(self) -> tuple[StreamRecord, ...]:
        """The calls that ended, in the order of their ends."""
        return self.recorder.ended

    @property
    def running(self) -> tuple[StreamRecord, ...]:
        """The calls that run now, as they stand."""
        return self.recorder.running

    def wait_for_streams(self, count: int, seconds: float = 10.0) -> tuple[StreamRecord, ...]:
        """Waits until so many calls have ended; raises `TimeoutError`."""
        return self.wait(lambda: len(self.streams) >= count, seconds)

    def wait(self, until: Callable[[], bool], seconds: float = 10.0) -> tuple[StreamRecord, ...]:
        """Waits until a call's beginning or end makes `until` true; raises `TimeoutError`."""
        if not self.recorder.wait(until, seconds):
            raise TimeoutError(f"google-local: not so within {seconds:g} s; ended so far: {self.streams}")
        return self.streams

    def _live(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - told to whoever called start
            self._failed = error
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_ignore_shared_poller)
        self._stopping = asyncio.Event()
        server = grpc.aio.server(options=_options(self._max_streams))
        server.add_generic_rpc_handlers((self._handlers(),))
        self.port = _listen(server, self.target)
        await server.start()
        self._ready.set()
        await self._stopping.wait()
        await self._dismiss()
        await server.stop(0)

    async def _dismiss(self) -> None:
        """Ends the calls by ourselves: a server that is stopped under them says so in tracebacks."""
        for call in self._calls:
            call.refuse(Refusal(Code.UNAVAILABLE, "The service is shutting down."))
        for _ in range(100):
            if not self._calls:
                return
            await asyncio.sleep(0.01)

    def _handlers(self) -> Any:
        streaming = grpc.stream_stream_rpc_method_handler(
            self._streaming,
            request_deserializer=StreamingRequest.FromString,
            response_serializer=StreamingResponse.SerializeToString,
        )
        recognise = grpc.unary_unary_rpc_method_handler(
            self._recognise,
            request_deserializer=RecogniseRequest.FromString,
            response_serializer=RecogniseResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(V1, {"StreamingRecognize": streaming, "Recognize": recognise})

    async def _streaming(self, _requests: Any, context: Any) -> None:
        tape = self._begin("StreamingRecognize", context)
        call = StreamingCall(self._shared, context, tape)
        self._calls.add(call)
        try:
            await call.run()
        finally:
            self._calls.discard(call)
            self._end(tape)

    async def _recognise(self, request: Any, context: Any) -> Any:
        tape = self._begin("Recognize", context)
        try:
            return await self._recording(request, tape)
        except Refusal as refusal:
            tape.note(how=set_status(context, refusal))
            return RecogniseResponse()
        finally:
            self._end(tape)

    async def _recording(self, request: Any, tape: Tape) -> Any:
        tape.note(config=str(request.config), half_closed=True)
        tape.audio(request.audio.content)
        asked = v1(request.config)
        tape.note(language=asked.language, model=asked.model, encoding=asked.encoding)
        seconds = asked.seconds(len(request.audio.content))
        check_recording(seconds, self._shared.limits)
        pcm = Decoder(asked.encoding).feed(request.audio.content)
        loop = asyncio.get_running_loop()
        try:
            finals = await loop.run_in_executor(self._pool, self._shared.engine.recognise, asked.request(), pcm)
        except Exception as error:  # an engine may fail in any way; the client is told
            raise engine_failed(error) from error
        for final in finals:
            tape.final(final.text)
        tape.note(how="OK")
        tape.response()
        return recognised(finals, asked.language, seconds)

    def _begin(self, method: str, context: Any) -> Tape:
        number = next(self._numbers)
        record = StreamRecord(number, method, peer=context.peer(), started=time.monotonic())
        return self.recorder.begin(record)

    def _end(self, tape: Tape) -> None:
        tape.note(ended=time.monotonic())
        self.recorder.end(tape)


def _options(max_streams: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_concurrent_streams", max_streams),
        ("grpc.max_receive_message_length", LARGEST_REQUEST),
        ("grpc.so_reuseport", 0),  # a port that is taken is an error, not a second server on it
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
        ("grpc.http2.max_ping_strikes", 0),  # clients may look often whether we live
    ]


def _listen(server: Any, target: str) -> int:
    words = f"google-local cannot listen on {target}: is another program using that port?"
    try:
        port: int = server.add_insecure_port(target)
    except RuntimeError as error:
        raise CannotListen(words) from error
    if port == 0:
        raise CannotListen(words)
    return port


def _ignore_shared_poller(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """gRPC wakes the loops of all threads for each event and only one finds it: the others' error is noise."""
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)
