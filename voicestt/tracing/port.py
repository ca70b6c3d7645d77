"""The port of tracing, and tracing that is off."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from voicestt.call.facts import CallObserver
from voicestt.delivery.sender import EventSender


class Tracing(Protocol):
    """Makes the spans of calls; called in the reactor's thread, except `handler_call`."""

    def webhook(self, call_sid: str, *, comes_back: bool) -> None:
        """Record that Twilio's webhook announced the call just now."""

    def observers(self) -> Sequence[CallObserver]:
        """Make the observers that a new call needs besides its others."""
        ...

    def handler_call(self, call_sid: str, method: str) -> AbstractContextManager[object]:
        """Make the context in which a handler's method is called; in any thread."""
        ...

    def sender(self, sender: EventSender, destination: str) -> EventSender:
        """Wrap the sender of a destination."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Make the headers of a request that is part of the current span (W3C Trace Context)."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """The spans that were sent, and those that could not be sent; {} where tracing is off."""
        ...

    def stop(self) -> "Deferred[None]":
        """Send what is left, in a thread of its own; fires when it has been sent, or given up."""
        ...


class NoTracing:
    """Tracing that is off."""

    def webhook(self, call_sid: str, *, comes_back: bool) -> None:
        """Record nothing."""

    def observers(self) -> Sequence[CallObserver]:
        """Return no observer."""
        return ()

    def handler_call(self, call_sid: str, method: str) -> AbstractContextManager[object]:
        """Make a context that does nothing."""
        return nullcontext()

    def sender(self, sender: EventSender, destination: str) -> EventSender:
        """Return the sender itself."""
        return sender

    def headers(self) -> Mapping[str, str]:
        """Return no headers."""
        return {}

    @property
    def counts(self) -> Mapping[str, int]:
        """Return no counts."""
        return {}

    def stop(self) -> "Deferred[None]":
        """Fire at once."""
        return succeed(None)
