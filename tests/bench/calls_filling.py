"""A journal of many calls that have ended: some are made and summed up by the server's code, then copied."""

import itertools
import random
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import text

from voicestt import events
from voicestt.journal.database import Database
from voicestt.journal.schema import bring_up_to_date
from voicestt.journal.summaries import Summaries
from voicestt.journal.tables import TRIGRAMS
from voicestt.journal.tables import events as events_table
from voicestt.journal.tables import sessions as sessions_table

COMMON, SOME, RARE = "שלום", "ירושלים", "נבוכדנצר"
"""Words of each call, of a call in 200, and of one or two of the oldest calls."""

EVENTS_OF_A_CALL: Final = 30
FIRST, EVERY = 1_790_000_000.0, 12.0
"""When the first call began, and the seconds between two."""

BUSY = "+972770000000"
"""The number that all of them called."""

MADE: Final = 5_000
_TOGETHER = 400
_PATIENCE_SECONDS = 600.0
_LETTERS = "אבגדהוזחטיכלמנסעפצקרשת"
_EVENTS = ("number", "session", "sequence", "type", "call_sid", "written_at", "payload")
_SESSIONS = (
    *("session", "call_sid", "stream_sid", "account_sid", "caller", "called", "started_at"),
    *("ended_at", "reason", "duration", "finals", "closed_by_recovery"),
)


def fill(url: str, calls: int, *, at_once: int = 500) -> None:
    """Write `calls` calls of EVENTS_OF_A_CALL events each, and sum them up, `at_once` in a transaction."""
    database = Database(url)
    bring_up_to_date(database)
    chance = random.Random(7)
    words = ["".join(chance.choices(_LETTERS, k=chance.randint(2, 7))) for _ in range(5_000)]
    made = min(calls, MADE)
    for first in range(0, made, _TOGETHER):
        some = range(first, min(made, first + _TOGETHER))
        with database.writing() as connection:
            database.insert(connection, sessions_table, _SESSIONS, [_session(number) for number in some])
            rows = list(itertools.chain.from_iterable(_events(number, words, chance) for number in some))
            numbers = database.numbers(connection, len(rows))
            numbered = [(number, *row) for number, row in zip(numbers, rows, strict=True)]
            database.insert(connection, events_table, _EVENTS, numbered)
    _sum_up(database, at_once)
    index = "gin (text gin_trgm_ops)" if "postgresql" in url and calls > made else None
    if index is not None:  # built at the end, which takes a tenth of the time
        _do(database, f"DROP INDEX {TRIGRAMS}")
    for copy in range(1, calls // made):
        _copy(database, copy, made)
    if index is not None:
        _do(database, f"CREATE INDEX {TRIGRAMS} ON voicestt_texts USING {index}")
    _do(database, "ANALYZE")
    database.close()


def _do(database: Database, statement: str) -> None:
    with database.writing() as connection:
        database.hurry(connection, _PATIENCE_SECONDS)
        connection.exec_driver_sql(statement)


def _copy(database: Database, copy: int, made: int) -> None:
    """Copy the calls that were made, later and with other names; the rare word is in none of the copies."""
    values = {
        "name": f"{copy:04x}",
        "later": copy * made * EVERY,
        "number": round(copy * made * EVERY * 1_000_000),
        "events": copy * made * EVENTS_OF_A_CALL,
        "rare": RARE,
    }
    for statement in _COPIES:
        with database.writing() as connection:
            database.hurry(connection, _PATIENCE_SECONDS)
            connection.execute(text(statement), values)


# The names of what was made begin with zeros; those of a copy with its number.
_NAMED = "CAST(:name AS TEXT) || substr({0}, 1 + length(CAST(:name AS TEXT)))"
_SESSION = _NAMED.format("session")
_MADE = "session < '0000000001'"
_COPIES = (
    f"""INSERT INTO voicestt_sessions (session, call_sid, stream_sid, account_sid, caller, called, started_at,
        ended_at, reason, duration, finals, closed_by_recovery,
        summary, words, utterances, degraded, lost_ms, incidents)
    SELECT {_SESSION}, call_sid || CAST(:name AS TEXT), stream_sid || CAST(:name AS TEXT), account_sid, caller,
        called, started_at + :later, ended_at + :later, reason, duration, finals, closed_by_recovery,
        summary, words, utterances, degraded, lost_ms, incidents
    FROM voicestt_sessions WHERE {_MADE}""",
    f"""INSERT INTO voicestt_events (number, session, sequence, type, call_sid, written_at, payload)
    SELECT number + :events, {_SESSION}, sequence, type, call_sid || CAST(:name AS TEXT), written_at + :later,
        payload
    FROM voicestt_events WHERE {_MADE}""",
    f"""INSERT INTO voicestt_texts (number, session, text)
    SELECT number + :number, {_SESSION}, replace(text, CAST(:rare AS TEXT), '')
    FROM voicestt_texts WHERE {_MADE} ORDER BY number""",
)


def session_of(number: int) -> str:
    """The session of the call of this number, from 0."""
    copy, made = divmod(number, MADE)
    name = f"{copy:04x}"
    return name + f"{made:028x}"[len(name) :]


def _sum_up(database: Database, at_once: int) -> None:
    summaries = Summaries(database, at_once)
    while summaries.step():
        pass


def _session(number: int) -> tuple[Any, ...]:
    at = FIRST + number * EVERY
    caller = f"+97250{number % 50_000:07d}"
    names = (session_of(number), f"CA{number:032x}", f"MZ{number:032x}", "AC1", caller, BUSY)
    return (*names, at, at + 90, "stop", 90.0, 12, False)


def _events(number: int, words: list[str], chance: random.Random) -> Iterator[tuple[Any, ...]]:
    base = {"session": session_of(number), "call_sid": f"CA{number:032x}", "stream_sid": f"MZ{number:032x}"}
    at = FIRST + number * EVERY
    for sequence, (kind, values) in enumerate(_story(number, words, chance), start=1):
        event = kind(
            id=events.event_id(base["session"], sequence),
            sequence=sequence,
            timestamp="2026-11-23T07:00:00.000000Z",
            **base,
            **values,
        )
        payload = msgspec.json.encode(event).decode()
        yield base["session"], sequence, events.type_of(event), base["call_sid"], at + sequence, payload


def _story(number: int, words: list[str], chance: random.Random) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A call: its start, 12 utterances of 10 words, what was said to the caller, an incident, its end."""
    yield events.CallStarted, {"account_sid": "AC1", "caller": f"+97250{number % 50_000:07d}", "called": BUSY}
    special = [COMMON, *[SOME] * (number % 200 == 0), *[RARE] * (number % 2_500 == 7)]
    for utterance in range(1, 13):
        # A language's words are not equally common: the product of two chances is small more often.
        some = [words[int(chance.random() * chance.random() * len(words))] for _ in range(10)]
        if utterance == 6:
            some[3:3] = special
        start = utterance * 6.0
        said = [
            events.Word(text=word, start=start + n / 3, end=start + n / 3 + 0.3) for n, word in enumerate(some)
        ]
        final = {
            "utterance": utterance,
            "text": " ".join(some),
            "confidence": 0.9,
            "start": start,
            "end": start + 4,
        }
        yield events.Final, {**final, "words": said[:3], "delay": 0.4, "recogniser": "google-streaming"}
        yield events.UtteranceEnd, {"utterance": utterance, "end": start + 4, "silence": 0.7}
    for n in range(2):
        yield events.Said, {"text": "במה אפשר לעזור", "seconds": 2.0, "start": n * 3.0, "end": n * 3.0 + 2}
    if number % 100 == 3:
        yield events.Degraded, {"why": "UNAVAILABLE", "seconds": 1.0}
    else:
        yield events.CallIncident, {"incident": "rotated", "why": "before its limit"}
    if number % 500 == 3:
        yield events.Unrecognised, {"why": "UNAVAILABLE", "seconds": 2.0}
    else:
        yield events.Dtmf, {"digit": "1"}
    yield events.CallEnded, {"reason": "stop", "duration": 90.0, "finals": 12}
