"""Callers who say a short sentence every half a second: finals never cease while a test tells its story."""

import contextlib
import threading
from collections.abc import Iterator, Sequence

from tests.bench.raw_calls import RawCall, open_call, talk
from tests.end_to_end.rig import Server, until
from voicestt.ops.load.said import FRAMES_A_SECOND
from voicestt.ops.load.talking import spread

SAID = {
    "utterances": [{"text": "{key} {round} שלום", "start": 0.05, "end": 0.35}],
    "repeat": 0.5,
    "final_delay": 0.1,
    "quirks": False,
}
"""Every final of a call is another: its first word names the call, its second counts."""

_LONGEST = 40.0


class _Enough(Exception):
    """The test needs no more of it."""


def dialled(server: Server, numbers: Sequence[int], seconds: float) -> list[RawCall]:
    """These calls, begun: they are to say so many seconds."""
    frames = round(seconds * FRAMES_A_SECOND)
    return [open_call(server.target, number, frames) for number in numbers]


def chatted(server: Server, numbers: Sequence[int], seconds: float) -> list[RawCall]:
    """These calls, from the first word to the end that the server has told of."""
    calls = dialled(server, numbers, seconds)
    talk(calls)
    ends = [f"[{call.sids.call}] Call ended:" for call in calls]
    until(lambda: all(end in server.output for end in ends), "all calls are over")
    return calls


@contextlib.contextmanager
def chatting(server: Server, numbers: Sequence[int]) -> Iterator[list[RawCall]]:
    """These calls, all at once and not in step, for as long as the block lasts; nobody says goodbye."""
    calls = dialled(server, numbers, _LONGEST)
    over = threading.Event()

    def look() -> None:
        if over.is_set():
            raise _Enough

    def run() -> None:
        with contextlib.suppress(_Enough):
            talk(calls, dict.fromkeys(range(round(_LONGEST * FRAMES_A_SECOND)), look), spread(len(calls), 0.5))

    talking = threading.Thread(target=run, name="callers")
    talking.start()
    try:
        yield calls
    finally:
        over.set()
        talking.join()
        for call in calls:
            call.socket.close()
