"""BCP-47 language codes, as Google's clients send them, to the codes that Whisper's vocabulary has."""

from typing import Final

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


def whisper_language(code: str) -> str:
    """Whisper's code of a BCP-47 `code`: "he" of "iw-IL", "en" of "en-US", "zh" of "cmn-Hans-CN"."""
    primary = code.replace("_", "-").split("-")[0].casefold()
    return _NAMED_OTHERWISE.get(primary, primary)
