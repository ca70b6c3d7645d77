"""The rows of the table in docs/speech.md: what is set, what Google is sent, and how it may refuse it."""

from collections.abc import Mapping
from typing import NamedTuple

HINTS = "Shure | 15\n"
SAID = {
    "utterances": [
        {
            "text": "I am calling from sure",
            "start": 0.4,
            "end": 1.6,
            "texts": {"he": "אני מתקשר מחברת שור", "ar": "انا اتصل من شركة"},
            "hinted": {"Shure": "I am calling from Shure"},
            "others": ["I am calling from shore"],
        }
    ],
    "final_delay": 0.2,
    "quirks": False,
}
BASE = {"PUBLIC_HOST": "x.example", "TWILIO_VALIDATE": "false", "GOOGLE_APPLICATION_CREDENTIALS": ""}
V1 = {"GCP_STT_LANGUAGE": "en-US", "GCP_STT_MODEL": "default", "GCP_STT_API": "v1"}
V2 = {"GCP_STT_LANGUAGE": "en-US", "GCP_STT_MODEL": "long", "GCP_STT_API": "v2", "GCP_PROJECT": "p"}
CHIRP = {"GCP_STT_MODEL": "chirp_3", "GCP_STT_LOCATION": "eu"}


class Row(NamedTuple):
    """A row: the setting in its first cell, what is set, patterns of what v1 and v2 are sent (None: nothing), and
    Google's words when it refuses it ("": it does not).
    """

    setting: str
    given: Mapping[str, str]
    v1: str | None
    v2: str | None
    refusal: str = ""


def _alike(setting: str, given: Mapping[str, str], sent: str, refusal: str = "") -> Row:
    return Row(setting, given, sent, sent, refusal)


ROWS = (
    Row("GCP_STT_LANGUAGE", {"GCP_STT_LANGUAGE": "ar-IL"}, 'language_code: "ar-IL"', 'language_codes: "ar-IL"'),
    Row(
        "GCP_STT_MODEL",
        {"GCP_STT_MODEL": "telephony"},
        *2 * ('model: "telephony"',),
        "this model is not supported",
    ),
    _alike("GCP_STT_PUNCTUATION_FINAL", {}, "enable_automatic_punctuation: true"),
    Row(
        "STT_HINTS_FILE",
        {"STT_HINTS_FILE": "hints.txt"},
        r'speech_contexts \{\s+phrases: "Shure"\s+boost: 15',
        r'inline_phrase_set \{\s+phrases \{\s+value: "Shure"\s+boost: 15',
        "speech_contexts or adaptation: no phrases",
    ),
    Row(
        "GCP_STT_ALTERNATIVE_LANGUAGES",
        {"GCP_STT_ALTERNATIVE_LANGUAGES": "he-IL"},
        'alternative_language_codes: "iw-IL"',
        'language_codes: "iw-IL"',
        "language_codes: only one",
    ),
    _alike(
        "GCP_STT_MAX_ALTERNATIVES", {"GCP_STT_MAX_ALTERNATIVES": "2"}, "max_alternatives: 2", "max_alternatives"
    ),
    _alike(
        "GCP_STT_PROFANITY_FILTER", {"GCP_STT_PROFANITY_FILTER": "true"}, "profanity_filter: true", "profanity"
    ),
    Row(
        "GCP_STT_SPOKEN_PUNCTUATION",
        {"GCP_STT_SPOKEN_PUNCTUATION": "true"},
        r"enable_spoken_punctuation \{\s+value: true",
        "enable_spoken_punctuation: true",
        "Recognizer does not support feature: spoken_punctuation",
    ),
    _alike(
        "GCP_STT_WORD_CONFIDENCE",
        {"GCP_STT_WORD_CONFIDENCE": "true"},
        "enable_word_confidence: true",
        "Recognizer does not support feature: word_level_confidence",
    ),
    Row(
        "GCP_STT_SPEAKERS",
        {"GCP_STT_SPEAKERS": "2-4"},
        r"enable_speaker_diarization: true\s+min_speaker_count: 2\s+max_speaker_count: 4",
        None,
        "Recognizer does not support feature: diarization_config",
    ),
    _alike(
        "GCP_STT_SPEECH_START_SECONDS",
        {"GCP_STT_SPEECH_START_SECONDS": "20", "GCP_STT_SPEECH_END_SECONDS": "5"},
        r"voice_activity_timeout \{\s+speech_start_timeout \{\s+seconds: 20\s+\}\s+speech_end_timeout \{\s+s",
        "voice_activity_timeout: not with this model",
    ),
    Row(
        "GCP_STT_ENDPOINTING",
        CHIRP | {"GCP_STT_ENDPOINTING": "short"},
        None,
        "endpointing_sensitivity: ENDPOINTING_SENSITIVITY_SHORT",
        "endpointing_sensitivity",
    ),
    Row(
        "GCP_STT_DENOISE",
        CHIRP | {"GCP_STT_DENOISE": "true", "GCP_STT_SNR_THRESHOLD": "2"},
        None,
        r"denoise_audio: true\s+snr_threshold: 2",
        "denoiser_config",
    ),
    _alike(
        "always", {}, "enable_word_time_offsets: true", "Recognizer does not support feature: word_time_offsets"
    ),
)
