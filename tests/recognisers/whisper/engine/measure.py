"""Measures the embedded engine on real voices in real time.

`python -m tests.recognisers.whisper.engine.measure 8`

The argument is how many callers talk at once (1). Each says the Austen clips of Debian's pocketsphinx-testdata in
an order of its own, in batches of 150 ms. Prints word errors, the time from where speech can be detected to
the first partial, the gap between partials, and from finish() to the end, as median/90th percentile in ms.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from statistics import quantiles
from threading import Event

from tests.recognisers.whisper.engine.voices import austen_clips, word_errors
from voicestt.audio.endpointing import Endpointer
from voicestt.recognisers.whisper.engine import load
from voicestt.recognisers.whisper.engine.port import EngineResult, Request
from voicestt.recognisers.whisper.engine.voicing import voicing
from voicestt.recognisers.whisper.engine.whisper_engine import WhisperEngine

BATCH = 2_400
BYTES_PER_SECOND = 16_000
LEAD = bytes(BYTES_PER_SECOND // 2)


class Call:
    """One clip said in real time, and when what was heard."""

    def __init__(self, engine: WhisperEngine, words: str, pcm: bytes) -> None:
        self.words, self.pcm = words, LEAD + pcm
        self.heard_: list[tuple[float, EngineResult]] = []
        self._over = Event()
        self._stream = engine.open(Request("en-US"), self)

    def heard(self, heard: EngineResult) -> None:
        self.heard_.append((time.monotonic(), heard))

    def ended(self, error: Exception | None) -> None:
        if error is not None:
            print(f"ended with {error!r}", file=sys.stderr)
        self._over.set()

    def run(self) -> None:
        self._began = time.monotonic()
        for at in range(0, len(self.pcm), BATCH):
            batch = self.pcm[at : at + BATCH]
            due = self._began + (at + len(batch)) / BYTES_PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            self._stream.write(batch)
        finished = time.monotonic()
        self._stream.finish()
        self._over.wait(60)
        self.after_finish = time.monotonic() - finished

    @property
    def errors(self) -> int:
        return word_errors(self.words, " ".join(heard.text for _, heard in self.heard_ if heard.is_final))

    @property
    def partial_times(self) -> list[float]:
        return [at for at, heard in self.heard_ if not heard.is_final]

    @property
    def first_partial(self) -> float:
        endpointer = Endpointer(voicing())
        for at in range(0, len(self.pcm), 320):
            endpointer.write(self.pcm[at : at + 320])
            if endpointer.speaking_since is not None:
                break
        return self.partial_times[0] - self._began - endpointer.detected_at / 8_000


def caller(engine: WhisperEngine, clips: list[tuple[str, bytes]]) -> list[Call]:
    calls = []
    for words, pcm in clips:
        calls.append(Call(engine, words, pcm))
        calls[-1].run()
    return calls


def spread(seconds: list[float]) -> str:
    tenths = quantiles(seconds, n=10)
    return f"{tenths[4] * 1e3:.0f}/{tenths[8] * 1e3:.0f} ms"


def main(callers: int) -> None:
    engine, clips = load(), list(austen_clips().items())
    engine.preload(["en-US"])
    began, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(callers) as pool:
        orders = [clips[k % len(clips) :] + clips[: k % len(clips)] for k in range(callers)]
        calls = [call for said in pool.map(lambda order: caller(engine, order), orders) for call in said]
    cores = (time.process_time() - cpu) / (time.monotonic() - began)
    engine.close()
    errors, words = sum(call.errors for call in calls), sum(len(call.words.split()) for call in calls)
    gaps = [later - earlier for call in calls for earlier, later in pairwise(call.partial_times)]
    print(f"callers {callers}, clips {len(calls)}, cores {cores:.2f}, word errors {errors / words:.1%}")
    print(f"first partial {spread([call.first_partial for call in calls if call.partial_times])}")
    print(f"between partials {spread(gaps)}, after finish {spread([call.after_finish for call in calls])}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
