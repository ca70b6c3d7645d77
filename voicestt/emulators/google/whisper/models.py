"""Chooses the Whisper model for each language."""

from pathlib import Path
from typing import Final

from voicestt.emulators.google.whisper import weights
from voicestt.emulators.google.whisper.decoder import WhisperModel
from voicestt.emulators.google.whisper.engine import Model, Warn, WhisperEngine

WEAK_HEBREW: Final = (
    "Hebrew on the embedded engine is weak: Whisper base gets about half of the words wrong (49 % on a tiny "
    "sample). It shows that everything works together; it is not a product. Use Google, or a large Hebrew "
    "model in a directory of your own."
)


def packaged(warn: Warn) -> WhisperEngine:
    """Makes an engine with tiny.en for English and base for the rest; WeightsError without their packages."""
    tiny_en, base = _packaged(weights.TINY_EN), _packaged(weights.BASE)
    return WhisperEngine(lambda language: tiny_en if language == "en" else base, {"he": WEAK_HEBREW}, warn)


def own(directory: Path) -> WhisperEngine:
    """Makes an engine with the user's own model for all languages; WeightsError when `directory` holds none."""
    weights.require_directory(directory)
    model = Model(lambda: WhisperModel(weights.read_directory(directory)))
    return WhisperEngine(lambda _: model)


def _packaged(model: weights.PackagedModel) -> Model:
    weights.require(model)
    return Model(lambda: WhisperModel(weights.read(model)))
