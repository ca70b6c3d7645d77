"""The server most people write, for comparison: uvicorn, Starlette, a google-cloud-speech thread for each call.

Written for this purpose, after nobody's code: a WebSocket handler that reads JSON, a queue, a thread whose
generator feeds `streaming_recognize` batches of 150 ms, LINEAR16 made frame by frame. It answers the same TwiML
and writes the same events file as the real server, so that the same callers can drive both. Its settings come from
the same environment; it checks no signatures, retries nothing and replaces no stream.

    GCP_STT_ENDPOINT=127.0.0.1:9000 PUBLIC_HOST=demo.example EVENTS_FILE=e.jsonl python tests/bench/baseline.py 80
"""

import base64
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import uvicorn
from google.cloud import speech
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcTransport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from voicestt.audio import mulaw
from voicestt.twilio import twiml

BATCH_BYTES = 2_400
DEBOUNCE_SECONDS = 0.18


class Transcriber:
    """One call: audio goes into a queue, a thread sends it and reads the answers."""

    def __init__(self, client: speech.SpeechClient, events: Any, call_sid: str) -> None:
        self.client: Any = client  # its two forms of streaming_recognize have one type
        self.events = events
        self.call_sid = call_sid
        self.audio: queue.Queue[bytes | None] = queue.Queue()
        self.last_partial = 0.0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def requests(self) -> Iterator[speech.StreamingRecognizeRequest]:
        buffered = b""
        while True:
            chunk = self.audio.get()
            if chunk is None:
                break
            buffered += chunk
            while len(buffered) >= BATCH_BYTES:
                yield speech.StreamingRecognizeRequest(audio_content=buffered[:BATCH_BYTES])
                buffered = buffered[BATCH_BYTES:]
        if buffered:
            yield speech.StreamingRecognizeRequest(audio_content=buffered)

    def run(self) -> None:
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
        try:
            for response in self.client.streaming_recognize(config, self.requests()):
                for result in response.results:
                    if result.alternatives:
                        self.heard(result.is_final, result.alternatives[0].transcript)
        except Exception as error:  # noqa: BLE001 (as most people write it)
            print(f"{self.call_sid} failed: {error}", flush=True)

    def heard(self, is_final: bool, text: str) -> None:
        now = time.monotonic()
        if not is_final and now - self.last_partial < DEBOUNCE_SECONDS:
            return
        self.last_partial = now
        print(f"{'Final' if is_final else 'Partial'}: {text}", flush=True)
        line = {"call": self.call_sid, "kind": "final" if is_final else "partial", "text": text, "t": now}
        self.events.write(json.dumps(line) + "\n")
        self.events.flush()


async def media(websocket: WebSocket) -> None:
    """Twilio's stream."""
    await websocket.accept()
    state, transcriber = websocket.app.state, None
    try:
        while True:
            message = json.loads(await websocket.receive_text())
            if message["event"] == "start":
                transcriber = Transcriber(state.client, state.events, message["start"]["callSid"])
            elif message["event"] == "media" and transcriber is not None:
                payload = np.frombuffer(base64.b64decode(message["media"]["payload"]), np.uint8)
                transcriber.audio.put(mulaw.TABLE[payload].tobytes())
            elif message["event"] == "stop":
                break
        await websocket.close()
    except WebSocketDisconnect:
        pass
    finally:
        if transcriber is not None:
            transcriber.audio.put(None)


async def incoming_call(request: Request) -> Response:
    """The same document as the real server's."""
    return Response(twiml.connect_stream(request.app.state.host), media_type="text/xml")


async def stream_status(_request: Request) -> Response:
    """Taken note of by nobody."""
    return Response(status_code=204)


async def health(_request: Request) -> Response:
    """For the load caller."""
    return Response("ok")


def application() -> Starlette:
    """Routes, one client for all calls, one events file."""
    app = Starlette(
        routes=[
            Route("/webhook/incoming_call", incoming_call, methods=["POST"]),
            Route("/webhook/stream_status", stream_status, methods=["POST"]),
            Route("/healthz", health),
            WebSocketRoute("/ws/twilio-media", media),
        ]
    )
    channel = grpc.insecure_channel(os.environ["GCP_STT_ENDPOINT"])
    app.state.client = speech.SpeechClient(transport=SpeechGrpcTransport(channel=channel))
    app.state.events = Path(os.environ["EVENTS_FILE"]).open("a", encoding="utf-8")  # noqa: SIM115 (lives as we do)
    app.state.host = os.environ["PUBLIC_HOST"]
    return app


if __name__ == "__main__":
    uvicorn.run(application(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
