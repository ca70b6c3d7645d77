"""Maker of one call's events, numbered as the server numbers them."""

from collections.abc import Mapping
from typing import Any, TypeVar

from voicestt import events

Made = TypeVar("Made", bound=events.Event)


class ScriptedEvents:
    """Makes a call's events, one after the other; an utterance consists of its partials and then its final."""

    def __init__(self, call_sid: str = "CA1", *, stream_sid: str = "MZ1", session: str = "s1") -> None:
        self.call_sid = call_sid
        self.sequence = 0
        self._stream_sid = stream_sid
        self._session = session

    def started(
        self,
        caller: str | None = None,
        called: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        account_sid: str = "AC1",
        continues: str | None = None,
    ) -> events.CallStarted:
        """Make the event of the call's start."""
        return self.make(
            events.CallStarted,
            account_sid=account_sid,
            caller=caller,
            called=called,
            parameters=dict(parameters or {}),
            continues=continues,
        )

    def make(self, kind: type[Made], /, **values: Any) -> Made:
        """Make an event of any type, with its own fields."""
        self.sequence += 1
        return kind(
            id=events.event_id(self._session, self.sequence),
            session=self._session,
            sequence=self.sequence,
            timestamp="2026-11-23T00:00:00.000000Z",
            call_sid=self.call_sid,
            stream_sid=self._stream_sid,
            **values,
        )
