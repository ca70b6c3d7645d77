"""The fleet's flag: an order about ENABLE_STREAMING_STT, kept in Redis for all processes until it is cleared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from voicestt.fleet.port import LuaScript, fleet_key

FLAG_KEY: Final = fleet_key("flag")
FLAG_CHANNEL: Final = "flag"
_LONGEST_NAME: Final = 80

GIVE_ORDER: Final = LuaScript("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('HGET', KEYS[1], 'number') or 0)
local number, at = string.format('%.0f', math.max(now, last + 1)), string.format('%.0f', now)
redis.call('HSET', KEYS[1], 'number', number, 'state', ARGV[1], 'by', ARGV[2], 'at', at)
return {number, ARGV[1], ARGV[2], at}
""")
"""Keep an order: its state, and who gives it. It has no time to live. Its number is more than that of any before,
also of those that a Redis without a disk has forgotten."""


@dataclass(frozen=True, slots=True)
class FlagOrder:
    """An order: the flag for all processes, None where it was cleared and each follows its own settings.

    A later one has a larger `number`; `by` gave it at `at`, seconds since 1970 by Redis' clock.
    """

    number: int
    is_on: bool | None
    by: str
    at: float

    @property
    def state(self) -> str:
        """The state, as it is kept."""
        return "clear" if self.is_on is None else "on" if self.is_on else "off"

    @property
    def fields(self) -> tuple[int, str, str, int]:
        """The order as scripts take it: number, state, by, at in ms."""
        return self.number, self.state, self.by, round(self.at * 1000)

    @property
    def words(self) -> str:
        """The command, who gave it, and when."""
        when = datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"voicestt flag {self.state} --fleet, by {self.by}, {when}"


def order_of(reply: Sequence[Any] | None) -> FlagOrder | None:
    """Read an order as scripts reply it: number, state, by, at in ms; None if none was ever given."""
    if not reply or not reply[0]:
        return None
    number, state, by, at = (each.decode() if isinstance(each, bytes) else str(each) for each in reply)
    is_on = {"on": True, "off": False}.get(state)
    return FlagOrder(int(number), is_on, by[:_LONGEST_NAME], int(at) / 1000)
