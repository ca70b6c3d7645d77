"""The list of calls, the search in what was said, and one call, in a journal of three million events.

    python tests/bench/calls.py --databases sqlite postgresql --events 3000000

For each database a journal is filled, and each question of the page is asked several times, by a connection of its
own: the slowest time is printed, with the median. Where one is over the goal the exit code is 1. PostgreSQL is one
of the bench's own, with default settings.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started as a file, `tests` is not on the path

from sqlalchemy import Connection

from tests.bench.calls_filling import BUSY, COMMON, EVENTS_OF_A_CALL, EVERY, FIRST, RARE, SOME, fill, session_of
from tests.postgres import Cluster
from voicestt.journal.call_list import CallQuery, list_calls
from voicestt.journal.database import Database
from voicestt.journal.one_call import read_call
from voicestt.ops import tables

DATABASES = ("sqlite", "postgresql")
GOAL = 0.3
_TIMES = 7

Question = Callable[[Connection], Any]


def questions(calls: int) -> dict[str, Question]:
    """The questions that people ask."""
    middle = (FIRST + calls // 2 * EVERY, session_of(calls // 2))
    day = FIRST + calls // 3 * EVERY

    def listed(**query: Any) -> Question:
        return lambda connection: list_calls(connection, CallQuery(**query))

    return {
        "newest calls": listed(),
        "a page in the middle": listed(before=middle),
        "a day": listed(since=day, until=day + 86_400),
        "a caller's number": listed(numbers=["+972500000042"]),
        "the number that all called": listed(numbers=[BUSY]),
        "degraded": listed(degraded=True),
        "lost words": listed(lost=True),
        "a common word": listed(words=COMMON),
        "a word of one call in 200": listed(words=SOME),
        "a rare word": listed(words=RARE),
        "the middle of a rare word": listed(words=RARE[2:6]),
        "words that nobody said": listed(words="אינקונגרואנטי"),
        "two letters": listed(words="צק"),
        "a rare word, degraded": listed(words=RARE, degraded=True),
        "a rare word, from the middle on": listed(words=RARE, before=middle),
        "a rare word of one number": listed(words=RARE, numbers=[BUSY]),
        "one call": lambda connection: read_call(connection, session_of(calls // 2)),
    }


def timed(url: str, question: Question) -> list[float]:
    """Seconds of each time, slowest first."""
    database = Database(url)
    took = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        with database.reading() as connection:
            question(connection)
        took.append(time.perf_counter() - began)
    database.close()
    return sorted(took, reverse=True)


@contextlib.contextmanager
def empty(database: str) -> Iterator[str]:
    """The URL of an empty database, whose characters are of every script."""
    if database == "sqlite":
        with tempfile.TemporaryDirectory(prefix="voicestt-calls-") as folder:
            yield f"sqlite:///{folder}/journal.db"
        return
    cluster = Cluster(settings=())
    try:
        yield cluster.new_database(locale="C.UTF-8")
    finally:
        cluster.remove()


def measure(database: str, calls: int) -> bool:
    """Prints the figures; False if one is over the goal."""
    with empty(database) as url:
        began = time.perf_counter()
        fill(url, calls)
        words = (
            f"{calls:,} calls, {calls * EVENTS_OF_A_CALL:,} events, filled in {time.perf_counter() - began:.0f} s"
        )
        print(f"{database}: {words}")
        found = {name: timed(url, question) for name, question in questions(calls).items()}
    rows = [(name, f"{took[0] * 1000:.0f} ms", f"{median(took) * 1000:.0f} ms") for name, took in found.items()]
    for line in tables.table(("ASKED", "SLOWEST", "MEDIAN"), rows):
        print(line)
    return all(took[0] < GOAL for took in found.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures each database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    parser.add_argument("--events", type=int, default=3_000_000)
    chosen = parser.parse_args(arguments)
    calls = max(1, chosen.events // EVENTS_OF_A_CALL)
    are_good = [measure(database, calls) for database in chosen.databases]
    return 0 if all(are_good) else 1


if __name__ == "__main__":
    sys.exit(main())
