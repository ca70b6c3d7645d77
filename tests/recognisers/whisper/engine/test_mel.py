import numpy as np
import pytest

from voicestt.recognisers.whisper.engine.mel import filter_bank, log_mel


def tone(hertz: float, seconds: float = 1.0) -> bytes:
    at = np.arange(round(8_000 * seconds)) / 8_000
    return (10_000 * np.sin(2 * np.pi * hertz * at)).astype("<i2").tobytes()


def mel_of_16_khz(samples: np.ndarray, frames: int) -> np.ndarray:
    """Whisper's own recipe, written plainly: the reference for audio that has nothing above 4 kHz."""
    window = 0.5 * (1 - np.cos(2 * np.pi * np.arange(400) / 400))
    padded = np.pad(np.pad(samples, (0, 400)), (200, 0), mode="reflect")
    columns = [padded[at : at + 400] * window for at in range(0, 160 * frames, 160)]
    power = np.abs(np.fft.rfft(columns, axis=1)) ** 2
    log = np.log10(np.maximum(power[:, :101] @ filter_bank(80).T.astype(float), 1e-10))
    scaled: np.ndarray = (np.maximum(log, log.max() - 8) + 4) / 4
    return scaled.T


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.5, 2.0])
def test_it_is_padded_or_cut_to_the_window(bands: int, seconds: float) -> None:
    mel = log_mel(tone(440, seconds), 100, bands)
    assert mel.shape == (1, bands, 100)
    assert mel.dtype == np.float32
    assert np.isfinite(mel).all()


def test_8_khz_gives_what_whisper_makes_of_16_khz() -> None:
    at = np.arange(16_000) / 16_000
    fine = 0.3 * np.sin(2 * np.pi * 500 * at) + 0.1 * np.sin(2 * np.pi * 2_300 * at)
    coarse = np.round(fine[::2] * 32_768).astype("<i2").tobytes()
    ours, theirs = log_mel(coarse, 98)[0], mel_of_16_khz(fine, 98)
    assert np.abs(ours - theirs)[:, 2:96][theirs[:, 2:96] > theirs.max() - 1].max() < 0.02


def test_a_tone_is_loudest_in_its_own_band() -> None:
    loudest = log_mel(tone(1_000), 90)[0].mean(axis=1).argmax()
    assert filter_bank(80)[:, 25].argmax() == loudest


def test_every_filter_has_the_same_area() -> None:
    wide = filter_bank(80)[40:60]
    assert wide.sum(axis=1) * 40 == pytest.approx(np.ones(20), rel=0.1)
