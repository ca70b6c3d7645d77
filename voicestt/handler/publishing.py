"""Publishing of a call's facts as the events that applications know: numbered, dated, and handed on.

Each event goes to the journal, from which it is delivered, and to the application's handler in this process and to
EVENTS_FILE, which need not wait for a database.
"""

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from voicestt import events
from voicestt.audio import mulaw
from voicestt.audio.ledger import AudioTotals
from voicestt.call import facts
from voicestt.call.facts import CallObserver
from voicestt.call.line import Line
from voicestt.events import Event
from voicestt.journal.port import Writer
from voicestt.runtime.histogram import Percentiles
from voicestt.runtime.times import rfc3339


class Hears(Protocol):
    """Receiver of events: an application's handler of one call, or a file."""

    def tell(self, event: Event) -> None:
        """Take the event over and return at once."""
        ...


class HandlerSource(Protocol):
    """Source of handlers, one for each call."""

    def begin(
        self,
        event: events.CallStarted,
        line: Line,
        memory: str | None,
        keep: Callable[[str], object],
        handler: str | None,
    ) -> Hears:
        """Make a handler for the call that has just begun, and tell it `event`.

        `memory` is what the former handler of the call left, as JSON; `keep` takes what this one leaves. `handler`
        is the class of the called number, as `package.module:Name`, None for that of all calls.
        """
        ...


class Publishing:
    """Factory of each call's publisher.

    `handlers` is None where there is no application in this process; `file` is told of the events of all calls.
    `recorded` is RECORD, which events say.
    """

    def __init__(
        self,
        writer: Writer[facts.Event],
        handlers: HandlerSource | None = None,
        now: Callable[[], float] = time.time,
        file: Hears | None = None,
        recorded: str = "off",
    ) -> None:
        self._file = file
        self._writer = writer
        self._handlers = handlers
        self._now = now
        self._recorded = recorded

    def of_call(self, line: Line, session: str | None = None) -> CallObserver:
        """Make the observer of the call on `line`, whose media stream is `session` (None: a new one)."""
        session = session or new_session(self._now())
        return _CallPublisher(self._writer, self._handlers, line, self._now, self._file, session, self._recorded)


class _CallPublisher:
    """Publisher of one call's events, which it numbers."""

    def __init__(
        self,
        writer: Writer[facts.Event],
        handlers: HandlerSource | None,
        line: Line,
        now: Callable[[], float],
        file: Hears | None,
        session: str,
        recorded: str,
    ) -> None:
        self._file = file
        self._writer = writer
        self._handlers = handlers
        self._line = line
        self._now = now
        self._session = session
        self._recorded = recorded
        self._sequence = 0
        self._handler: Hears | None = None

    def tell(self, fact: facts.Event) -> None:
        """Publish a fact of the call; one that is no event goes to the journal only, for the log, in its order."""
        event = self._event_of(fact)
        if event is not None and self._file is not None:
            self._file.tell(event)
        if isinstance(event, events.CallStarted) and fact.call.plan.webhook is not None:
            self._writer.address(self._session, fact.call.plan.webhook)
        self._writer.put(event, fact)
        if isinstance(event, events.CallStarted) and self._handlers is not None:
            keep = partial(self._writer.remember, self._session)
            call = fact.call
            self._handler = self._handlers.begin(event, self._line, call.memory, keep, call.plan.handler)
        elif event is not None and self._handler is not None:
            self._handler.tell(event)

    def _event_of(self, fact: facts.Event) -> Event | None:
        kind, values = _KINDS.get(type(fact), _unknown)(fact)
        if kind is None:
            return None
        if kind is events.CallStarted:
            values["recorded"] = self._recorded
        self._sequence += 1
        return kind(
            id=events.event_id(self._session, self._sequence),
            session=self._session,
            sequence=self._sequence,
            timestamp=timestamp(self._now()),
            call_sid=fact.call.call_sid,
            stream_sid=fact.call.stream_sid,
            **values,
        )


def new_session(now: float) -> str:
    """Make a unique id of a media stream; compared as texts, later ones are greater."""
    return f"{int(now * 1000):012x}{secrets.token_hex(8)}"


def timestamp(now: float) -> str:
    """Format seconds since 1970 as RFC 3339 in UTC."""
    return rfc3339(now, "microseconds")


_Made = tuple[type[Event] | None, dict[str, Any]]


def _unknown(_fact: object) -> _Made:
    return None, {}


def _started(fact: facts.CallStarted) -> _Made:
    call = fact.call
    return events.CallStarted, {
        "account_sid": call.account_sid,
        "caller": call.caller,
        "called": call.called,
        "parameters": dict(call.parameters),
        "continues": call.continues,
    }


def _partial(fact: facts.Partial) -> _Made:
    return events.Partial, {
        "utterance": fact.utterance,
        "text": fact.text,
        "stability": _unit(fact.stability),
        "track": fact.track,
    }


def _final(fact: facts.Final) -> _Made:
    return events.Final, {
        "utterance": fact.utterance,
        "text": fact.text,
        "confidence": _unit(fact.confidence) or None,
        "start": fact.start,
        "end": fact.end,
        "words": [_word(word) for word in fact.words],
        "delay": None if fact.delay is None else round(max(0.0, fact.delay), 3),
        "recogniser": fact.recogniser,
        "alternatives": [
            events.Alternative(text=each.text, confidence=_unit(each.confidence) or None)
            for each in fact.alternatives
        ],
        "language": fact.language or None,
        "track": fact.track,
    }


def _word(word: facts.Word) -> events.Word:
    confidence = _unit(word.confidence) or None
    return events.Word(
        text=word.text, start=word.start, end=word.end, confidence=confidence, speaker=word.speaker or None
    )


def _turn_ended(fact: facts.TurnEnded) -> _Made:
    values = {"utterance": fact.utterance, "end": fact.end, "silence": fact.silence, "track": fact.track}
    return events.UtteranceEnd, values


def _key_pressed(fact: facts.KeyPressed) -> _Made:
    return events.Dtmf, {"digit": fact.digit}


def _mark_reached(fact: facts.MarkReached) -> _Made:
    return events.Mark, {"name": fact.name, "cleared": fact.cleared}


def _said(fact: facts.SaidToCaller) -> _Made:
    return events.Said, {
        "text": fact.text,
        "seconds": fact.seconds,
        "start": fact.start,
        "end": fact.end,
        "cleared": fact.cleared,
    }


def _happened(fact: facts.Happened) -> _Made:
    kind, values = _incident(fact)
    return kind, {**values, "track": fact.track}


def _incident(fact: facts.Happened) -> _Made:
    match fact.kind:
        case "degraded":
            return events.Degraded, {"why": fact.why, "seconds": fact.seconds}
        case "recovered":
            return events.Recovered, {"why": fact.why}
        case "unrecognised":
            return events.Unrecognised, _stretch(fact)
        case "interrupted":
            return events.Interrupted, {"why": fact.why, "seconds": fact.seconds}
        case "resumed":
            return events.Resumed, {"why": fact.why}
        case _:
            return events.CallIncident, {"incident": fact.kind, **_stretch(fact)}


def _stretch(fact: facts.Happened) -> dict[str, Any]:
    return {"why": fact.why, "seconds": fact.seconds, "start": fact.start, "end": fact.end}


def _ended(fact: facts.CallEnded) -> _Made:
    callee = fact.callee_figures
    figures, google = fact.figures, fact.account.google_bytes + (fact.callee.google_bytes if fact.callee else 0)
    return events.CallEnded, {
        "reason": fact.reason,
        "duration": fact.seconds,
        "partials": fact.delivered.partials,
        "finals": fact.delivered.finals,
        "audio": _audio(fact.account),
        "callee_audio": None if fact.callee is None else _audio(fact.callee),
        "added_partial_delay_ms": _latency(figures.added),
        "final_delay_ms": _latency(figures.final),
        "callee_added_partial_delay_ms": None if callee is None else _latency(callee.added),
        "callee_final_delay_ms": None if callee is None else _latency(callee.final),
        "restarts": figures.restarts,
        "rotations": figures.rotations,
        "fallbacks": figures.fallbacks,
        "google_seconds": mulaw.seconds(google),
    }


def _audio(account: AudioTotals) -> events.Audio:
    return events.Audio(
        received=account.received,
        recognised=account.recognised,
        passed_over=account.passed_over,
        given_up=account.given_up,
        uncovered=account.uncovered,
        sent_again=account.sent_again,
    )


def _latency(spread: Percentiles) -> events.Latency:
    return events.Latency(**spread.milliseconds)  # type: ignore[arg-type]


def _unit(value: float) -> float:
    """Limit `value` to 0 to 1, which a recogniser's rounding may miss."""
    return min(1.0, max(0.0, value))


_KINDS: dict[type, Callable[[Any], _Made]] = {
    facts.CallStarted: _started,
    facts.Partial: _partial,
    facts.Final: _final,
    facts.TurnEnded: _turn_ended,
    facts.KeyPressed: _key_pressed,
    facts.MarkReached: _mark_reached,
    facts.SaidToCaller: _said,
    facts.Happened: _happened,
    facts.CallEnded: _ended,
}
