"""Google's own client for Python, as a program: does the jobs of its argument, and prints what it hears.

See `rig.py` for the jobs and the lines. `options` of a job are the fields of RecognitionConfig, `streaming` those
of v1's StreamingRecognitionConfig or v2's StreamingRecognitionFeatures.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.cloud import speech_v1, speech_v2

RECOGNIZER = "projects/a-project/locations/{location}/recognizers/_"
EVENTS = {2: "speech begins", 3: "speech ends"}


def v2_client(job: dict[str, Any]) -> Any:
    if job["location"] == "global":
        return speech_v2.SpeechClient()
    options = {"api_endpoint": f"{job['location']}-speech.googleapis.com"}
    return speech_v2.SpeechClient(client_options=options)


def messages(job: dict[str, Any]) -> Iterator[bytes]:
    audio, size = Path(job["audio"]).read_bytes(), job["rate"] // 5
    return (audio[start : start + size] for start in range(0, len(audio), size))


def v2_config(job: dict[str, Any]) -> Any:
    decoding = speech_v2.ExplicitDecodingConfig(
        encoding="LINEAR16", sample_rate_hertz=job["rate"], audio_channel_count=1
    )
    return speech_v2.RecognitionConfig(explicit_decoding_config=decoding, **job["options"])


def v2_requests(job: dict[str, Any]) -> Iterator[Any]:
    streaming = speech_v2.StreamingRecognitionConfig(
        config=v2_config(job), streaming_features=speech_v2.StreamingRecognitionFeatures(**job["streaming"])
    )
    yield speech_v2.StreamingRecognizeRequest(recognizer=RECOGNIZER.format_map(job), streaming_config=streaming)
    yield from (speech_v2.StreamingRecognizeRequest(audio=audio) for audio in messages(job))


def v1_config(job: dict[str, Any]) -> Any:
    return speech_v1.RecognitionConfig(encoding="LINEAR16", sample_rate_hertz=job["rate"], **job["options"])


def v1_stream(job: dict[str, Any]) -> Any:
    streaming = speech_v1.StreamingRecognitionConfig(config=v1_config(job), **job["streaming"])
    requests = (speech_v1.StreamingRecognizeRequest(audio_content=audio) for audio in messages(job))
    client: Any = speech_v1.SpeechClient()  # its types are those of the client that it helps
    return client.streaming_recognize(streaming, requests)


def responses(job: dict[str, Any]) -> Any:
    """Return the responses of the API, one after the other."""
    is_v2, content = job["version"] == "v2", Path(job["audio"]).read_bytes()
    if job["stream"]:
        return v2_client(job).streaming_recognize(v2_requests(job)) if is_v2 else v1_stream(job)
    if is_v2:
        request = speech_v2.RecognizeRequest(
            recognizer=RECOGNIZER.format_map(job), config=v2_config(job), content=content
        )
        return [v2_client(job).recognize(request)]
    recording = speech_v1.RecognitionAudio(content=content)
    if job["is_long"]:
        return [speech_v1.SpeechClient().long_running_recognize(config=v1_config(job), audio=recording).result(20)]
    return [speech_v1.SpeechClient().recognize(config=v1_config(job), audio=recording)]


def heard(job: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for response in responses(job):
        if kind := EVENTS.get(getattr(response, "speech_event_type", 0)):
            yield kind, ""
        for result in response.results:
            is_final = not job["stream"] or result.is_final
            yield "final" if is_final else "partial", result.alternatives[0].transcript


for each in json.loads(sys.argv[1]):
    try:
        for what, text in heard(each):
            print(json.dumps([each["name"], what, text]), flush=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
        print(json.dumps([each["name"], "error", repr(error)]), flush=True)
