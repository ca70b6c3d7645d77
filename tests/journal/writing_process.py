"""A process of its own that writes events and waits to be ended; it prints the ids of those that are written.

python -m tests.journal.writing_process URL DESTINATION FINALS CLOCK SPILL_DIR: ten calls of so many finals each,
that never end. CLOCK shifts its wall clock, such as +3600s; it and the folder may be empty.
"""

import sys
import time
from collections.abc import Sequence

from twisted.internet import task
from twisted.internet.defer import Deferred, ensureDeferred

from tests.journal.made import Call
from tests.recognisers.on_reactor import reactor
from voicestt.journal.journal import Journal
from voicestt.journal.port import Destination, Written


class _Printing:
    def written(self, entries: Sequence[Written[object]]) -> None:
        for entry in entries:
            print(entry.fact, flush=True)

    def late(self, facts: Sequence[object]) -> None:
        print("late", *facts, flush=True)


async def _write(url: str, destination: str, finals: int, spill_dir: str) -> None:
    destinations = [Destination(destination, True)]
    journal = Journal(reactor, url, _Printing(), destinations, days=0, redact="none", spill_dir=spill_dir or None)
    await journal.open()
    calls = [Call(f"CA{number}") for number in range(10)]
    for call in calls:
        event = call.started()
        journal.put(event, event.id)
    for _ in range(finals):
        for call in calls:
            final = call.final()
            journal.put(final, final.id)
        await task.deferLater(reactor, 0.001)
    await Deferred()


if __name__ == "__main__":
    if sys.argv[4]:
        _shift = float(sys.argv[4].rstrip("s"))
        _true_time = time.time
        time.time = lambda: _true_time() + _shift
    task.react(lambda _: ensureDeferred(_write(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[5])))
