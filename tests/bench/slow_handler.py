"""An application as slow as it can be, for the benchmark: every event of every call takes it 2 s."""

import time

from voicestt import events
from voicestt.handler import Call

SLEEP_SECONDS = 2.0


class Slow:
    """A handler of plain functions that sleep."""

    def on_partial(self, _call: Call, _event: events.Partial) -> None:
        """A partial takes 2 s, in which newer ones replace each other."""
        time.sleep(SLEEP_SECONDS)

    def on_final(self, _call: Call, _event: events.Final) -> None:
        """A final takes 2 s."""
        time.sleep(SLEEP_SECONDS)
