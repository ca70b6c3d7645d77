import subprocess
import sys
from importlib.resources import files

import numpy as np

from voicestt.audio import mulaw
from voicestt.audio.chime import PEAK, chime


def loudness(audio: bytes) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    samples: np.ndarray[tuple[int], np.dtype[np.float64]] = np.abs(
        np.frombuffer(mulaw.decode(audio), "<i2").astype(np.float64)
    )
    return samples / 32_768


def test_the_file_in_the_package_is_this_chime() -> None:
    assert files("voicestt.audio").joinpath("greeting.ulaw").read_bytes() == chime()


def test_the_command_that_made_the_file_makes_it_again() -> None:
    made = subprocess.run([sys.executable, "-m", "voicestt.audio.chime"], capture_output=True, check=True)
    assert made.stdout == chime()


def test_it_lasts_640_ms_in_whole_frames() -> None:
    assert len(chime()) == 32 * mulaw.BYTES_PER_FRAME


def test_it_is_as_loud_as_a_voice_and_comes_and_goes_without_a_click() -> None:
    level = loudness(chime())
    assert 0.95 * PEAK < level.max() < 1.05 * PEAK
    assert level[:2].max() < 0.001
    assert level[-8:].max() < 0.001


def test_two_notes_follow_each_other() -> None:
    samples = np.frombuffer(mulaw.decode(chime()), "<i2").astype(np.float64)

    def pitch(begins: int, ends: int) -> float:
        spectrum = np.abs(np.fft.rfft(samples[begins:ends] * np.hanning(ends - begins), 16_384))
        return float(spectrum.argmax()) * 8_000 / 16_384

    assert abs(pitch(0, 1_440) - 659) < 8
    assert abs(pitch(2_400, 5_120) - 880) < 8
