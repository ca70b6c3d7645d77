"""The local Google-compatible service: a gRPC server of `google.cloud.speech` on a thread of its own."""

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from voicestt.emulators.google.fault_parser import FaultFile, parse
from voicestt.emulators.google.faults import Faults, What
from voicestt.emulators.google.handlers import RpcHandlers
from voicestt.emulators.google.limits import GOOGLES, LARGEST_REQUEST, ServiceLimits
from voicestt.emulators.google.recording import Recorder, StreamRecord
from voicestt.emulators.google.relay import Relay
from voicestt.emulators.google.shared import Shared
from voicestt.emulators.google.tls_certificate import server_context
from voicestt.emulators.google.tls_front import TlsFront
from voicestt.recognisers.whisper.engine.port import Engine

STREAMS_PER_CONNECTION = 100
LOOK_AT_FAULTS = 0.1
_HERE = "127.0.0.1"


class CannotListen(OSError):
    """The service cannot listen on the address; the message says which and why."""


class LocalGoogle:
    """The local Google service, started and stopped from any thread.

    `host` and `port` say where it listens (port 0: a free one), in plaintext. `time_scale` lets its clock run so
    many times as fast: all limits in seconds pass sooner, audio may come so many times as fast; audio itself
    stays as long as it is. `recorder` keeps what came. `faults` (see `fault_parser.py`, "" for none yet) or
    `faults_file` make it able to fail; without either `set_faults` is refused. With `tls`, a folder, the same
    port speaks TLS as well, and is a proxy to itself (see `tls_front.py`); the certificate is written to the
    folder. The engine stays the caller's: it is not closed. Raises `BadFaults`, and OSError for the folder.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: ServiceLimits = GOOGLES,
        time_scale: float = 1.0,
        max_streams_per_connection: int = STREAMS_PER_CONNECTION,
        recorder: Recorder | None = None,
        faults: str | None = None,
        faults_file: Path | None = None,
        tls: Path | None = None,
        complain: Callable[[str], None] = lambda words: print(words, file=sys.stderr),
    ) -> None:
        self.recorder = recorder or Recorder()
        self.host, self.port = host, port
        self._faults = Faults(parse(faults or ""))
        self._file = FaultFile(faults_file, self._faults, complain) if faults_file else None
        self._can_fail = faults is not None or faults_file is not None
        self._shared = Shared(engine, limits, time_scale, self._faults, self._connection)
        self._max_streams = max_streams_per_connection
        self._tls = None if tls is None else server_context(tls)
        self._front: TlsFront | None = None
        self._relay: Relay | None = None
        self._handlers: RpcHandlers | None = None
        self._ready = threading.Event()
        self._failed: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._live, name="google-local", daemon=True)

    def start(self) -> int:
        """Start listening and return the port; raises `CannotListen`."""
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        return self.port

    def stop(self) -> None:
        """End all calls and the thread, and return when they have ended; may be called again."""
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
        """The address for a gRPC channel."""
        return f"{self.host}:{self.port}"

    @property
    def streams(self) -> tuple[StreamRecord, ...]:
        """The records of ended calls, in the order of their ends."""
        return self.recorder.ended

    @property
    def running(self) -> tuple[StreamRecord, ...]:
        """The records of running calls, as of now."""
        return self.recorder.running

    def wait_for_streams(self, count: int, seconds: float = 10.0) -> tuple[StreamRecord, ...]:
        """Wait until `count` calls have ended; raises `TimeoutError`."""
        return self.wait(lambda: len(self.streams) >= count, seconds)

    def wait(self, until: Callable[[], bool], seconds: float = 10.0) -> tuple[StreamRecord, ...]:
        """Wait until the start or end of a call makes `until` true; raises `TimeoutError`."""
        if not self.recorder.wait(until, seconds):
            raise TimeoutError(f"google-local: not so within {seconds:g} s; ended so far: {self.streams}")
        return self.streams

    def set_faults(self, text: str) -> None:
        """Replace the faults, in force on return; raises `BadFaults`. Needs a service that can fail."""
        if not self._can_fail:
            raise RuntimeError('start the service with faults="" to set faults later')
        lines = parse(text)
        self._faults.replace(lines)
        if self._loop is not None:
            struck = threading.Event()
            self._loop.call_soon_threadsafe(self._strike)
            self._loop.call_soon_threadsafe(struck.set)
            struck.wait()

    def _strike(self) -> None:
        if self._handlers is not None:
            self._handlers.suffer()

    def _live(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - told to whoever called start
            self._failed = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_ignore_shared_poller)
        self._stopping = asyncio.Event()
        self._handlers = RpcHandlers(
            self._shared, self.recorder, peer_name=self._peer_name, refresh=self._look_at_faults
        )
        server = grpc.aio.server(options=_options(self._max_streams))
        server.add_generic_rpc_handlers(self._handlers.generic())
        self.port = await self._listen(server)
        await server.start()
        self._ready.set()
        await self._until_stopped(self._stopping)
        await self._handlers.dismiss()
        await server.stop(0)
        if self._relay is not None:
            await self._relay.close()
        if self._front is not None:
            await self._front.close()

    async def _listen(self, server: Any) -> int:
        if self._tls is None:
            return await self._listen_in_plaintext(server, self.host, self.port)
        self._front = TlsFront(await self._listen_in_plaintext(server, _HERE, 0), self._tls)
        try:
            return await self._front.listen(self.host, self.port)
        except OSError as error:
            raise _cannot_listen(self.target) from error

    async def _listen_in_plaintext(self, server: Any, host: str, port: int) -> int:
        if not self._can_fail:
            return _bound(server, f"{host}:{port}")
        self._relay = Relay(_bound(server, f"{_HERE}:0"))
        try:
            return await self._relay.listen(host, port)
        except OSError as error:
            raise _cannot_listen(f"{host}:{port}") from error

    async def _until_stopped(self, stopping: asyncio.Event) -> None:
        if self._file is None:
            await stopping.wait()
        while not stopping.is_set():
            self._look_at_faults()
            await asyncio.sleep(LOOK_AT_FAULTS)

    def _look_at_faults(self) -> None:
        if self._file is not None and self._file.refresh():
            self._strike()

    def _connection(self, peer: str, what: What) -> None:
        link = self._relay.link_of(peer) if self._relay else None
        if link is not None:
            {What.CUT: link.cut, What.FREEZE: link.freeze, What.GOAWAY: link.goaway}[what]()

    def _peer_name(self, peer: str) -> str:
        link = self._relay.link_of(peer) if self._relay else None
        return peer if link is None else link.peer


def _options(max_streams: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_concurrent_streams", max_streams),
        ("grpc.max_receive_message_length", 2 * LARGEST_REQUEST),  # ours to refuse, in Google's words
        ("grpc.so_reuseport", 0),  # a port that is taken is an error, not a second server on it
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
        ("grpc.http2.max_ping_strikes", 0),  # clients may look often whether we live
    ]


def _bound(server: Any, target: str) -> int:
    try:
        port: int = server.add_insecure_port(target)
    except RuntimeError as error:
        raise _cannot_listen(target) from error
    if port == 0:
        raise _cannot_listen(target)
    return port


def _cannot_listen(target: str) -> CannotListen:
    return CannotListen(f"google-local cannot listen on {target}: is another program using that port?")


def _ignore_shared_poller(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Drop the errors of gRPC's shared poller: it wakes every thread's loop and only one has an event."""
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)
