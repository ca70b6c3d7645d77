"""Inserts of events into the tables, a batch in one transaction.

Each event gets a row in the outbox for each destination that wants it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

import msgspec
from sqlalchemy import Connection, bindparam, func, select, update

from voicestt.events import (
    CallEnded,
    CallStarted,
    Event,
    event_id,
    type_of,
)
from voicestt.journal.addresses import Addresses, addresses_in, stored
from voicestt.journal.database import Database
from voicestt.journal.payloads import (
    Redact,
    StoredPayloads,
    clean,
    clean_text,
    payload_of,
)
from voicestt.journal.port import Address, Destination, Record
from voicestt.journal.tables import events, outbox, sessions

_EVENT_COLUMNS = ("number", "session", "sequence", "type", "call_sid", "written_at", "payload")
_OUTBOX_COLUMNS = ("number", "destination", "attempts", "session")
_SESSION_COLUMNS = (
    *("session", "call_sid", "stream_sid", "account_sid", "caller", "called"),
    *("owner", "started_at", "closed_by_recovery", "addressed"),
)

_MOST_NAMES = 10_000

_end_session = (
    update(sessions)
    .where(sessions.c.session == bindparam("ended_session"))
    .values({name: bindparam(name) for name in ("ended_at", "reason", "duration", "finals", "closed_by_recovery")})
    .values(summary=None)  # a second end: it is made again, of what came since
)


@dataclass(slots=True)
class Draft:
    """The changes of a transaction that are to be kept in memory when it is committed.

    `records` are in the order of the entries. `addresses` are those of their sessions.
    """

    records: list[Record | None] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    addresses: dict[str, Address] = field(default_factory=dict)
    whole: list[tuple[int, bytes, list[str]]] = field(default_factory=list)


class EventWriter:
    """Writes events for `destinations`; `owner` is the instance that delivers the events of their sessions.

    `addresses` are those of sessions that are not in the database yet.
    """

    def __init__(
        self,
        database: Database,
        owner: str,
        destinations: Sequence[Destination],
        redact: Redact,
        whole: StoredPayloads,
        addresses: Addresses | None = None,
    ) -> None:
        self._database = database
        self._owner = owner
        self._destinations = destinations
        self._addresses = Addresses() if addresses is None else addresses
        self._names = lru_cache(_MOST_NAMES)(self._names_of)
        self._redact = redact
        self._whole = whole
        self._known: dict[str, Address] = {}
        self._shifts: dict[str, int] = {}

    def for_owner(self, owner: str) -> "EventWriter":
        """Create a writer that does the same for the sessions of another instance."""
        return EventWriter(self._database, owner, self._destinations, self._redact, self._whole, self._addresses)

    def write(self, connection: Connection, entries: Sequence[Event | None]) -> Draft:
        """Write events in this transaction; call `keep` with the draft when it is committed."""
        given = [event for event in entries if event is not None]
        if not given:
            return Draft([None] * len(entries))
        numbers = iter(self._database.numbers(connection, len(given)))
        draft = Draft(addresses=self._addresses_of(connection, given))
        rows: list[tuple[object, ...]] = []
        now = time.time()
        for event in entries:
            draft.records.append(None if event is None else self._add(event, next(numbers), now, rows, draft))
        self._open_sessions(connection, given, draft, now)
        self._database.insert(connection, events, _EVENT_COLUMNS, rows)
        addressed = list(self._addressed(draft))
        if addressed:
            self._database.insert(connection, outbox, _OUTBOX_COLUMNS, addressed)
        self._close_sessions(connection, given, draft, now)
        return draft

    def keep(self, draft: Draft) -> None:
        """Apply a draft whose transaction was committed."""
        self._known |= {session: draft.addresses[session] for session in draft.opened}
        for session in draft.closed:
            self._known.pop(session, None)
            self._shifts.pop(session, None)
            self._addresses.forget(session)
        for number, payload, destinations in draft.whole:
            self._whole.keep(number, payload, destinations)

    def find(self, connection: Connection, event: Event) -> Record | None:
        """Return the event's record, if the journal has it already, else None."""
        event = self._shifted(event)
        mine = (events.c.session == clean(event.session)) & (events.c.sequence == event.sequence)
        found = connection.execute(select(events).where(mine)).one_or_none()
        if found is None or found.payload.encode() != payload_of(self._redact(event)):
            return None
        address = addresses_in(connection, [found.session]).get(found.session)
        return Record(
            *(found.number, found.session, found.sequence, found.type, found.call_sid, payload_of(event)),
            addressed=address,
        )

    def make_way(self, connection: Connection, event: Event) -> None:
        """Move the event, and all that follow in its session, behind the sequence numbers that are taken.

        Another event has its number.
        """
        last = connection.execute(
            select(func.max(events.c.sequence)).where(events.c.session == clean(event.session))
        ).scalar()
        self._shifts[event.session] = max(1, (last or 0) + 1 - event.sequence)

    def _add(self, event: Event, number: int, now: float, rows: list[tuple[object, ...]], draft: Draft) -> Record:
        event = self._shifted(event)
        session, call_sid, kind, payload = (
            clean(event.session),
            clean(event.call_sid),
            type_of(event),
            payload_of(event),
        )
        redacted = self._redact(event)
        stored = payload if redacted is event else payload_of(redacted)
        if stored != payload:
            draft.whole.append((number, payload, self._names(kind, draft.addresses[session])))
        rows.append((number, session, event.sequence, kind, call_sid, now, stored.decode()))
        return Record(number, session, event.sequence, kind, call_sid, payload, addressed=draft.addresses[session])

    def _addresses_of(self, connection: Connection, given: Sequence[Event]) -> dict[str, Address]:
        """Find the addresses of the events' sessions: said here, or in the database from a former process."""
        found: dict[str, Address] = {}
        elsewhere = set[str]()
        for event in given:
            session = clean(event.session)
            if session in found:
                continue
            found[session] = self._known.get(session, self._addresses.get(session))
            if found[session] is None and session not in self._known and not isinstance(event, CallStarted):
                elsewhere.add(session)
        if elsewhere:
            found.update(addresses_in(connection, elsewhere))
        return found

    def _names_of(self, kind: str, address: Address) -> list[str]:
        return [each.name for each in self._destinations if each.takes(kind, address)]

    def _shifted(self, event: Event) -> Event:
        shift = self._shifts.get(event.session, 0) if self._shifts else 0
        if not shift:
            return event
        sequence = event.sequence + shift
        return msgspec.structs.replace(event, sequence=sequence, id=event_id(event.session, sequence))

    def _addressed(self, draft: Draft) -> Iterator[tuple[int, str, int, str]]:
        for record in draft.records:
            if record is not None:
                for name in self._names(record.type, record.addressed):
                    yield record.number, name, 0, record.session

    def _open_sessions(self, connection: Connection, given: Sequence[Event], draft: Draft, now: float) -> None:
        rows = []
        for event in given:
            session = clean(event.session)
            if session not in self._known and session not in draft.opened:
                draft.opened.add(session)
                rows.append(self._session_row(self._redact(event), now, draft.addresses[session]))
        if rows:
            self._database.insert(connection, sessions, _SESSION_COLUMNS, rows)

    def _session_row(self, event: Event, now: float, address: Address) -> tuple[object, ...]:
        names = (clean(event.session), clean(event.call_sid), clean(event.stream_sid))
        of_the_start: tuple[str | None, ...] = ("", None, None)
        if isinstance(event, CallStarted):
            of_the_start = (clean(event.account_sid), _cleaned(event.caller), _cleaned(event.called))
        return (*names, *of_the_start, self._owner, _seconds(event.timestamp, now), False, stored(address))

    @staticmethod
    def _close_sessions(connection: Connection, given: Sequence[Event], draft: Draft, now: float) -> None:
        ended = [
            {
                "ended_session": clean(event.session),
                "ended_at": _seconds(event.timestamp, now),
                "reason": clean_text(event.reason),
                "duration": event.duration,
                "finals": event.finals,
                "closed_by_recovery": event.recovered,
            }
            for event in given
            if isinstance(event, CallEnded)
        ]
        if ended:
            draft.closed.update(str(row["ended_session"]) for row in ended)
            connection.execute(_end_session, ended)


def _cleaned(name: str | None) -> str | None:
    return None if name is None else clean(name)


def _seconds(timestamp: str, otherwise: float) -> float:
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except (ValueError, OverflowError):
        return otherwise
