"""The places of a call's words, through real gRPC: a stream, one that replaces it, and single requests."""

from itertools import pairwise

import numpy as np
import pytest

from tests.recognisers.on_reactor import (
    Sessions,
    WaitingEar,
    on_reactor,
    reactor,
)
from voicestt.audio import mulaw
from voicestt.emulators.google import script
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.google.timeline import Timeline, clip_of
from voicestt.recognisers.fallback import Fallback
from voicestt.recognisers.google.api import GOOGLE_V1, ApiV2, ApiVersion
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.client import GoogleRecogniser
from voicestt.recognisers.google.request import RecognitionRequest
from voicestt.recognisers.modes import Flag
from voicestt.recognisers.port import RecognisedWord
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.services import ServicesHealth
from voicestt.recognisers.single_shot import SingleShot
from voicestt.recognisers.streaming import Endless, StreamLimits

SCRIPT = script.parse(
    """{
      "utterances": [
        {"text": "one two three four", "start": 0.8, "end": 1.6},
        {"text": "five six seven", "start": 2.8, "end": 3.4},
        {"text": "eight nine ten", "start": 4.6, "end": 5.5}
      ],
      "final_delay": 0.2
    }"""
)
SECOND = mulaw.BYTES_PER_SECOND
AUDIO = mulaw.encode(np.frombuffer(clip_of(SCRIPT, 5, 6.5), "<i2"))
SPOKEN = [
    RecognisedWord(word, utterance.word_start(index), utterance.word_end(index))
    for utterance in Timeline(SCRIPT).between(0, len(AUDIO))
    for index, word in enumerate(utterance.words)
]


@pytest.mark.parametrize("api", [GOOGLE_V1, ApiV2("mine")], ids=["v1", "v2"])
@on_reactor
async def test_words_are_where_they_were_said_whichever_way_their_audio_went(
    sessions: Sessions, api: ApiVersion
) -> None:
    with LocalGoogle(ScriptEngine(SCRIPT), faults="stream 1: error UNAVAILABLE after 3.1 s of audio") as service:
        asked = RecognitionRequest("en-US", "telephony", api=api)
        google = GoogleRecogniser(sessions.threads, GoogleTarget(service.target, insecure=True), asked)
        flag = Flag(is_on=True)
        health = ServicesHealth(reactor, google, google.recognise)
        single_shot = SingleShot(google.recognise, lambda action: reactor.callLater(0, action))
        streaming = Endless(reactor, google, StreamLimits(), health=health.streaming)
        ear = WaitingEar()
        probe = Probe(reactor, google)
        session = Fallback(reactor, flag, streaming, single_shot, probe, health.streaming).open(ear)
        for at in range(0, 4 * SECOND, 1_200):
            session.write(AUDIO[at : at + 1_200])
        await ear.until(lambda: len(ear.finals) == 2)
        flag.turn(is_on=False)
        session.write(AUDIO[at + 1_200 :])
        session.finish()
        assert await ear.end() is None
        health.stop()
    finals = [result for result in ear.results if result.is_final]
    assert [word for final in finals for word in final.words] == SPOKEN
    assert [final.source for final in finals] == ["google-streaming", "google-streaming", "google-recognize"]
    assert [final.start for final in finals] == [final.words[0].start for final in finals]
    assert all(first.end <= (second.start or 0) for first, second in pairwise(finals))
    assert ear.kinds == ["restarted", "degraded"]
    totals = session.totals
    sent = dict.fromkeys(("Recognize", "StreamingRecognize"), 0)
    for record in service.streams:
        sent[record.method] += record.audio_bytes // 2
    assert totals.requested == sent["Recognize"] > 0
    assert totals.handed >= sent["StreamingRecognize"] > 0
    assert totals.google_bytes > len(AUDIO)
