"""Addresses of sessions: the receivers that events of a call go to, where its number names some.

An address is said before the first event of its session, and is written with the session, where recovery and
`voicestt deliveries` find it. Until then it is here, and in the lines of the spill file.
"""

import threading
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, func, or_, select

from voicestt.journal.payloads import clean
from voicestt.journal.port import Address
from voicestt.journal.tables import sessions

MOST: Final = 250_000
"""Number of addresses that are kept: more than events can wait to be written, each of another session."""

_MARK: Final = b',"addressed":'


class _Addressed(msgspec.Struct):
    addressed: list[str] | None = None


_encode = msgspec.json.Encoder().encode
_line_of = msgspec.json.Decoder(_Addressed).decode
_names_in = msgspec.json.Decoder(list[str]).decode


class Addresses:
    """The addresses of sessions that are not in the database yet; used by several threads.

    A session that was not said is addressed to all receivers.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._said: dict[str, frozenset[str]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._said)

    def say(self, session: str, receivers: Iterable[str]) -> None:
        """Note that events of the session go to these receivers only, by their destinations' names."""
        with self._lock:
            self._said[clean(session)] = frozenset(receivers)
            if len(self._said) > self._most:
                del self._said[next(iter(self._said))]

    def get(self, session: str) -> Address:
        """Return the address of a session, None where none was said."""
        return self._said.get(clean(session))

    def forget(self, session: str) -> None:
        """Forget a session that is in the database with its address."""
        with self._lock:
            self._said.pop(clean(session), None)

    def marked(self, session: str, payload: bytes) -> bytes:
        """Return an event's payload with the address of its session, for a line of a spill file."""
        address = self.get(session)
        return payload if address is None else payload[:-1] + _MARK + _encode(sorted(address)) + b"}"

    def read_mark(self, session: str, line: bytes) -> None:
        """Note the address that a line of a spill file has, if it has one."""
        if _MARK in line:
            addressed = _line_of(line).addressed
            if addressed is not None:
                self.say(session, addressed)


def stored(address: Address) -> str | None:
    """Return an address as the column `addressed` has it."""
    return None if address is None else _encode(sorted(address)).decode()


def addresses_in(connection: Connection, some: Iterable[str]) -> Mapping[str, Address]:
    """Read the addresses of those of the sessions that are in the database."""
    asked = select(sessions.c.session, sessions.c.addressed).where(sessions.c.session.in_(list(some)))
    return {
        row.session: None if row.addressed is None else frozenset(_names_in(row.addressed))
        for row in connection.execute(asked)
    }


def is_addressed_to(destination: str) -> ColumnElement[bool]:
    """Make the condition that a session is addressed to the receiver, or to all."""
    name = _encode(destination).decode()
    # By replace: LIKE takes no heed of upper and lower case in SQLite.
    is_named = func.replace(sessions.c.addressed, name, "") != sessions.c.addressed
    return or_(sessions.c.addressed.is_(None), is_named)
