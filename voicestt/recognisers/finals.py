"""Placement of one stream's finals in the call, whatever the service says of their ends. Pure.

Google's finals are of consecutive portions of the audio, each with its end. Others like it give finals without an
end or with one near zero, ends that go backwards, and the same final twice. Where an end cannot be right, a final
covers no more than it can be about: too little is heard again after a failure, too much would be lost.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from voicestt.audio import mulaw
from voicestt.recognisers.port import Result

LATENCY_SECONDS: Final = 1.0  # a final without an end is not about what was sent later than this before it came
_SHORTEST_WORD: Final = mulaw.BYTES_PER_SECOND // 20
_ROUNDING: Final = mulaw.BYTES_PER_SECOND // 10  # by which an end may lie beyond the audio
_SAME_PLACE: Final = mulaw.BYTES_PER_SECOND // 4  # nobody says the same again so soon
_SOON: Final = int(LATENCY_SECONDS * mulaw.BYTES_PER_SECOND)
_REMEMBERED: Final = 32


@dataclass(frozen=True, slots=True)
class _Told:
    """A final that was told: its stream, the end given, the end believed (if any), and the audio sent by then."""

    start: int
    text: str
    said: int
    believed: int | None
    sent: int


class ToldFinals:
    """The last finals that a call's streams have told."""

    def __init__(self) -> None:
        self._told: deque[_Told] = deque(maxlen=_REMEMBERED)

    def add(self, told: _Told) -> None:
        """Remember `told`; the oldest is forgotten when there are too many."""
        self._told.append(told)

    @property
    def last(self) -> _Told | None:
        """The newest final told, or None."""
        return self._told[-1] if self._told else None

    def of_stream(self, start: int, text: str) -> list[_Told]:
        """Return the finals with this text from the stream that began at `start`."""
        return [told for told in self._told if (told.start, told.text) == (start, text)]


class StreamFinals:
    """The results of the stream that began at position `start` of the call, in the call's own time.

    Positions told never go backwards, and never lie beyond what was sent.
    """

    def __init__(self, start: int, told: ToldFinals) -> None:
        self._start = start
        self._told = told
        self._final_to = start
        self._reach = start
        self._interims = 0

    def partial(self, partial: Result, sent: int, sent_before: int) -> Result:
        """Place a partial, when the call up to `sent` was sent, and up to `sent_before` a second ago."""
        self._interims += 1
        own = self._start + partial.end
        if partial.end and self._final_to < own <= sent + _ROUNDING:
            self._reach = min(own, sent)
            return partial.reaching(self._reach)
        return partial.reaching(max(self._final_to, sent_before))

    def final(self, final: Result, sent: int, sent_before: int) -> Result | None:
        """Place a final; None if it was told before. A final without a text says that there are no words."""
        believed = self._believed_end(final, sent)
        if final.text and self._is_told(final, believed, sent):
            return None
        guessed = self._reach if self._reach > self._final_to else sent_before
        end = max(guessed, self._final_to) if believed is None else believed
        placed = final.moved(self._start, end, self._final_to)
        self._final_to = self._reach = end
        self._interims = 0
        if final.text:
            self._told.add(_Told(self._start, final.text, _said_end(final), believed, sent))
        return placed

    def _believed_end(self, final: Result, sent: int) -> int | None:
        """Return the end of the final as the service says, or of its last word; None if neither is plausible."""
        earliest = self._final_to + len(final.text.split()) * _SHORTEST_WORD
        places = [self._start + end for end in (final.end, *(word.end for word in final.words[-1:])) if end]
        return max((min(at, sent) for at in places if earliest <= at <= sent + _ROUNDING), default=None)

    def _is_told(self, final: Result, believed: int | None, sent: int) -> bool:
        said = _said_end(final)
        alike = self._told.of_stream(self._start, final.text)
        if said and any(one.believed is not None and abs(one.said - said) <= _SAME_PLACE for one in alike):
            return True
        last = self._told.last
        if last is None or last.text != final.text:
            return False
        if last.start == self._start:
            # At once: before anybody can have said it again.
            return believed is None and not self._interims and sent - last.sent < _SOON
        return self._is_heard_again(final, last, believed, sent)

    def _is_heard_again(self, final: Result, last: _Told, believed: int | None, sent: int) -> bool:
        """Return True if this final of a replacement stream repeats the last final of the stream before it."""
        if self._final_to != self._start:
            return False
        if last.believed is None and believed is not None and believed <= last.sent:
            return True  # nobody knew how far that one reached: this one is about audio that was heard before
        return not self._interims and (sent - self._start < _SOON or 0 < last.said == _said_end(final))


def _said_end(final: Result) -> int:
    """Return the end that the service gives, in the stream's own time; 0 if it gives none."""
    return max(final.end, final.words[-1].end if final.words else 0)
