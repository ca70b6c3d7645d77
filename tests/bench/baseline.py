"""The server most people write, for comparison: uvicorn and a google-cloud-speech thread for each call.

Written for this purpose, after nobody's code, and as lean as this form allows, so that the ratio says something:
a bare ASGI application on uvloop and httptools, audio joined to batches of 150 ms on the loop (one queue entry a
batch, LINEAR16 made a batch at a time), answers read from the plain protobuf messages and not through their
wrappers. It answers the same TwiML and writes the same events file as the real server, so that the same callers
can drive both. Its settings come from the same environment; it checks no signatures, retries nothing, replaces
no stream and keeps no journal.

    GCP_STT_ENDPOINT=127.0.0.1:9000 PUBLIC_HOST=demo.example EVENTS_FILE=e.jsonl python tests/bench/baseline.py 80
"""

import base64
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import uvicorn
from google.cloud import speech
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcTransport

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from voicestt.audio import mulaw
from voicestt.twilio import twiml

BATCH_BYTES = 1_200  # 150 ms of mu-law
DEBOUNCE_SECONDS = 0.18

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Transcriber:
    """One call: batches go into a queue, a thread sends them and reads the answers."""

    def __init__(self, client: speech.SpeechClient, events: Any, call_sid: str) -> None:
        self.client: Any = client  # its two forms of streaming_recognize have one type
        self.events = events
        self.call_sid = call_sid
        self.buffered = bytearray()
        self.batches: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.last_partial = 0.0
        threading.Thread(target=self.run, daemon=True).start()

    def take(self, payload: str) -> None:
        """Adds a frame of Twilio's; hands over what has become a batch."""
        self.buffered += base64.b64decode(payload)
        if len(self.buffered) >= BATCH_BYTES:
            self.batches.put(bytes(self.buffered[:BATCH_BYTES]))
            del self.buffered[:BATCH_BYTES]

    def end(self) -> None:
        """Hands over the rest, and ends the stream."""
        if self.buffered:
            self.batches.put(bytes(self.buffered))
        self.batches.put(None)

    def requests(self) -> Iterator[speech.StreamingRecognizeRequest]:
        """Makes requests of the batches, until the call ends."""
        while (batch := self.batches.get()) is not None:
            linear = mulaw.TABLE[np.frombuffer(batch, np.uint8)].tobytes()
            yield speech.StreamingRecognizeRequest(audio_content=linear)

    def run(self) -> None:
        """Streams to Google in this call's own thread."""
        config = speech.StreamingRecognitionConfig(
            config=speech.RecognitionConfig(
                encoding=speech.RecognitionConfig.AudioEncoding.LINEAR16,
                sample_rate_hertz=8000,
                language_code="en-US",
                model="phone_call",
                use_enhanced=True,
            ),
            interim_results=True,
        )
        plain = speech.StreamingRecognizeResponse.pb
        try:
            for response in self.client.streaming_recognize(config, self.requests()):
                for result in plain(response).results:
                    if result.alternatives:
                        self.heard(result.is_final, result.alternatives[0].transcript)
        except Exception as error:  # noqa: BLE001 (as most people write it)
            print(f"{self.call_sid} failed: {error}", flush=True)

    def heard(self, is_final: bool, text: str) -> None:
        """Prints and writes a result, partials at most every 180 ms."""
        now = time.monotonic()
        if not is_final and now - self.last_partial < DEBOUNCE_SECONDS:
            return
        self.last_partial = now
        print(f"{'Final' if is_final else 'Partial'}: {text}", flush=True)
        line = {"call": self.call_sid, "kind": "final" if is_final else "partial", "text": text, "t": now}
        self.events.write(json.dumps(line) + "\n")
        self.events.flush()


class Application:
    """The ASGI application: three paths, one client for all calls, one events file."""

    def __init__(self) -> None:
        channel = grpc.insecure_channel(os.environ["GCP_STT_ENDPOINT"])
        self.client = speech.SpeechClient(transport=SpeechGrpcTransport(channel=channel))
        self.events = Path(os.environ["EVENTS_FILE"]).open("a", encoding="utf-8")  # noqa: SIM115 (lives as we do)
        self.host = os.environ["PUBLIC_HOST"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] == "websocket":
            await self.media(receive, send)
        elif scope["type"] == "http":
            is_call = scope["path"] == twiml.INCOMING_CALL
            body = twiml.connect_stream(self.host) if is_call else b"ok"
            kind = b"text/xml; charset=utf-8" if is_call else b"text/plain"
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
            await send({"type": "http.response.body", "body": body})

    async def media(self, receive: Receive, send: Send) -> None:
        """Serves Twilio's stream."""
        transcriber: Transcriber | None = None
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None})
        try:
            while (received := await receive())["type"] == "websocket.receive":
                message = json.loads(received["text"])
                if message["event"] == "media" and transcriber is not None:
                    transcriber.take(message["media"]["payload"])
                elif message["event"] == "start":
                    transcriber = Transcriber(self.client, self.events, message["start"]["callSid"])
                elif message["event"] == "stop":
                    await send({"type": "websocket.close", "code": 1000})
                    break
        finally:
            if transcriber is not None:
                transcriber.end()


if __name__ == "__main__":
    uvicorn.run(
        Application(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        lifespan="off",
        ws_per_message_deflate=False,
    )
