"""The former stream of a call that comes back, and the handler's memory of the call, kept beside its session.

A call that was moved, or whose server was killed, goes on with another stream, often in another process: the
journal that both share says what the former one had come to.
"""

import threading
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, select, update

from voicestt.events import BadEvent, Final, decode
from voicestt.journal.tables import events, sessions

_mine = sessions.c.call_sid == bindparam("call")
_latest = select(sessions).where(_mine).order_by(sessions.c.session.desc()).limit(1)
_remembered = (
    select(sessions.c.memory)
    .where(_mine, sessions.c.memory.is_not(None))
    .order_by(sessions.c.session.desc())
    .limit(1)
)
_last_final = (
    select(events.c.payload)
    .where(events.c.call_sid == bindparam("call"), events.c.type == "final")
    .order_by(events.c.number.desc())
    .limit(1)
)
_remember = update(sessions).where(sessions.c.session == bindparam("of")).values(memory=bindparam("text"))


@dataclass(frozen=True, slots=True)
class FormerStream:
    """The record that the journal has of a call's former stream.

    `utterances` is the number of the call's last final, `memory` JSON, or None where no handler has set any.
    `reason` is why the stream ended, if `has_ended`. Phone numbers are None where the journal does not keep them.
    """

    session: str
    has_ended: bool = True
    reason: str = ""
    utterances: int = 0
    memory: str | None = field(default=None, repr=False)
    caller: str | None = field(default=None, repr=False)
    called: str | None = field(default=None, repr=False)


class MemoryToWrite:
    """A memory on its way to the database; until it is taken, a newer one takes its place."""

    def __init__(self, session: str, text: str) -> None:
        self.session = session
        self._text = text
        self._is_taken = False
        self._lock = threading.Lock()

    def replace(self, text: str) -> bool:
        """Put a newer text in the place of this one; False if it is taken already."""
        with self._lock:
            if not self._is_taken:
                self._text = text
            return not self._is_taken

    def write(self, connection: Connection) -> None:
        """Write it beside its session, which is in the journal already; in the writer's thread."""
        with self._lock:
            self._is_taken = True
        connection.execute(_remember, {"of": self.session, "text": self._text})


def former(connection: Connection, call_sid: str) -> FormerStream | None:
    """Read the latest stream of the call; None if there was none."""
    this = {"call": call_sid}
    row = connection.execute(_latest, this).first()
    if row is None:
        return None
    return FormerStream(
        session=row.session,
        has_ended=row.ended_at is not None,
        reason=row.reason or "",
        utterances=_utterance_of(connection.execute(_last_final, this).scalar()),
        memory=connection.execute(_remembered, this).scalar(),
        caller=row.caller,
        called=row.called,
    )


def _utterance_of(payload: str | None) -> int:
    try:
        event = decode(payload or "")
    except BadEvent:
        return 0
    return event.utterance if isinstance(event, Final) else 0
