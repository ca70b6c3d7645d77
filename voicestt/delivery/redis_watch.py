"""A watch on dangers to events in Redis: slow consumer groups, and an eviction policy.

A stream forgets its oldest events beyond REDIS_MAXLEN, read or not. A Redis whose policy is not `noeviction`
throws things away when its memory is full. Both are said once when they begin and once when they are over. Where a
user may not ask (a managed Redis), nothing is said.

Source: Redis, "XINFO GROUPS": `entries-read` counts what a group was given, and is missing before Redis 7. What
was trimmed before a group came to it is never counted: a group that lost entries seems to be behind for ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted.logger import Logger

from voicestt.runtime.escaping import escaped
from voicestt.runtime.redis_servers import Servers, redis_failures

_CLOSE: Final = 0.8
_OVER: Final = 0.5
_BEGINNING: Final = "0-0"
_LONGEST_NAME: Final = 60
_COUNTED: Final = 100


@dataclass(frozen=True, slots=True)
class GroupLag:
    """The lag of a consumer group in a stream.

    `behind` counts entries, None where it is unknown; `lost` of them are gone. `share` is the lag as a part of
    REDIS_MAXLEN, as far as it is known.
    """

    group: str
    stream: str
    behind: int | None
    lost: int
    share: float


@dataclass(frozen=True, slots=True)
class Seen:
    """The servers' answers about memory and lags.

    `memory` is of INFO, one for each server that may be asked.
    """

    memory: Sequence[Mapping[str, Any]]
    lags: Sequence[GroupLag]


def eviction_risk(memory: Mapping[str, Any]) -> str:
    """Describe what a Redis with this INFO about its memory may evict; "" if it evicts nothing."""
    policy = str(memory.get("maxmemory_policy", ""))
    if memory.get("maxmemory") == 0:
        return ""
    if policy.startswith("allkeys"):
        return "When its memory is full it throws whole streams away, with events that nobody has read."
    if policy.startswith("volatile"):
        return "When its memory is full it throws away what workers remember, and events are worked on twice."
    return ""


class RedisLook:
    """Asks the servers of `streams` about memory and lags; it blocks."""

    def __init__(self, streams: Sequence[str], maxlen: int) -> None:
        self._streams = streams
        self._maxlen = maxlen
        # Entries that each group will never be given, which count in its lag all the same.
        self._skipped: dict[tuple[str, str], int] = {}

    def __call__(self, servers: Servers) -> Seen | None:
        """Return the servers' answers; None if one of them does not answer."""
        by_server: dict[Any, list[str]] = {}
        memory: list[Mapping[str, Any]] = []
        lags: list[GroupLag] = []
        try:
            for stream in self._streams:
                by_server.setdefault(servers.of(stream), []).append(stream)
            for server, its_own in by_server.items():
                about, groups = self._ask(server, its_own)
                memory += about
                lags += groups
        except redis_failures():
            # The delivery says so in lines of its own.
            return None
        return Seen(memory, lags)

    def _ask(self, server: Any, streams: Sequence[str]) -> tuple[list[Mapping[str, Any]], list[GroupLag]]:
        questions = server.pipeline(transaction=False)
        questions.info("memory")
        for stream in streams:
            questions.xinfo_stream(stream)
            questions.xinfo_groups(stream)
        # What may not be asked, or is not there yet, is an exception among the answers.
        memory, *answers = questions.execute(raise_on_error=False)
        lags: list[GroupLag] = []
        for stream, about, groups in zip(streams, answers[::2], answers[1::2], strict=True):
            if not isinstance(about, Exception) and not isinstance(groups, Exception):
                lags += [self._lag(server, stream, about, group) for group in groups]
        return ([] if isinstance(memory, Exception) else [memory]), lags

    def _lag(self, server: Any, stream: str, about: Mapping[str, Any], group: Mapping[str, Any]) -> GroupLag:
        name, last = _text(group["name"]), _text(group["last-delivered-id"])
        first, length = about["first-entry"], about["length"]
        # What comes next for it is the oldest entry, or is gone.
        is_at_edge = first is not None and last != _BEGINNING and _order(last) < _order(_text(first[0]))
        behind = _unread(about, group)
        if behind is None:
            share = 1.0 if is_at_edge and length >= self._maxlen else 0.0
            return GroupLag(escaped(name, _LONGEST_NAME), stream, None, 0, share)
        seems, behind = behind, behind - self._skipped.get((stream, name), 0)
        if not is_at_edge and behind >= _OVER * self._maxlen:
            following = _following(server, stream, last)
            behind = following if following < _COUNTED else min(behind, length)
        # A group that was made anew seems to be less behind than what the one before it was never given.
        behind = max(0, behind)
        self._skipped[stream, name] = seems - behind
        lost = max(0, behind - length) if is_at_edge else 0
        return GroupLag(escaped(name, _LONGEST_NAME), stream, behind, lost, behind / self._maxlen)


def _following(server: Any, stream: str, last: str) -> int:
    """Count the entries behind one, up to `_COUNTED`."""
    from redis import ResponseError  # noqa: PLC0415 - an extra

    try:
        return len(server.xrange(stream, f"({last}", "+", _COUNTED))
    except ResponseError:
        return _COUNTED


def _unread(about: Mapping[str, Any], group: Mapping[str, Any]) -> int | None:
    """Count the entries that a group was not given; None if the server does not know."""
    added, read = about.get("entries-added"), group.get("entries-read")
    lag: int | None = group.get("lag")
    return lag if added is None or read is None else int(added - read)


def _order(entry_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in entry_id.split("-"))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class RedisWatch:
    """Logs dangers to events in Redis, when they begin and when they end."""

    _log = Logger()

    def __init__(self, place: str, maxlen: int) -> None:
        self._place = place
        self._maxlen = maxlen
        self._risk = ""
        self._close: set[tuple[str, str]] = set()
        self._losing: set[tuple[str, str]] = set()

    def saw(self, seen: Seen | None) -> None:
        """Compare what was seen now with what was logged before; None: the servers did not answer."""
        if seen is None:
            return
        if seen.memory:
            self._say_policy(seen.memory)
        known = {(lag.group, lag.stream) for lag in seen.lags}
        self._close &= known
        self._losing &= known
        for lag in seen.lags:
            self._say_lag(lag, (lag.group, lag.stream))

    def _say_policy(self, memory: Sequence[Mapping[str, Any]]) -> None:
        risky = next((each for each in memory if eviction_risk(each)), None)
        risk = "" if risky is None else str(risky["maxmemory_policy"])
        if risk and risk != self._risk and risky is not None:
            self._log.warn(
                "⚠️ {place} may forget events: its maxmemory-policy is {policy}. {risk} What to do: CONFIG SET "
                "maxmemory-policy noeviction, or the like in the settings of a managed Redis; one that is full "
                "refuses events then, and they wait in the journal.",
                place=self._place,
                policy=risk,
                risk=eviction_risk(risky),
            )
        elif self._risk and not risk:
            self._log.info("{place} throws nothing away any more when it is full", place=self._place)
        self._risk = risk

    def _say_lag(self, lag: GroupLag, key: tuple[str, str]) -> None:
        if lag.lost and key not in self._losing:
            self._losing.add(key)
            self._close.add(key)
            self._say_lost(lag)
        elif lag.share >= _CLOSE and key not in self._close:
            self._close.add(key)
            self._say_close(lag)
        elif key in self._close and lag.share < _OVER:
            self._close.discard(key)
            self._losing.discard(key)
            self._log.info(
                "The consumer group {group} has caught up in {stream}", group=lag.group, stream=lag.stream
            )

    def _say_lost(self, lag: GroupLag) -> None:
        self._log.error(
            "🔴 The consumer group {group} loses events of {stream}: it is {behind} events behind, and the {lost} "
            "oldest of them are gone from Redis, as a stream keeps about REDIS_MAXLEN={maxlen}. They are in the "
            "journal, and calls go on. What to do: see why its workers stand still, or start more of them; raise "
            "REDIS_MAXLEN (memory!). A group that nobody uses: XGROUP DESTROY {stream} {group}.",
            group=lag.group,
            stream=lag.stream,
            behind=lag.behind,
            lost=lag.lost,
            maxlen=self._maxlen,
        )

    def _say_close(self, lag: GroupLag) -> None:
        self._log.warn(
            "⚠️ The consumer group {group} will soon lose events of {stream}: {behind} wait for it, and a stream "
            "keeps about REDIS_MAXLEN={maxlen}, read or not. What to do: see why its workers stand still, or "
            "start more of them; raise REDIS_MAXLEN (memory!). A group that nobody uses: XGROUP DESTROY {stream} "
            "{group}.",
            group=lag.group,
            stream=lag.stream,
            behind="all that are there" if lag.behind is None else lag.behind,
            maxlen=self._maxlen,
        )
