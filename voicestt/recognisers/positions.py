"""A final's positions, from the time of a stream or an utterance into that of what it is part of."""

from dataclasses import replace

from voicestt.recognisers.port import RecognisedWord, Result


def moved(final: Result, by: int, end: int, earliest: int) -> Result:
    """`final`, whose own time began at position `by`: it ends at `end`, and starts at `earliest` at the earliest.

    Its words lie between the two, whatever the recogniser said of them.
    """

    def place(position: int) -> int:
        return min(max(by + position, earliest), end)

    words = tuple(RecognisedWord(word.text, place(word.start), place(word.end)) for word in final.words)
    start = None if final.start is None else place(final.start)
    return replace(final, end=end, start=start, words=words)
