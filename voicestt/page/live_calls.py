"""The live calls as the page first shows them: captions and marks, made of the events that were published.

So what a page is given first, and the events that it is told afterwards, meet without a gap: both come of the same
numbered events, and `last` is the number up to which the picture is true.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from voicestt.journal.port import Record
from voicestt.recognisers.fallback import SWITCHED_OFF

CAPTIONS: Final = 20
_MARKS: Final = 50
_MOST_CALLS: Final = 10_000

_STREAMING, _SINGLE, _DEGRADED = "streaming", "single-shot", "degraded"
_INCIDENTS: Final = frozenset({"degraded", "recovered", "interrupted", "resumed", "unrecognised", "incident"})


@dataclass(slots=True)
class LiveCard:
    """A live call: what is known of it, its mode of recognition, and its last captions and marks.

    `partial` is the newest one as it came: most of what is published are partials, which nobody looks at here.
    """

    session: str
    call_sid: str
    stream_sid: str
    since: str
    number: str | None
    language: str | None
    mode: str
    captions: OrderedDict[int, dict[str, object]] = field(default_factory=OrderedDict)
    partial: bytes | None = None
    marks: deque[dict[str, object]] = field(default_factory=lambda: deque(maxlen=_MARKS))

    def caption(self, event: Mapping[str, Any], *, is_final: bool) -> None:
        """Take a partial or a final: it replaces what the utterance's caption was."""
        number = event["utterance"]
        is_over = self.captions.get(number, {}).get("final") or number < next(iter(self.captions), 0)
        if is_over and not is_final:
            return
        at = event["timestamp"]
        track = event.get("track", "caller")
        caption = {"utterance": number, "text": event["text"], "final": is_final, "at": at, "track": track}
        self.captions[number] = caption
        while len(self.captions) > CAPTIONS:
            self.captions.popitem(last=False)

    def settle(self) -> None:
        """Make a caption of the newest partial, for whoever looks now."""
        partial, self.partial = self.partial, None
        if partial is not None:
            self.caption(msgspec.json.decode(partial), is_final=False)

    def mark(self, event: Mapping[str, Any], text: str) -> None:
        """Add a mark, of the event's type, or of what an incident is."""
        kind, track = event.get("incident", event["type"]), event.get("track", "caller")
        self.marks.append({"kind": kind, "at": event["timestamp"], "text": text, "track": track})


class LiveCalls:
    """Follows the published events; a call's card is there from its start to its end.

    `is_streaming` says whether calls that begin now are streamed.
    """

    def __init__(self, is_streaming: Callable[[], bool]) -> None:
        self.last: int | None = None
        self._is_streaming = is_streaming
        self._cards: OrderedDict[str, LiveCard] = OrderedDict()

    @property
    def sessions(self) -> frozenset[str]:
        """The sessions of the live calls."""
        return frozenset(self._cards)

    @property
    def cards(self) -> Sequence[LiveCard]:
        """The cards of the live calls, in the order in which they began."""
        for card in self._cards.values():
            card.settle()
        return list(self._cards.values())

    def take(self, records: Sequence[Record]) -> None:
        """Take records that were just published."""
        for record in records:
            self.last = record.number if self.last is None else max(self.last, record.number)
            self._take(record)

    def _take(self, record: Record) -> None:
        if record.type == "call_started":
            self._begin(msgspec.json.decode(record.payload))
        elif record.type == "call_ended":
            self._cards.pop(record.session, None)
        elif (card := self._cards.get(record.session)) is None:
            return
        elif record.type == "partial":
            card.partial = record.payload
        else:
            _tell(card, msgspec.json.decode(record.payload))

    def _begin(self, event: Mapping[str, Any]) -> None:
        self._cards[event["session"]] = LiveCard(
            session=event["session"],
            call_sid=event["call_sid"],
            stream_sid=event["stream_sid"],
            since=event["timestamp"],
            number=event.get("from"),
            language=event.get("language"),
            mode=_STREAMING if self._is_streaming() else _SINGLE,
        )
        if len(self._cards) > _MOST_CALLS:  # of calls whose end was never told
            self._cards.popitem(last=False)


def _tell(card: LiveCard, event: Mapping[str, Any]) -> None:
    kind = event["type"]
    if kind == "final":
        card.caption(event, is_final=True)
        card.language = event.get("language") or card.language
    elif kind in _INCIDENTS:
        card.mark(event, str(event.get("why", "")))
        card.mode = _mode_after(event, card.mode)
    elif kind == "dtmf":
        card.mark(event, str(event.get("digit", "")))
    elif kind in {"mark", "said"}:
        card.mark(event, str(event.get("text") or event.get("name") or ""))


def _mode_after(event: Mapping[str, Any], mode: str) -> str:
    """Return the card's mode after an incident: it is the caller's, and what befalls the callee is a mark."""
    if event.get("track") == "callee":
        return mode
    match event["type"]:
        case "recovered" | "resumed":
            return _STREAMING
        case "degraded" | "interrupted":
            return _SINGLE if event.get("why") == SWITCHED_OFF else _DEGRADED
    return mode
