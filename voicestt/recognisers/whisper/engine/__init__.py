"""The embedded recogniser: Whisper on ctranslate2, its weights from packages (extra `embedded`)."""

import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voicestt.recognisers.whisper.engine.weights import (
    BASE,
    INSTALL,
    TINY_EN,
    WeightsError,
    require,
    require_directory,
)

if TYPE_CHECKING:
    from voicestt.recognisers.whisper.engine.whisper_engine import WhisperEngine

__all__ = ["WeightsError", "check", "load", "whisper_language"]

_log = logging.getLogger(__name__)
# Of the languages that BCP-47 names otherwise than Whisper does.
_NAMED_OTHERWISE: Final = {
    "iw": "he",  # Google's Hebrew is the old code
    "in": "id",
    "ji": "yi",
    "jv": "jw",
    "nb": "no",
    "fil": "tl",
    "cmn": "zh",
    "yue": "zh",
}


def load(
    language_model_dir: Path | None = None,
    warn: Callable[[str], None] = _log.warning,
) -> "WhisperEngine":
    """Make an engine whose models are loaded when first needed (see `WhisperEngine.preload`).

    `language_model_dir` is a Whisper of the user's own in ctranslate2's format, used for every language;
    without it tiny.en serves English and base the rest. `warn` is told, once, of languages that are weak.
    Raises WeightsError, which says what to install, when the runtime or a model's files are missing.
    """
    _check_runtime()
    from voicestt.recognisers.whisper.engine import whisper_engine  # noqa: PLC0415 - the runtime is an extra

    return whisper_engine.own(language_model_dir) if language_model_dir else whisper_engine.packaged(warn)


def check(language_model_dir: Path | None = None) -> None:
    """Raise WeightsError if `load` would, or the weights are missing; load nothing."""
    _check_runtime()
    if language_model_dir is not None:
        require_directory(language_model_dir)
        return
    for model in (TINY_EN, BASE):
        require(model)


def _check_runtime() -> None:
    for runtime in ("ctranslate2", "tokenizers"):
        if find_spec(runtime) is None:
            raise WeightsError(
                f"The embedded engine needs the package {runtime}, which is not installed. "
                f"Install it with: {INSTALL}"
            )


def whisper_language(code: str) -> str:
    """Return Whisper's code for a BCP-47 `code`: "he" for "iw-IL", "en" for "en-US", "zh" for "cmn-Hans-CN"."""
    primary = code.replace("_", "-").split("-")[0].casefold()
    return _NAMED_OTHERWISE.get(primary, primary)
