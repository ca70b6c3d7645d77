"""A process that writes finals into a journal and delivers them, until it is killed: JOURNAL-FOLDER URL COUNT.

It prints the id of each event that is in the journal, which is when the server logs it as said.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.delivery.test_destinations import Delivering, webhook
from tests.journal.made import Call
from voicestt.events import event_id
from voicestt.journal.port import Written

reactor: Any = installed_reactor
CALLS = 5


class Telling(Delivering):
    """Says what was written."""

    def written(self, entries: Sequence[Written[object]]) -> None:
        for entry in entries:
            if entry.record is not None:
                print(event_id(entry.record.session, entry.record.sequence), flush=True)
        super().written(entries)


async def run(folder: Path, url: str, count: int) -> None:
    made = Telling(webhook(url), folder)
    await made.start()
    calls = [Call(f"CA{number}") for number in range(CALLS)]
    for call in calls[: count and CALLS]:
        made.put(call.started())
    for _ in range(count):
        for call in calls:
            made.put(call.final())
        await deferLater(reactor, 0.005)


if __name__ == "__main__":
    Deferred.fromCoroutine(run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
    reactor.run()
