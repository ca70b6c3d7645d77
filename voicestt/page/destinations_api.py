"""Deliveries by hand: what was dead-lettered of a destination, and retry, skip and discard."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from click import ClickException
from sqlalchemy import Connection, select
from twisted.logger import Logger
from twisted.web.http import BAD_REQUEST, NOT_FOUND

from voicestt.events import event_id
from voicestt.journal.tables import events, outbox
from voicestt.ops.journal.redelivery import Redelivery
from voicestt.ops.journal.selection import Selection
from voicestt.ops.journal.words import iso
from voicestt.page.queries import JournalQueries
from voicestt.page.visit import Endpoint, PageError, Visit

_PAGE: Final = 50


class Names(Protocol):
    """The destinations that are set, by name."""

    def __contains__(self, name: object, /) -> bool:
        """Return True if there is one of this name."""
        ...


class DestinationsApi:
    """Lists and changes deliveries; `destinations` gives those that are set, which a request may name."""

    _log = Logger()

    def __init__(self, queries: JournalQueries, destinations: Callable[[], Names]) -> None:
        self._queries = queries
        self._destinations = destinations

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoints."""
        return [
            Endpoint("GET", "/api/dead/<name>", self._dead),
            Endpoint("POST", "/api/destinations/<name>/retry", self._retry),
            Endpoint("POST", "/api/destinations/<name>/skip", self._skip),
            Endpoint("POST", "/api/destinations/<name>/discard", self._discard),
        ]

    async def _dead(self, visit: Visit, name: str) -> Mapping[str, Any]:
        self._must_know(name)
        after = visit.number("cursor", 0, 2**63 - 1)
        return await self._queries.read(lambda connection: _dead_letters(connection, name, after))

    async def _retry(self, visit: Visit, name: str) -> Mapping[str, Any]:
        """Send what was dead-lettered after all, at its place in its call's order."""
        return await self._change(visit, name, "sent after all", Redelivery.retry)

    async def _skip(self, visit: Visit, name: str) -> Mapping[str, Any]:
        """Dead-letter what waits: the calls go on without it."""
        return await self._change(visit, name, "skipped", Redelivery.skip)

    async def _discard(self, visit: Visit, name: str) -> Mapping[str, Any]:
        """Give up what was dead-lettered, for good."""
        return await self._change(
            visit, name, "discarded", lambda redelivery: redelivery.discard(dead_lettered_only=True)
        )

    async def _change(
        self, visit: Visit, name: str, what: str, change: Callable[[Redelivery], int]
    ) -> Mapping[str, Any]:
        self._must_know(name)
        event = visit.body.get("event")
        if event is not None and not isinstance(event, str):
            raise PageError(BAD_REQUEST, "`event` is an event's id.")
        selection = Selection(event=event, destination=name)
        try:
            done = await self._queries.change(lambda database: change(Redelivery(database, selection)))
        except ClickException as problem:  # an id that can be none
            raise PageError(BAD_REQUEST, problem.message) from None
        self._log.info("By the page: {count} deliveries to {name} are {what}.", count=done, name=name, what=what)
        return {"done": done}

    def _must_know(self, name: str) -> None:
        if name not in self._destinations():
            raise PageError(NOT_FOUND, "There is no such destination in this server's settings.")


def _dead_letters(connection: Connection, name: str, after: int) -> dict[str, Any]:
    """Read a page of dead letters, by the index of those; `next` is the cursor of the following page."""
    rows = connection.execute(
        select(outbox, events.c.sequence, events.c.type, events.c.call_sid, events.c.written_at)
        .add_columns(events.c.session.label("of_session"))
        .join_from(outbox, events, outbox.c.number == events.c.number)
        .where(outbox.c.destination == name, outbox.c.dead_lettered_at.is_not(None), outbox.c.number > after)
        .order_by(outbox.c.number)
        .limit(_PAGE + 1)
    ).all()
    shown = [
        {
            "event_id": event_id(row.of_session, row.sequence),
            "type": row.type,
            "call_sid": row.call_sid,
            "session": row.of_session,
            "written_at": iso(row.written_at),
            "attempts": row.attempts,
            "at": iso(row.dead_lettered_at),
            "last_error": row.last_error,
        }
        for row in rows[:_PAGE]
    ]
    return {"dead": shown, "next": str(rows[_PAGE - 1].number) if len(rows) > _PAGE else None}
