"""The present: the live calls at once, and the events after them as server-sent events."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from twisted.web.http import BAD_REQUEST, SERVICE_UNAVAILABLE

from voicestt.delivery.live.filter import BadQuestion, asked_of
from voicestt.delivery.live.hub import EventHub
from voicestt.delivery.live.sse import EventStream, block
from voicestt.journal.port import Record
from voicestt.page.live_calls import LiveCalls, LiveCard
from voicestt.page.live_elsewhere import Elsewhere
from voicestt.page.masking import masked_number, masked_payload
from voicestt.page.visit import Endpoint, PageError, Visit
from voicestt.runtime.histogram import Percentiles
from voicestt.server.http_answers import headers_of

_MOST_WITH_DELAYS: Final = 300  # the newest: percentiles of a thousand calls at once would hold up the reactor


class LiveApi:
    """Shows the calls of `live`, which follows `hub`, and those that other processes have `elsewhere`.

    `delays` gives what the server added to the partials of each stream of this process, by its StreamSid;
    `language` is the calls' own where their events say none; `hides_numbers`: from everybody.
    """

    def __init__(
        self,
        now: Callable[[], float],
        hub: EventHub,
        live: LiveCalls,
        elsewhere: Callable[[], Awaitable[Elsewhere]] | None,
        delays: Callable[[Collection[str]], Mapping[str, Percentiles]],
        language: str,
        *,
        hides_numbers: bool = False,
    ) -> None:
        self._now = now
        self._hub = hub
        self._elsewhere = elsewhere
        self._live = live
        self._delays = delays
        self._language = language
        self._hides_numbers = hides_numbers

    @property
    def endpoints(self) -> list[Endpoint]:
        """The two endpoints."""
        return [Endpoint("GET", "/api/live", self._calls), Endpoint("GET", "/api/events", self._events)]

    async def _calls(self, visit: Visit) -> Mapping[str, Any]:
        """Return all live calls, and the number of the last event that is in what is returned.

        `captions=0` leaves out what is said in our own calls, for a page that follows their events.
        """
        elsewhere = await self._look_elsewhere()  # before the picture of our own, which may be newer
        own = self._live.cards
        delays = self._delays({card.stream_sid for card in own[-_MOST_WITH_DELAYS:]})
        known = {card.session for card in own}
        others = [] if elsewhere is None else [card for card in elsewhere.cards if card.session not in known]
        has_captions = visit.query.get("captions") != "0"
        calls = [{**self._shown(card, None), "elsewhere": True} for card in others]
        for card in own:
            shown = self._shown(card, delays.get(card.stream_sid))
            calls.append(shown if has_captions else {**shown, "captions": []})
        last = self._live.last if elsewhere is None else elsewhere.through
        return {"calls": calls, "last_event_id": None if last is None else str(last)}

    async def _look_elsewhere(self) -> Elsewhere | None:
        """Return the calls of other processes; None where there is no journal to read them from, or not now."""
        if self._elsewhere is None:
            return None
        try:
            return await self._elsewhere()
        except PageError:
            return None

    async def _events(self, visit: Visit) -> EventStream:
        hub, request = self._hub, visit.request
        try:
            asked = asked_of(request.uri.partition(b"?")[2].decode("ascii", "replace"), _last_event_id(visit))
        except BadQuestion as problem:
            raise PageError(BAD_REQUEST, str(problem)) from None
        if hub.is_stopping or hub.is_full:
            words = "The server is stopping." if hub.is_stopping else "There are too many listeners already."
            raise PageError(SERVICE_UNAVAILABLE, words, {"retry-after": "5"})
        return EventStream(hub, replace(asked, seconds=visit.expires - self._now()), self._encoder(visit), {})

    def _encoder(self, visit: Visit) -> Callable[[Record], bytes]:
        if not visit.may_act:
            return _masked_block
        return _numberless_block if self._hides_numbers else block

    def _shown(self, card: LiveCard, delays: Percentiles | None) -> dict[str, Any]:
        number = masked_number(card.number) if card.number and self._hides_numbers else card.number
        figures = None if delays is None or not delays.count else delays.milliseconds
        return {
            "session": card.session,
            "elsewhere": False,
            "call_sid": card.call_sid,
            "number": number,
            "since": card.since,
            "language": card.language or self._language,
            "mode": card.mode,
            "delay_ms": None if figures is None else {"p50": figures["p50"], "p99": figures["p99"]},
            "captions": list(card.captions.values()),
            "marks": list(card.marks),
        }


def _last_event_id(visit: Visit) -> str | None:
    return headers_of(visit.request)("last-event-id")


def _numberless_block(record: Record) -> bytes:
    return _masked_block(record) if record.type == "call_started" else block(record)


def _masked_block(record: Record) -> bytes:
    return block(replace(record, payload=masked_payload(record.payload)))
