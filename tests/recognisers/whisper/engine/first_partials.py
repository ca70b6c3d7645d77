"""Measures how often the first partial of an utterance has words that nobody said.

`python -m tests.recognisers.whisper.engine.first_partials en-US DIRECTORY`

DIRECTORY has recordings in WAV, of Debian's asterisk-core-sounds-en-wav say; 100 of them are taken (or as many as
a third argument says). What was said is what the whole recording is read as. Prints, for the first reading with
any word and for the first partial shown: the time from where speech can be detected, in ms of audio, as
median/90th percentile; the share without a single word that was said; and the share with any word that was not.
"""

import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]

from voicestt.audio import mulaw
from voicestt.audio.endpointing import Endpointer
from voicestt.recognisers.whisper.engine import load, whisper_language
from voicestt.recognisers.whisper.engine.decoder import DecodeJob, WhisperModel
from voicestt.recognisers.whisper.engine.first_words import FirstWords
from voicestt.recognisers.whisper.engine.port import Request
from voicestt.recognisers.whisper.engine.voicing import voicing

BATCH = 2_400
NOISE = np.random.default_rng(1)


@dataclass(frozen=True)
class First:
    """The first text of an utterance, and after how many ms of its audio."""

    text: str
    after: float


def recording(path: Path) -> bytes:
    """Return LINEAR16 at 8 kHz through mu-law, with half a second before and one behind it, and a line's noise."""
    samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    spoken = np.concatenate([np.zeros(4_000), soxr.resample(samples[:, 0], rate, 8_000), np.zeros(8_000)])
    loud = (spoken + NOISE.normal(0, 10 / 32_768, len(spoken))) * 32_767
    return mulaw.decode(mulaw.encode(np.clip(loud, -32_768, 32_767).astype(np.int16)))


def readings(pcm: bytes, language: str) -> Iterator[tuple[int, float, DecodeJob]]:
    """Yield what is read of each utterance in turn: where it began, ms since its detection, and the audio."""
    endpointer, voiced = Endpointer(voicing()), 0
    for at in range(0, len(pcm), BATCH):
        endpointer.write(pcm[at : at + BATCH])
        start, end = endpointer.speaking_since, endpointer.position
        if start is None or endpointer.last_voiced == voiced or end - endpointer.detected_at < 480:
            continue
        voiced = endpointer.last_voiced
        after = (end - endpointer.detected_at) / 8
        yield start, after, DecodeJob(pcm[2 * start : 2 * end], voiced - start, language)


def firsts(model: WhisperModel, pcm: bytes, language: str) -> tuple[list[First], list[First]]:
    """Return the first readings with a word, and the first partials, of a recording's utterances."""
    read: dict[int, First] = {}
    shown: dict[int, First] = {}
    rules: dict[int, FirstWords] = {}
    for start, after, job in readings(pcm, language):
        if start not in read and (text := model.quick(job).text):
            read[start] = First(text, after)
        rule = rules.setdefault(start, FirstWords())
        if start not in shown and (text := rule.shown(model.beginning(job), job.speech_end / 8_000)):
            shown[start] = First(text, after)
    return list(read.values()), list(shown.values())


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.casefold())


def report(title: str, found: list[tuple[First, set[str]]]) -> None:
    after = [first.after for first, _ in found]
    known = [[word in said for word in words(first.text)] for first, said in found]
    none, some = (sum(not judge(each) for each in known) / len(known) for judge in (any, all))
    print(f"{title}: {len(found)}, after {median(after):.0f}/{quantiles(after, n=10)[8]:.0f} ms,", end=" ")
    print(f"none of its words said {none:.0%}, not all of them {some:.0%}")


def main(code: str, directory: Path, count: int) -> None:
    language, engine = whisper_language(code), load()
    model = engine._model_for(language).decoder()
    read, shown = [], []
    paths = sorted(directory.rglob("*.wav"))
    for path in random.Random(7).sample(paths, min(count, len(paths))):
        pcm = recording(path)
        said = set(words(" ".join(final.text for final in engine.recognise(Request(code), pcm))))
        of_read, of_shown = firsts(model, pcm, language)
        read += [(first, said) for first in of_read if said]
        shown += [(first, said) for first in of_shown if said]
    report("read", read)
    report("shown", shown)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 100)
