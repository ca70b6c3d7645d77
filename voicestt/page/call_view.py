"""Calls of the journal as the page gets them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from voicestt.events import (
    AnyEvent,
    CallEnded,
    CallIncident,
    CallStarted,
    Degraded,
    Dtmf,
    Event,
    Final,
    Interrupted,
    Recovered,
    Resumed,
    Said,
    Unrecognised,
    type_of,
)
from voicestt.journal.call_list import ListedCall
from voicestt.journal.one_call import CallInJournal, DeliveryOfEvent
from voicestt.ops.journal.words import iso

_LATENCIES = ("added_partial_delay_ms", "final_delay_ms", "callee_added_partial_delay_ms", "callee_final_delay_ms")
_Incident = Degraded | Recovered | Interrupted | Resumed | Unrecognised | CallIncident


def listed(call: ListedCall, language: str | None = None, *, is_recorded: bool = False) -> dict[str, Any]:
    """Make a call's entry in the list."""
    row, summary = call.row, call.summary
    return {
        "session": row.session,
        "call_sid": row.call_sid,
        "number": row.caller,
        "started": iso(row.started_at),
        "duration_s": row.duration,
        "words": summary.words,
        "utterances": summary.utterances,
        "language": summary.language or language,
        "trouble": {
            "degraded": bool(summary.degraded),
            "lost_ms": summary.lost_ms,
            "incidents": summary.incidents,
        },
        "snippet": call.snippet,
        "recorded": is_recorded,
    }


@dataclass(slots=True)
class CallView:
    """The view of one call, gathered from its events; `began` is its start, in seconds since 1970."""

    began: float
    conversation: list[dict[str, Any]] = field(default_factory=list)
    incidents: list[dict[str, Any]] = field(default_factory=list)
    delays: list[dict[str, Any]] = field(default_factory=list)
    custom: Mapping[str, Any] | None = None
    account: Mapping[str, int] | None = None
    callee_account: Mapping[str, int] | None = None
    figures: Mapping[str, Any] | None = None

    def add(self, event: AnyEvent) -> None:
        """Add an event of the call, in its order."""
        match event:
            case CallStarted():
                self.custom = event.parameters
            case Final():
                self._add_final(event)
            case Said():
                where = _stretch(event.start, event.end)
                more = {"seconds": event.seconds, "cleared": event.cleared}
                self._add_line("us", event, {**where, "text": event.text, **more})
            case Dtmf():
                at = self._ms_of(event)
                self._add_line("keys", event, {"start_ms": at, "end_ms": at, "text": event.digit})
            case CallEnded():
                self._add_end(event)
            case _:
                self._add_incident(event)

    def _add_line(self, who: str, event: Event, values: Mapping[str, Any]) -> None:
        line = {"who": who, "at": event.timestamp, "confidence": None, "words": None, "utterance": None}
        self.conversation.append({**line, **values})

    def _add_final(self, final: Final) -> None:
        words = [{"word": word.text, "start_ms": _ms(word.start), "end_ms": _ms(word.end)} for word in final.words]
        values = {"text": final.text, "confidence": final.confidence, "words": words or None}
        values["language"] = final.language
        where = _stretch(final.start, final.end)
        self._add_line(final.track, final, {**where, **values, "utterance": final.utterance})
        if final.delay is not None:
            at = self._ms_of(final) if final.end is None else _ms(final.end)
            self.delays.append({"at_ms": at, "ms": _ms(final.delay), "final": True, "who": final.track})

    def _add_incident(self, event: AnyEvent) -> None:
        if not isinstance(event, _Incident):
            return
        kind = event.incident if isinstance(event, CallIncident) else type_of(event)
        start = getattr(event, "start", None)
        at = self._ms_of(event) if start is None else _ms(start)
        length = _ms(getattr(event, "seconds", 0.0))
        where = {"at": event.timestamp, "at_ms": at, "ms": length}
        self.incidents.append({"kind": kind, **where, "text": event.why, "who": event.track})

    def _add_end(self, end: CallEnded) -> None:
        if end.recovered:
            return
        self.account = msgspec.to_builtins(end.audio)
        self.callee_account = msgspec.to_builtins(end.callee_audio)
        names = ("partials", "finals", "restarts", "rotations", "fallbacks", "google_seconds")
        delays = {name: msgspec.to_builtins(getattr(end, name)) for name in _LATENCIES}
        self.figures = {**{name: getattr(end, name) for name in names}, **delays}

    def _ms_of(self, event: Event) -> int:
        try:
            return max(0, _ms(datetime.fromisoformat(event.timestamp).timestamp() - self.began))
        except (ValueError, OverflowError):
            return 0


def one_call(
    call: CallInJournal, entry: Mapping[str, Any], recording: Mapping[str, Any] | None, *, has_custom: bool
) -> dict[str, Any]:
    """Make the view of one call; `entry` is its entry in the list. Viewers get no `custom` fields."""
    row, view = call.listed.row, CallView(call.listed.row.started_at)
    for event in call.events:
        view.add(event)
    of_call = {**entry, "ended": iso(row.ended_at), "reason": row.reason, "recovered": row.closed_by_recovery}
    if has_custom:
        of_call["custom"] = view.custom
    return {
        "call": of_call,
        "conversation": view.conversation,
        "incidents": view.incidents,
        "account": view.account,
        "callee_account": view.callee_account,
        "figures": view.figures,
        "delays": view.delays,
        "deliveries": deliveries(row.session, call.deliveries, has_answers=has_custom),
        "more": None if call.more is None else str(call.more),
        "recording": recording,
    }


def deliveries(session: str, found: Sequence[DeliveryOfEvent], *, has_answers: bool) -> list[dict[str, Any]]:
    """Make the deliveries of a call's events, with their attempts; a receiver's answer may repeat an event."""
    return [_delivery(session, each, has_answers=has_answers) for each in found]


def _delivery(session: str, delivery: DeliveryOfEvent, *, has_answers: bool) -> dict[str, Any]:
    arrived = [each.at for each in delivery.attempts if each.error is None]
    waiting = delivery.outbox
    failed = [each for each in delivery.attempts if each.error is not None]
    last = (
        waiting.last_error if waiting is not None and waiting.last_error else failed[-1].error if failed else None
    )
    return {
        "destination": delivery.destination,
        "event": f"{session}-{delivery.sequence:06d}",
        "kind": delivery.kind,
        "state": _state(waiting, has_arrived=bool(arrived)),
        "attempts": max(len(delivery.attempts), 0 if waiting is None else waiting.attempts),
        "last_error": last,
        "delivered_at": iso(arrived[-1]) if arrived else None,
        "tries": [_try(each, has_answers=has_answers) for each in delivery.attempts],
    }


def _state(waiting: Any, *, has_arrived: bool) -> str:
    if waiting is None:
        return "delivered" if has_arrived else "discarded"
    return "pending" if waiting.dead_lettered_at is None else "dead-lettered"


def _try(attempt: Any, *, has_answers: bool) -> dict[str, Any]:
    made = {"at": iso(attempt.at), "status": attempt.status, "error": attempt.error}
    return {**made, "answer": attempt.answer} if has_answers else made


def _stretch(start: float | None, end: float | None) -> dict[str, int | None]:
    return {"start_ms": None if start is None else _ms(start), "end_ms": None if end is None else _ms(end)}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
