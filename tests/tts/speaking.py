"""A service that speaks as Google Cloud Text-to-Speech does, on this machine: gRPC and Google's own messages."""

import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.cloud.texttospeech_v1 import SynthesizeSpeechRequest, SynthesizeSpeechResponse

from voicestt.tts.espeak import Espeak
from voicestt.tts.port import Synthesiser

SERVICE = "google.cloud.texttospeech.v1.TextToSpeech"

Answer = Callable[[SynthesizeSpeechRequest, Any], bytes]
"""Gives the answer: the audio's bytes; it may abort the call instead."""


def wav(audio: bytes, *, size: int | None = None, kind: int = 7, rate: int = 8_000, bits: int = 8) -> bytes:
    """A WAV file as Google makes them, with a part more than it must have; `size` is what its header says."""
    layout = struct.pack("<HHIIHHH", kind, 1, rate, rate * bits // 8, bits // 8, bits, 0)
    parts = b"fmt " + struct.pack("<I", len(layout)) + layout
    parts += b"LIST" + struct.pack("<I", 3) + b"abc\0"
    parts += b"data" + struct.pack("<I", len(audio) if size is None else size) + audio
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WAVE" + parts


class Service:
    """Answers requests with `answer`, and keeps them."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[SynthesizeSpeechRequest] = []

    def _synthesise(self, request: SynthesizeSpeechRequest, context: Any) -> SynthesizeSpeechResponse:
        self.requests.append(request)
        return SynthesizeSpeechResponse(audio_content=self.answer(request, context))

    def handler(self) -> Any:
        method = grpc.unary_unary_rpc_method_handler(
            self._synthesise,
            request_deserializer=SynthesizeSpeechRequest.deserialize,
            response_serializer=SynthesizeSpeechResponse.serialize,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"SynthesizeSpeech": method})


@contextmanager
def serving(service: Service, port: int = 0) -> Iterator[int]:
    """The service on a port of 127.0.0.1."""
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((service.handler(),))
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        try:
            yield bound
        finally:
            server.stop(0).wait()


def spoken_by(voice: Synthesiser | Espeak) -> Answer:
    """An answer in a real voice, as Google gives it: mu-law with a WAV header."""
    return lambda request, _context: wav(voice.speak(request.input.text))
