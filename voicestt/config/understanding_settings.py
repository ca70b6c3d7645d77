"""The settings of what helps the recogniser: numbers, hints, and features of Google's that may be asked for."""

from dataclasses import dataclass

from voicestt.config import readers as read
from voicestt.config.hints import BadHints, Hints, make_hints, read_hints_file
from voicestt.config.recognition_options import (
    ENDPOINTING,
    LONGEST_TIMEOUT,
    MOST_ALTERNATIVES,
    MOST_LANGUAGES,
    MOST_SPEAKERS,
    RecognitionOptions,
)
from voicestt.config.variable import setting


def hints_file(path: str) -> Hints:
    """Read the file of STT_HINTS_FILE."""
    try:
        return make_hints(read_hints_file(path))
    except BadHints as bad:
        raise ValueError(f"cannot be used: {bad}") from None


def languages(text: str) -> tuple[str, ...]:
    """Read at most three languages, separated by commas."""
    codes = read.several(text)
    if len(codes) > MOST_LANGUAGES or not all(map(read.LANGUAGE.fullmatch, codes)):
        raise ValueError(f"is not at most {MOST_LANGUAGES} BCP-47 codes such as en-US,ar-IL")
    return codes


def speakers(text: str) -> tuple[int, ...]:
    """Read `off`, a number of speakers, or the least and the most of them, `2-4`."""
    if text.lower() == "off":
        return ()
    least, _, most = text.partition("-")
    if (
        least.isdecimal()
        and (most or least).isdecimal()
        and 1 <= int(least) <= int(most or least) <= MOST_SPEAKERS
    ):
        return int(least), int(most or least)
    raise ValueError(f"is neither off nor a number of speakers such as 2 or 2-4, {MOST_SPEAKERS} at most")


@dataclass(frozen=True, kw_only=True)
class UnderstandingSettings:
    """The settings of what helps the recogniser; a file of numbers may set most of them for a number."""

    numbers_file: str | None = setting(
        "NUMBERS_FILE",
        None,
        str,
        "A TOML file that says, for each called number or pattern, what differs from the settings here: language, "
        "model, hints, greeting, handler, busy and more; it wins over them, a profile of NUMBERS_PARAMETER over "
        "it, and `call.recognise` of a handler over all. SIGHUP reads it again.",
    )
    numbers_parameter: str | None = setting(
        "NUMBERS_PARAMETER",
        None,
        read.matching(read.WORD, "the name of a <Parameter>"),
        "The name of the TwiML `<Parameter>` whose value chooses a `[profile.NAME]` of NUMBERS_FILE, of those "
        "that the called number's `profiles` allow.",
    )
    hints: Hints | None = setting(  # noqa: RUF009 - it makes a field, as all the others
        "STT_HINTS_FILE",
        None,
        hints_file,
        "A text file of phrases that callers are likely to say, one in each line; a vertical bar and a number "
        "behind one is its boost, up to 20. Names, products and `$MONEY` help most. At most 5,000 phrases of 100 "
        "letters, 100,000 letters in all.",
    )
    alternative_languages: tuple[str, ...] = setting(
        "GCP_STT_ALTERNATIVE_LANGUAGES",
        "",
        languages,
        "Up to three languages that callers may speak instead, separated by commas. Finals say which it was.",
    )
    max_alternatives: int = setting(
        "GCP_STT_MAX_ALTERNATIVES",
        "1",
        read.number(1, MOST_ALTERNATIVES),
        "So many readings of each final, as far as Google has them: the others are in its `alternatives`.",
    )
    profanity_filter: bool = setting(
        "GCP_STT_PROFANITY_FILTER", "false", read.flag, "Swear words come as their first letter and asterisks."
    )
    spoken_punctuation: bool = setting(
        "GCP_STT_SPOKEN_PUNCTUATION", "false", read.flag, 'A mark that is said ("comma") comes as the mark.'
    )
    word_confidence: bool = setting(
        "GCP_STT_WORD_CONFIDENCE", "false", read.flag, "The words of finals come with a confidence each."
    )
    speakers: tuple[int, ...] = setting(
        "GCP_STT_SPEAKERS",
        "off",
        speakers,
        "Who speaks when several share one line: `2`, or `2-4`. The words of finals say which speaker it was.",
    )
    speech_start_timeout: float = setting(
        "GCP_STT_SPEECH_START_SECONDS",
        "0",
        read.seconds(0, LONGEST_TIMEOUT),
        "Google ends a stream in which nobody has spoken for so long; the next words open another. 0: never.",
    )
    speech_end_timeout: float = setting(
        "GCP_STT_SPEECH_END_SECONDS",
        "0",
        read.seconds(0, LONGEST_TIMEOUT),
        "Google ends a stream so long after the caller fell silent, with its final; the next words open another. "
        "With `chirp_3`, whose finals are late, `0.5` brings them sooner. 0: never.",
    )
    endpointing: str = setting(
        "GCP_STT_ENDPOINTING",
        "standard",
        read.one_of(*ENDPOINTING),
        "How soon `chirp_3` ends an utterance: `short` suits sentences, `supershort` single words.",
    )
    both_tracks: str = setting(
        "BOTH_TRACKS",
        "caller",
        read.one_of("caller", "both"),
        'Of a stream that has both tracks (`track="both_tracks"` in TwiML of your own): `caller` recognises who '
        "called, and drops the other track; `both` recognises each by itself, and costs twice.",
    )
    denoise: bool = setting(
        "GCP_STT_DENOISE", "false", read.flag, "Noise is removed before `chirp_3` hears the caller."
    )
    snr_threshold: float = setting(
        "GCP_STT_SNR_THRESHOLD",
        "0",
        read.between(0, 1_000, float, "a number"),
        "With GCP_STT_DENOISE: speech that is quieter than this against the noise is not recognised. 0: all is.",
    )

    @property
    def extras(self) -> RecognitionOptions:
        """The options that these settings say."""
        return RecognitionOptions(
            hints=self.hints,
            alternative_languages=self.alternative_languages,
            max_alternatives=self.max_alternatives,
            profanity_filter=self.profanity_filter,
            spoken_punctuation=self.spoken_punctuation,
            word_confidence=self.word_confidence,
            speakers=self.speakers,
            speech_start_timeout=self.speech_start_timeout,
            speech_end_timeout=self.speech_end_timeout,
            endpointing=self.endpointing,
            denoise=self.denoise,
            snr_threshold=self.snr_threshold,
        )
