"""Judges the events of a call: complete, in order, with the right content."""

from collections.abc import Sequence

from voicestt import events
from voicestt.events import (
    AnyEvent,
    BadEvent,
    CallEnded,
    CallStarted,
    Final,
)

_WITHOUT_TEXTS = frozenset({"texts", "all"})
_WITHOUT_NUMBERS = frozenset({"numbers", "all"})


def are_over(payloads: Sequence[bytes]) -> bool:
    """Tells whether the last event ends the call."""
    return bool(payloads) and b'"call_ended"' in payloads[-1]


def fault_in(payloads: Sequence[bytes]) -> str:
    """Describes the fault of a call's events (JSON texts, in the order in which they came); "" without one."""
    try:
        told = [events.decode(payload) for payload in payloads]
    except BadEvent as problem:
        return f"one is no event of version {events.VERSION}: {str(problem)[:100]}"
    if not told:
        return "there are none"
    return _fault_in_numbers(told) or _fault_in_story(told)


def finals_in(payloads: Sequence[bytes]) -> list[str]:
    """Lists the texts of the finals; `payloads` must be valid events."""
    return [event.text for event in map(events.decode, payloads) if isinstance(event, Final)]


def fault_in_privacy(payloads: Sequence[bytes], redact: str) -> str:
    """Describes content that JOURNAL_REDACT (`redact`) should keep out; "" without any. Valid events only."""
    told = [events.decode(payload) for payload in payloads]
    started = [event for event in told if isinstance(event, CallStarted)]
    if redact in _WITHOUT_TEXTS and any(finals_in(payloads)):
        return f"what was said is there, and JOURNAL_REDACT={redact}"
    if redact in _WITHOUT_NUMBERS and any(event.caller or event.called for event in started):
        return f"phone numbers are there, and JOURNAL_REDACT={redact}"
    return ""


def keeps_texts(redact: str) -> bool:
    """Tells whether the journal keeps the transcripts."""
    return redact not in _WITHOUT_TEXTS


def figure_of(payloads: Sequence[bytes]) -> str:
    """Counts the events and the finals, in words."""
    finals = len(finals_in(payloads))
    return f"{len(payloads)} events, {finals} final{'s' * (finals != 1)}"


def _fault_in_numbers(told: Sequence[AnyEvent]) -> str:
    if len({event.session for event in told}) != 1:
        return "they are of several sessions"
    if [event.sequence for event in told] != list(range(1, len(told) + 1)):
        return "they have gaps, repeats or another order"
    if any(event.id != events.event_id(event.session, event.sequence) for event in told):
        return "their ids do not fit"
    return ""


def _fault_in_story(told: Sequence[AnyEvent]) -> str:
    if not isinstance(told[0], CallStarted):
        return f"the first is {events.type_of(told[0])}"
    if not isinstance(told[-1], CallEnded):
        return f"call_ended is missing: the last is {events.type_of(told[-1])}"
    if any(isinstance(event, CallStarted | CallEnded) for event in told[1:-1]):
        return "the call begins or ends twice"
    finals = sum(isinstance(event, Final) for event in told)
    if told[-1].finals != finals:
        return f"call_ended counts {told[-1].finals} finals, and there are {finals}"
    return ""
