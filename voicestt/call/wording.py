"""Makes the fact of a final of a recogniser's result, whose positions become times."""

from voicestt.call.facts import Alternative, CallDescription, Final, Track, Word
from voicestt.recognisers.port import Result
from voicestt.twilio.media_time import MediaTime


def final_of(
    call: CallDescription,
    utterance: int,
    text: str,
    result: Result,
    time: MediaTime,
    delay: float | None,
    track: Track,
) -> Final:
    """Return the final with its times in the call's own time; `delay` is that of its last audio, in seconds."""
    words = tuple(
        Word(word.text, time.of_start(word.start), time.of_end(word.end), word.confidence, word.speaker)
        for word in result.words
    )
    return Final(
        call,
        utterance,
        text,
        confidence=result.confidence,
        end=time.of_end(result.end) if result.end else None,
        delay=delay,
        start=None if result.start is None else time.of_start(result.start),
        words=words,
        recogniser=result.source,
        alternatives=tuple(Alternative(each.text, each.confidence) for each in result.others),
        language=result.language,
        track=track,
    )
