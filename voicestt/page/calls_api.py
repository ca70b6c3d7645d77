"""The calls of the journal: the list and its search, one call, its transcript to download, and its erasure.

All of it is read, made and encoded in the threads of `voicestt.page.queries`; viewers get it masked.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Connection
from twisted.web.http import BAD_REQUEST, CONFLICT, NOT_FOUND

from voicestt.events import Dtmf
from voicestt.journal.call_list import LONGEST_QUERY, MOST, CallQuery, Place, list_calls
from voicestt.journal.database import Database
from voicestt.journal.erasing import CallGoesOn, erase_session
from voicestt.journal.one_call import call_sid_of, read_call
from voicestt.ops.journal.erase import forms_of
from voicestt.ops.journal.spoken import SpokenStream, TranscriptLine, spoken_in
from voicestt.ops.journal.transcript import transcript_of
from voicestt.page.call_view import listed, one_call
from voicestt.page.masking import DOT, has_number
from voicestt.page.queries import JournalQueries
from voicestt.page.visit import Endpoint, PageError, PageReply, Visit

_LONGEST_NAME: Final = 300
_FORMS: Final = {
    "txt": ("text", "text/plain; charset=utf-8"),
    "srt": ("srt", "application/x-subrip; charset=utf-8"),
    "vtt": ("vtt", "text/vtt; charset=utf-8"),
    "json": ("json", "application/json"),
}
_NO_CALL: Final = "There is no such call in the journal. It may have been erased, or be older than JOURNAL_DAYS."
_NUMBER: Final = "Searching for a number"


class Recordings(Protocol):
    """The knowledge of the audio of calls, by their sessions; asked in a thread of the page's."""

    def has(self, session: str) -> bool:
        """Return True if there is a recording; many are asked for at once."""
        ...

    def about(self, session: str) -> Mapping[str, Any] | None:
        """Return the recording's `tracks` and `duration_s`; None where there is none."""
        ...

    def erase(self, session: str) -> None:
        """Erase the recording, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class NoRecordings:
    """The recordings of a server that makes none."""

    def has(self, _session: str) -> bool:
        """Return False: there is none."""
        return False

    def about(self, _session: str) -> Mapping[str, Any] | None:
        """Return None: there is none."""
        return None

    def erase(self, _session: str) -> None:
        """Do nothing: there is none."""


class CallsApi:
    """Answers about calls by `queries`; `language` is that of calls whose events say none."""

    def __init__(
        self, queries: JournalQueries, language: str | None = None, recordings: Recordings | None = None
    ) -> None:
        self._queries = queries
        self._language = language
        self._recordings = recordings or NoRecordings()

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoints of calls."""
        one = "/api/calls/<session>"
        return [
            Endpoint("GET", "/api/calls", self._list),
            Endpoint("GET", one, self._one),
            Endpoint("GET", f"{one}/transcript.<form>", self._transcript),
            Endpoint("POST", f"{one}/erase", self._erase),
        ]

    async def _list(self, visit: Visit) -> PageReply:
        query = query_of(visit)

        def answer(connection: Connection) -> PageReply:
            page = list_calls(connection, query)
            calls = [self._listed(each) for each in page.calls]
            return _json(visit, {"calls": calls, "next": None if page.next is None else cursor_of(page.next)})

        return await self._queries.read(answer)

    async def _one(self, visit: Visit, session: str) -> PageReply:
        after = visit.number("cursor", 0, 2**53)

        def answer(connection: Connection) -> PageReply:
            call = read_call(connection, session, after)
            if call is None:
                raise PageError(NOT_FOUND, _NO_CALL)
            recording = self._recordings.about(session)
            entry = {**self._listed(call.listed), "recorded": recording is not None}
            return _json(visit, one_call(call, entry, recording, has_custom=visit.may_act))

        _check(session)
        return await self._queries.read(answer)

    async def _transcript(self, visit: Visit, session: str, form: str) -> PageReply:
        _check(session)
        if form not in _FORMS:
            raise PageError(NOT_FOUND, f"A transcript is one of {', '.join(_FORMS)}.")
        name, content_type = _FORMS[form]

        def answer(connection: Connection) -> PageReply:
            call_sid = call_sid_of(connection, session)
            if call_sid is None:
                raise PageError(NOT_FOUND, _NO_CALL)
            streams = spoken_in(connection, call_sid)
            content = transcript_of(streams if visit.may_act else _without_keys(streams), name)
            if form == "json":
                content = json.dumps(visit.shown(json.loads(content)), ensure_ascii=False, indent=2)
            else:
                content = visit.shown(content)
            headers = {"content-disposition": f'attachment; filename="call-{_file_name(session)}.{form}"'}
            return PageReply(content_type, content.encode("utf-8", "replace"), headers=headers)

        return await self._queries.read(answer)

    async def _erase(self, _visit: Visit, session: str) -> None:
        _check(session)

        def change(database: Database) -> bool:
            return erase_session(database, session, before=lambda: self._recordings.erase(session))

        try:
            is_erased = await self._queries.change(change)
        except CallGoesOn as problem:
            raise PageError(CONFLICT, str(problem)) from None
        if not is_erased:
            raise PageError(NOT_FOUND, _NO_CALL)

    def _listed(self, call: Any) -> dict[str, Any]:
        return listed(call, self._language, is_recorded=self._recordings.has(call.row.session))


def query_of(visit: Visit) -> CallQuery:
    """Read the choice of calls from a visit's parameters.

    Raises:
        PageError: for what cannot be asked, or not by a viewer: a number, or the digits of one.
    """
    words, number = visit.query.get("query", "").strip(), visit.query.get("number", "").strip()
    if len(words) > LONGEST_QUERY or len(number) > LONGEST_QUERY:
        raise PageError(BAD_REQUEST, f"A search has at most {LONGEST_QUERY} characters.")
    if number or has_number(words):
        visit.must_act(_NUMBER)
    return CallQuery(
        words=words,
        numbers=forms_of(number) if number else (),
        since=_time(visit, "since"),
        until=_time(visit, "until"),
        degraded=_is_set(visit, "degraded"),
        lost=_is_set(visit, "lost"),
        before=_place(visit.query.get("cursor", "")),
        limit=max(1, visit.number("limit", 50, MOST)),
    )


def cursor_of(place: Place) -> str:
    """Make the cursor of a place in the list."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _place(cursor: str) -> Place | None:
    if not cursor:
        return None
    try:
        at, session = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        is_place = math.isfinite(at) and isinstance(session, str)
    except (ValueError, TypeError, binascii.Error, RecursionError, OverflowError):
        is_place = False
    if not is_place:
        raise PageError(BAD_REQUEST, "`cursor` is none that the list gave.")
    return float(at), session


def _time(visit: Visit, name: str) -> float | None:
    text = visit.query.get(name, "").strip()
    if not text:
        return None
    try:
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise PageError(BAD_REQUEST, f"`{name}` is no date such as 2026-11-23, or 2026-11-23T07:00:00Z.") from None


def _is_set(visit: Visit, name: str) -> bool:
    return visit.query.get(name, "") in {"1", "true"}


def _check(session: str) -> None:
    if len(session) > _LONGEST_NAME or "\0" in session:
        raise PageError(NOT_FOUND, _NO_CALL)


def _without_keys(streams: Sequence[SpokenStream]) -> list[SpokenStream]:
    return [replace(stream, lines=[_without_key(line) for line in stream.lines]) for stream in streams]


def _without_key(line: TranscriptLine) -> TranscriptLine:
    if not isinstance(line.event, Dtmf):
        return line
    return replace(line, event=msgspec.structs.replace(line.event, digit=DOT))


def _file_name(session: str) -> str:
    return "".join(each for each in session if each.isascii() and each.isalnum())[:64]


def _json(visit: Visit, value: Mapping[str, Any]) -> PageReply:
    data = json.dumps(visit.shown(value), ensure_ascii=False).encode("utf-8", "replace")
    return PageReply("application/json", data)
