"""Conversion of a final's positions from a stream's or utterance's time to that of the whole."""

from dataclasses import replace

from voicestt.recognisers.port import RecognisedWord, Result


def moved(final: Result, by: int, end: int, earliest: int) -> Result:
    """Shift `final`, whose own time began at position `by`, to end at `end` and start at `earliest` or later.

    Its words lie between the two, whatever the recogniser said of them.
    """

    def place(position: int) -> int:
        return min(max(by + position, earliest), end)

    words = tuple(RecognisedWord(word.text, place(word.start), place(word.end)) for word in final.words)
    start = None if final.start is None else place(final.start)
    return replace(final, end=end, start=start, words=words)
