"""kill -9 in the middle of delivery: the next process goes on, and nothing that was in the journal is missing."""

import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.delivery.receiver import Receiver, receiving
from tests.journal.made import eventually
from tests.recognisers.on_reactor import on_reactor

ROOT = Path(__file__).parents[2]
KILLS = 3


@contextmanager
def process(folder: Path, url: str, count: int) -> Iterator[None]:
    """One that writes and delivers; it is killed at the end."""
    command = [sys.executable, "-m", "tests.delivery.delivering_process", str(folder), url, str(count)]
    with (folder / "printed.txt").open("ab") as output:
        running = subprocess.Popen(command, cwd=ROOT, stdout=output, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        yield
        assert running.poll() is None, "it ended by itself"
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()


def printed(folder: Path) -> list[str]:
    lines = (folder / "printed.txt").read_text().splitlines(keepends=True)
    return [line.strip() for line in lines if line.endswith("\n")]


@on_reactor
async def test_every_event_that_was_written_arrives_in_order_and_repeats_are_known_by_their_id(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver:
        for kill in range(1, KILLS + 1):
            with process(tmp_path, receiver.url, 10_000):
                await arrived(receiver, 80 * kill)
        with process(tmp_path, receiver.url, 0):
            await eventually(lambda: set(printed(tmp_path)) <= set(receiver.ids))
            await eventually(lambda: len(ended(receiver)) == len(by_session(receiver)))
    for session, ids in by_session(receiver).items():
        firsts = list(dict.fromkeys(ids))
        assert firsts == [f"{session}-{number:06d}" for number in range(1, len(firsts) + 1)]
    # Repeated is what was under way at a kill, and what had arrived in the moment before it.
    assert len(receiver.ids) - len(set(receiver.ids)) < len(receiver.ids) / 4


async def arrived(receiver: Receiver, count: int) -> None:
    await eventually(lambda: len(receiver.posts) >= count)


def by_session(receiver: Receiver) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for each in receiver.ids:
        found[each.rpartition("-")[0]].append(each)
    return found


def ended(receiver: Receiver) -> set[str]:
    """The sessions that were closed, by the process after the one that was killed."""
    bodies = [(headers["webhook-id"], body) for headers, body in receiver.posts]
    return {name.rpartition("-")[0] for name, body in bodies if b'"call_ended"' in body}
