"""Runs one load, from its first webhook to its accounts."""

import time
from collections.abc import Sequence
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path

from voicestt.emulators.twilio.problems import CallRefused
from voicestt.ops.load import accounts, figures
from voicestt.ops.load.accounts import BytesAccount, json_lines
from voicestt.ops.load.figures import Cost, LoadResult, Usage
from voicestt.ops.load.own_server import Server
from voicestt.ops.load.raw_call import RawCall, open_call, tell_status, voices_of
from voicestt.ops.load.said import FRAMES_A_SECOND, ROUND
from voicestt.ops.load.talking import (
    SLOTS,
    Talked,
    in_step,
    spread,
    talk,
)

WARM_UP_CALLS, WARM_UP_FRAMES = 2, 50
_WARM_UP_FROM = 60_000
_SETTLED_FRAMES = 25
_RECORDS_SECONDS = 15.0


class LoadFailed(Exception):
    """The calls could not be placed; the message says why."""


def load(
    server: Server, count: int, seconds: float, *, together: bool = False, both_tracks: bool = False
) -> LoadResult:
    """Place `count` calls of `seconds` each and measure them; raise `LoadFailed` when they are not taken.

    They begin spread over four seconds (or over a quarter of a shorter call), as independent callers would;
    `together` they all begin within 20 ms, and everything happens to all of them at once. With `both_tracks` each
    call has two voices, and every word of each is looked for under its own track.
    """
    _warm_up(server)
    idle = _usage(server)
    frames = round(seconds * FRAMES_A_SECOND)
    phases = in_step(count) if together else spread(count, min(ROUND, seconds / 4))
    calls = _opened(server, range(count), frames, both_tracks=both_tracks)
    seen: list[Usage | None] = []
    settled = min(max(phases) // SLOTS + _SETTLED_FRAMES, frames // 2)
    talked = talk(calls, dict.fromkeys((settled, frames - 1), lambda: seen.append(_usage(server))), phases)
    for call in calls:
        tell_status(server.target, call.stream, call.sids, "stream-stopped")
    return _judged(server, calls, talked, _cost(count, [idle, *seen]))


def _warm_up(server: Server) -> None:
    """Make the server create its threads, connections and imports before anything is measured."""
    talk(_opened(server, range(_WARM_UP_FROM, _WARM_UP_FROM + WARM_UP_CALLS), WARM_UP_FRAMES))
    time.sleep(0.5)


def _opened(server: Server, numbers: range, frames: int, *, both_tracks: bool = False) -> list[RawCall]:
    try:
        return [open_call(server.target, number, frames, both_tracks=both_tracks) for number in numbers]
    except CallRefused as refused:
        raise LoadFailed(str(refused)) from refused
    except (OSError, HTTPException) as error:
        raise LoadFailed(f"nothing answers at {server.target.url}: {error}") from error


def _usage(server: Server) -> Usage | None:
    return None if server.pid is None else Usage.of(server.pid)


def _cost(count: int, seen: Sequence[Usage | None]) -> Cost | None:
    known = [usage for usage in seen if usage is not None]
    return Cost.between(count, *known) if len(known) == 3 else None


def _judged(server: Server, calls: Sequence[RawCall], talked: Talked, cost: Cost | None) -> LoadResult:
    kept = _accounts(server, calls)
    if server.events_file is None:
        return figures.judge(calls, talked, cost, None, kept)
    missing = _missing_words(server.events_file, calls) if len(voices_of(calls)) > len(calls) else []
    heard = figures.delays(calls, talked, json_lines(server.events_file))
    result = figures.judge(calls, talked, cost, heard, kept)
    return replace(result, faults=(*result.faults, *missing))


def _missing_words(events: Path, calls: Sequence[RawCall]) -> list[str]:
    """Wait for the last finals, which come when the calls are over."""
    give_up = time.monotonic() + _RECORDS_SECONDS
    while (missing := figures.missing_words(calls, json_lines(events))) and time.monotonic() < give_up:
        time.sleep(0.5)
    return missing


def _accounts(server: Server, calls: Sequence[RawCall]) -> list[BytesAccount] | None:
    """Wait until all bytes have arrived: a stream's record is written at its end, after the last final."""
    if server.streams_file is None:
        return None
    give_up = time.monotonic() + _RECORDS_SECONDS
    while True:
        kept = accounts.accounts(voices_of(calls), json_lines(server.streams_file))
        if not any(account.words for account in kept) or time.monotonic() > give_up:
            return kept
        time.sleep(0.5)
