"""Maps BCP-47 language codes, as Google's clients send them, to the codes of Whisper's vocabulary."""

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
    """Returns Whisper's code for a BCP-47 `code`: "he" for "iw-IL", "en" for "en-US", "zh" for "cmn-Hans-CN"."""
    primary = code.replace("_", "-").split("-")[0].casefold()
    return _NAMED_OTHERWISE.get(primary, primary)
