"""A pool of gRPC channels to Google, shared by streams.

Channels with the same target and arguments share one TCP connection, and with it the server's limit of about 100
streams; each channel here has an argument of its own and carries fewer.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.auth.credentials import Credentials as GoogleCredentials
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcAsyncIOTransport

from voicestt.config import credentials as keys
from voicestt.runtime.google_auth import default_key, load_key

_HOST = "speech.googleapis.com:443"
_MOST_STREAMS = 80
_SUSPICIOUS_SECONDS = 1.0
_numbers = itertools.count()  # of the process: channels of two threads with one number would share a connection
_KEEPALIVE = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # After an outage gRPC waits up to two minutes by itself before it connects again, and 20 s for an answer.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 3_000),
)


@dataclass(frozen=True, slots=True)
class GoogleTarget:
    """Google's address: `endpoint` is HOST:PORT, None for Google's own; `insecure` is plaintext, without a key."""

    endpoint: str | None = None
    insecure: bool = False
    key: keys.Credentials | None = None


class _Pooled:
    """A channel, the number of its streams, and the time of the last message on it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.streams = 0
        self.heard_at = time.monotonic()
        self.is_trusted = True


class ChannelPool:
    """The channels of one session thread; used in that thread only."""

    def __init__(self, target: GoogleTarget) -> None:
        self._target = target
        self._key: GoogleCredentials | None = None
        self._key_lock = asyncio.Lock()
        self._pooled: list[_Pooled] = []
        self._closing: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[grpc.aio.Channel]:
        """Lend a channel with room for one more stream.

        Raises:
            google.auth.exceptions.GoogleAuthError: when there is no key.
        """
        if not self._target.insecure:
            await self._find_key()
        pooled = self._with_room()
        pooled.streams += 1
        try:
            yield pooled.channel
        finally:
            pooled.streams -= 1
            if not pooled.is_trusted and not pooled.streams and pooled in self._pooled:
                self._pooled.remove(pooled)
                await pooled.channel.close()

    def heard(self, channel: grpc.aio.Channel) -> None:
        """Note a message on `channel`: its connection works."""
        for pooled in self._pooled:
            if pooled.channel is channel:
                pooled.heard_at = time.monotonic()

    def given_up(self, channel: grpc.aio.Channel, began: float) -> None:
        """Note that a call, begun at `began` (monotonic seconds), was given up on `channel` without an answer.

        If nothing came for anybody meanwhile, the connection may be dead, which gRPC notices late: no other call
        is given to it, and it is closed with its last one.
        """
        for pooled in self._pooled:
            silent = time.monotonic() - max(pooled.heard_at, began)
            if pooled.channel is channel and silent >= _SUSPICIOUS_SECONDS:
                pooled.is_trusted = False

    def distrust_all(self) -> None:
        """Give no more calls to the present channels; each is closed with its last call."""
        for pooled in self._pooled:
            pooled.is_trusted = False
        idle = [pooled for pooled in self._pooled if not pooled.streams]
        for pooled in idle:
            self._pooled.remove(pooled)
            closing = asyncio.ensure_future(pooled.channel.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close every channel."""
        for pooled in self._pooled:
            await pooled.channel.close()
        self._pooled.clear()
        if self._closing:
            await asyncio.wait(self._closing)

    def _with_room(self) -> _Pooled:
        for pooled in self._pooled:
            if pooled.is_trusted and pooled.streams < _MOST_STREAMS:
                return pooled
        pooled = _Pooled(self._open(next(_numbers)))
        self._pooled.append(pooled)
        return pooled

    def _open(self, number: int) -> grpc.aio.Channel:
        options: list[tuple[str, Any]] = [*_KEEPALIVE, ("voicestt.channel", number)]
        endpoint = self._target.endpoint or _HOST
        if self._target.insecure:
            return grpc.aio.insecure_channel(endpoint, options=options)
        return SpeechGrpcAsyncIOTransport.create_channel(endpoint, credentials=self._key, options=options)

    async def _find_key(self) -> None:
        async with self._key_lock:
            if self._key is not None:
                return
            if self._target.key is not None:
                self._key = load_key(self._target.key)
            else:  # asks the machine's metadata server, and may wait for it
                self._key = await asyncio.to_thread(default_key)
