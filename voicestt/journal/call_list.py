"""The calls in the journal, newest first, a page at a time: filtered, and searched in what was said.

Each query is bounded. A search asks the index of trigrams. SQLite's gives the newest calls first, and stops when
there are enough; PostgreSQL's gives all, so the newest calls are looked through before it, which finds common
words at once. Where there is no such index, or words are too short for it, or filters leave few calls, it looks
through some thousands of calls, and the next page goes on from there.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, TextClause, and_, func, or_, select, text

from voicestt.journal.search_index import has_trigrams
from voicestt.journal.summaries import FIGURES, KINDS, CallSummary, number_of, summarise
from voicestt.journal.tables import events, has_lost_words, is_degraded, sessions, texts

MOST: Final = 200
"""Largest page."""

LONGEST_QUERY: Final = 200
LONGEST_SNIPPET: Final = 160

FIRST_WINDOW: Final = 500
"""Calls whose texts are looked through first, the newest."""

SECOND_WINDOW: Final = 2_000
"""Calls that are looked through after them, where there is no index."""

_IN_ONE_STATEMENT = 500
_SAME_START = 1_000
_PARTS = 50  # a long call has several texts, and is one call
_LARGEST = 2**62
_SUMMED_UP = 2_000  # events of a call that has no summary yet
_WILD = re.compile(r"[%_\\]")
_INDEXED = re.compile(r"[^\W_]{3,}")
_columns = [column for column in sessions.c if column.name != "memory"]
_newest = (sessions.c.started_at.desc(), sessions.c.session.desc())

Place = tuple[float, str]
"""A call's place in the list: when it began, and its session."""


@dataclass(frozen=True, slots=True)
class CallQuery:
    """A choice of calls; empty fields match all. `numbers` are the forms of one number, as caller or called.

    `since` and `until` are seconds since 1970; `before` is the place that the page begins after.
    """

    words: str = ""
    numbers: Sequence[str] = ()
    since: float | None = None
    until: float | None = None
    degraded: bool = False
    lost: bool = False
    before: Place | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class ListedCall:
    """A call's row in the journal with its summary; `snippet` is the line that has the searched words."""

    row: Any
    summary: CallSummary
    snippet: str | None = None


@dataclass(frozen=True, slots=True)
class CallPage:
    """Calls, newest first; `next` is the place that the next page begins after, None where there are no more."""

    calls: Sequence[ListedCall]
    next: Place | None


def list_calls(connection: Connection, query: CallQuery) -> CallPage:
    """Read a page of what `query` chooses; it may have fewer calls than it could, and a `next` all the same."""
    words = " ".join(query.words.split())[:LONGEST_QUERY]
    query = replace(query, words=words, limit=max(1, min(query.limit, MOST)))
    if words:
        places, following = _Search(connection, query).page()
    else:
        found = _window(connection, query, query.limit + 1)
        places, following = _cut(found, query.limit)
    return CallPage(_listed(connection, places, words), following)


def _cut(found: Sequence[Place], limit: int) -> tuple[Sequence[Place], Place | None]:
    page = found[:limit]
    return page, page[-1] if len(found) > limit else None


def _window(connection: Connection, query: CallQuery, most: int) -> list[Place]:
    """Read the places of the newest `most` calls that the filters choose."""
    some = select(sessions.c.started_at, sessions.c.session).where(*_conditions(query)).order_by(*_newest)
    if not query.numbers:
        return [(row.started_at, row.session) for row in connection.execute(some.limit(most))]
    found: set[Place] = set()
    # One after the other, each by its own index: a condition with "or" would be a walk through all calls.
    for party in (sessions.c.caller, sessions.c.called):
        for number in query.numbers:
            rows = connection.execute(some.where(party == number).limit(most))
            found |= {(row.started_at, row.session) for row in rows}
    return sorted(found, reverse=True)[:most]


def _conditions(query: CallQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.before is not None:
        at, session = query.before
        same = and_(sessions.c.started_at == at, sessions.c.session < session)
        conditions += [sessions.c.started_at <= at, or_(sessions.c.started_at < at, same)]
    if query.since is not None:
        conditions.append(sessions.c.started_at >= query.since)
    if query.until is not None:
        conditions.append(sessions.c.started_at < query.until)
    if query.degraded:
        conditions.append(is_degraded)
    if query.lost:
        conditions.append(has_lost_words)
    return conditions


class _Search:
    """A search for words in the texts of calls."""

    def __init__(self, connection: Connection, query: CallQuery) -> None:
        self._connection = connection
        self._query = query
        self._found: list[Place] = []

    def page(self) -> tuple[Sequence[Place], Place | None]:
        """Return the places of the page, and that of the next one."""
        limit, further = self._query.limit, self._query
        if not self._is_indexed() or self._connection.dialect.name == "postgresql":
            last, is_all = self._look_through(self._query, FIRST_WINDOW)
            if len(self._found) > limit or is_all:
                return _cut(self._found, limit)
            further = replace(self._query, before=last)
        if self._is_indexed():
            self._found += self._by_index(further, limit + 1 - len(self._found))
            return _cut(self._found, limit)
        last, is_all = self._look_through(further, SECOND_WINDOW)
        page, following = _cut(self._found, limit)
        return page, following or (None if is_all else last)

    def _is_indexed(self) -> bool:
        query = self._query
        # With other filters few calls are left, and many of the index would be none of them.
        is_filtered = bool(query.numbers or query.degraded or query.lost)
        return not is_filtered and _INDEXED.search(query.words) is not None and has_trigrams(self._connection)

    def _look_through(self, query: CallQuery, most: int) -> tuple[Place | None, bool]:
        """Look through the newest calls; return the last one's place, and whether there are no more."""
        window = _window(self._connection, query, most)
        for start in range(0, len(window), _IN_ONE_STATEMENT):
            some = window[start : start + _IN_ONE_STATEMENT]
            self._found += self._with_words(some)
            if len(self._found) > self._query.limit:
                break
        return (window[-1] if window else query.before), len(window) < most

    def _with_words(self, places: Sequence[Place]) -> list[Place]:
        those = texts.c.session.in_([session for _, session in places])
        asked = select(texts.c.session).where(those, _has_words(self._connection, self._query.words))
        found = set(self._connection.execute(asked).scalars())
        return [place for place in places if place[1] in found]

    def _by_index(self, query: CallQuery, most: int) -> list[Place]:
        name = self._connection.dialect.name
        if name == "postgresql":
            # Its statistics know nothing of a word: it would rather read all texts than trust the index.
            self._connection.execute(text("SET LOCAL enable_seqscan = off"))
        asked = _BY_INDEX[name].columns(texts.c.number, texts.c.session, sessions.c.started_at)
        values = {**_bounds(query), "most": 2 * most + _PARTS, "like": _escaped(query.words)}
        values["roughly"] = f"%{_WILD.sub('_', query.words)}%"
        found = dict.fromkeys(self._of_same_start(query))
        while len(found) < most:
            rows = self._connection.execute(asked, values).all()
            found.update(dict.fromkeys((row.started_at, row.session) for row in rows))
            if len(rows) < values["most"]:
                break
            values["upper"] = rows[-1].number
        return sorted(found, reverse=True)[:most]

    def _of_same_start(self, query: CallQuery) -> list[Place]:
        """Return the calls after the page's place that began in the same moment, whose numbers are not below."""
        if query.before is None:
            return []
        this = replace(query, since=query.before[0])
        return self._with_words(_window(self._connection, this, _SAME_START))


def _bounds(query: CallQuery) -> dict[str, Any]:
    """Return the bounds of the numbers of the texts of the calls after the query's place."""
    times = [each for each in (query.until, query.before and query.before[0]) if each is not None]
    upper = number_of(min(times)) if times else _LARGEST
    return {"lower": 0 if query.since is None else number_of(query.since), "upper": upper}


def _has_words(connection: Connection, words: str) -> ColumnElement[bool]:
    """Return the condition for the texts of known calls; it uses no index, or PostgreSQL would ask it for all."""
    if connection.dialect.name == "postgresql":
        return func.strpos(func.lower(texts.c.text), func.lower(words)) > 0
    # SQLite's LIKE takes capitals of ASCII for small letters by itself; Hebrew has none.
    return texts.c.text.like(_escaped(words), escape="\\")


def _escaped(words: str) -> str:
    return f"%{_WILD.sub(lambda each: chr(92) + each[0], words)}%"


# SQLite's index is not asked where LIKE has an ESCAPE: what is no letter for LIKE is any letter there first.
_BY_INDEX: dict[str, TextClause] = {
    "sqlite": text(
        "SELECT t.number, t.session, s.started_at FROM voicestt_texts_trigrams AS x "
        "CROSS JOIN voicestt_texts AS t ON t.number = x.rowid "
        "CROSS JOIN voicestt_sessions AS s ON s.session = t.session "
        "WHERE x.text LIKE :roughly AND x.rowid >= :lower AND x.rowid < :upper "
        "AND t.text LIKE :like ESCAPE '\\' ORDER BY x.rowid DESC LIMIT :most"
    ),
    "postgresql": text(
        "WITH found AS MATERIALIZED ("
        "SELECT number, session FROM voicestt_texts "
        "WHERE text ILIKE :like AND number >= :lower AND number < :upper) "
        "SELECT t.number, t.session, s.started_at "
        "FROM (SELECT * FROM found ORDER BY number DESC LIMIT :most) AS t "
        "JOIN voicestt_sessions AS s ON s.session = t.session ORDER BY t.number DESC"
    ),
}


def _listed(connection: Connection, places: Sequence[Place], words: str) -> list[ListedCall]:
    names = [session for _, session in places]
    rows = {row.session: row for row in connection.execute(select(*_columns).where(sessions.c.session.in_(names)))}
    snippets = _snippets(connection, names, words) if words else {}
    found = [rows[name] for name in names if name in rows]
    return [ListedCall(row, summary_of(connection, row), snippets.get(row.session)) for row in found]


def summary_of(connection: Connection, row: Any) -> CallSummary:
    """Return the summary that is in a session's row; one that goes on is summed up now."""
    if row.summary is not None:
        return CallSummary(**{name: getattr(row, name) for name in FIGURES})
    some: Select[Any] = select(events.c.payload).where(events.c.session == row.session, events.c.type.in_(KINDS))
    return summarise(connection.execute(some.order_by(events.c.sequence).limit(_SUMMED_UP)).scalars())


def _snippets(connection: Connection, names: Sequence[str], words: str) -> dict[str, str]:
    has_words = _has_words(connection, words)
    asked = select(texts.c.session, texts.c.text).where(texts.c.session.in_(names), has_words)
    snippets: dict[str, str] = {}
    for row in connection.execute(asked.order_by(texts.c.number)):
        snippets.setdefault(row.session, _snippet(row.text.split("\n"), words))
    return snippets


def _snippet(lines: Iterable[str], words: str) -> str:
    """Return the line that has the words, cut to a length around them."""
    wanted = words.casefold()
    for line in lines:
        at = line.casefold().find(wanted)
        if at >= 0:
            start = max(0, at - LONGEST_SNIPPET // 2)
            end = start + LONGEST_SNIPPET
            return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")
    return ""
