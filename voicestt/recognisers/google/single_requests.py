"""Single requests to Google: one for each utterance, asked again without what Google refuses."""

import time
from typing import Any

import grpc

from voicestt.audio import mulaw
from voicestt.recognisers.google.channels import ChannelPool
from voicestt.recognisers.google.negotiation import FeatureNegotiation
from voicestt.recognisers.google.request import RecognitionRequest
from voicestt.recognisers.google.responses import error_of
from voicestt.recognisers.port import Result

RECOGNISE_SECONDS = 12.0


async def ask(
    channels: ChannelPool, features: FeatureNegotiation, wanted: RecognitionRequest, audio: bytes
) -> Result | None:
    """Return the final of one utterance in mu-law, None if nothing was understood; on a session thread.

    Raises:
        RecogniserError: for what another request cannot mend, or a failure.
    """
    while True:
        request = features.fit(wanted)
        try:
            return await _ask_once(channels, request, audio)
        except grpc.RpcError as problem:
            error = features.consider(error_of(problem), request)
        # What Google refused may have been given up, and then it is asked again without.
        if error.is_fatal or request == features.fit(wanted):
            raise error


async def _ask_once(channels: ChannelPool, request: RecognitionRequest, audio: bytes) -> Result | None:
    message = request.api.utterance(request.config(), mulaw.decode(audio))
    async with channels.lease() as channel:
        method: Any = channel.unary_unary(request.api.recognise_method, response_deserializer=request.api.answer)
        began = time.monotonic()
        try:
            answer = await method(message, timeout=RECOGNISE_SECONDS, metadata=request.api.metadata)
        except grpc.aio.AioRpcError:
            channels.given_up(channel, began)
            raise
        channels.heard(channel)
        return request.utterance_of(answer)
