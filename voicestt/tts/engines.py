"""The choice of the speech engine by the settings."""

from collections.abc import Callable, Mapping

from voicestt.config.settings import Settings
from voicestt.tts.espeak import espeak_of
from voicestt.tts.google import google_of
from voicestt.tts.port import Synthesiser
from voicestt.tts.remembering import Remembering
from voicestt.tts.texts import InPieces

_ENGINES: Mapping[str, Callable[[Settings], Synthesiser]] = {"google": google_of, "espeak-ng": espeak_of}


def synthesiser_of(settings: Settings) -> Synthesiser | None:
    """Create the synthesiser of TTS_ENGINE; None if that is `off`.

    It blocks: espeak-ng is tried, Google's library is loaded. Google itself is not asked: the server takes calls
    without it.

    Raises:
        SpeechError: when it cannot speak, with what to do.
    """
    if settings.tts_engine == "off":
        return None
    return Remembering(InPieces(_ENGINES[settings.tts_engine](settings)))
