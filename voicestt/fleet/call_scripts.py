"""The scripts that keep the fleet's entry of a call in Redis, and what they answer.

An entry is a hash under the CallSid: the webhook's announcement and its use, the live stream with its lease, what
Twilio reported before the stream was there, and whether the call was hung up. It is gone `KEPT_MS` after its last
change. The caller's and the called number are in it from the webhook until the call's socket has come, no longer.

Order is told by Redis's own clock alone: processes say how long ago something was, never when. A stream that began
later wins, of two of one millisecond the one with the larger name; a stream keeps the order that it was given at
first, so that a slow answer cannot turn it around.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from voicestt.fleet.port import Argument, LuaScript, fleet_key

KEPT_MS: Final = 300_000
LEASE_SECONDS: Final = 15.0

NOW: Final = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "
"""The first line of each script, which a simulation replaces by a clock of its own."""

Verdict = Literal["ok", "unknown", "account", "used", "live", "hung up", "newer"]

# ARGV: the announcement's id, ms since it was made, account, From, To, 1 if the call comes back, ms to keep.
_ANNOUNCE: Final = """
local at = now - ARGV[2]
local known = redis.call('HMGET', KEYS[1], 'announced', 'at')
if known[1] == ARGV[1] or at < tonumber(known[2] or 0) then return 0 end
redis.call('HSET', KEYS[1], 'announced', ARGV[1], 'at', string.format('%.0f', at),
  'account', ARGV[3], 'from', ARGV[4], 'to', ARGV[5], 'back', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return 1
"""

# ARGV: stream, its process, its order ('' for the first time), ms since it began, ms of the lease, ms to keep,
# 1 for a stream that has just come, 1 if it must have been announced, its account.
_CLAIM: Final = """
local e, flat = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do e[flat[i]] = flat[i + 1] end
local comes, order = ARGV[7] == '1', tonumber(ARGV[3]) or now - ARGV[4]
local is_mine, is_new = e.stream == ARGV[1], e.announced and e.announced ~= e.used
local other = e.stream and not is_mine and tonumber(e['until']) > now
local verdict = 'ok'
if comes and not is_mine then
  if e.hung then verdict = 'hung up'
  elseif ARGV[8] == '1' then
    if not e.announced then verdict = 'unknown'
    elseif e.account ~= '' and e.account ~= ARGV[9] then verdict = 'account'
    elseif not is_new then verdict = other and 'live' or 'used' end
  end
end
local theirs = tonumber(e.order or 0)
if verdict == 'ok' and other and (theirs > order or theirs == order and e.stream > ARGV[1]) then
  verdict = 'newer'
end
if verdict == 'ok' then
  redis.call('HSET', KEYS[1], 'stream', ARGV[1], 'owner', ARGV[2], 'order', string.format('%.0f', order),
    'until', string.format('%.0f', now + ARGV[5]))
  if comes then
    if e.announced then redis.call('HSET', KEYS[1], 'used', e.announced) end
    redis.call('HDEL', KEYS[1], 'from', 'to', 'statuses')
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
end
return {verdict, string.format('%.0f', order), other and e.stream or '', other and e.owner or '',
  is_new and '1' or '', e.account or '', e.from or '', e.to or '', e.back or '', e.statuses or ''}
"""

# ARGV: stream, ms to keep.
_RELEASE: Final = """
if redis.call('HGET', KEYS[1], 'stream') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'stream', 'owner', 'order', 'until')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""

# ARGV: the status, ms to keep, the most characters. The process of the live stream is told; without one it waits.
_STATUS: Final = """
local e = redis.call('HMGET', KEYS[1], 'owner', 'until', 'statuses')
if e[1] and tonumber(e[2]) > now then return e[1] end
local all = e[3] and e[3] .. '\\n' .. ARGV[1] or ARGV[1]
if #all <= tonumber(ARGV[3]) then redis.call('HSET', KEYS[1], 'statuses', all) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return ''
"""

# ARGV: ms to keep.
_HANG_UP: Final = """
redis.call('HSET', KEYS[1], 'hung', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""

_WAS_HUNG_UP: Final = "return redis.call('HEXISTS', KEYS[1], 'hung')"

ANNOUNCE: Final = LuaScript(NOW + _ANNOUNCE)
CLAIM: Final = LuaScript(NOW + _CLAIM)
RELEASE: Final = LuaScript(NOW + _RELEASE)
STATUS: Final = LuaScript(NOW + _STATUS)
HANG_UP: Final = LuaScript(NOW + _HANG_UP)
WAS_HUNG_UP: Final = LuaScript(NOW + _WAS_HUNG_UP)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A webhook's announcement of a call, under an id that no other has."""

    id: str
    account_sid: str
    caller: str = field(repr=False)
    called: str = field(repr=False)
    comes_back: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """The fleet's answer to a stream that has come.

    `verdict` is `ok` if it is the call's live stream now; `order` its place among the call's streams. `replaced`
    and its `replaced_owner` are the stream that was live, "" if none was. The rest is what webhooks said;
    `is_announced` if no stream has used the announcement before.
    """

    verdict: Verdict
    order: int
    replaced: str
    replaced_owner: str
    is_announced: bool
    account_sid: str
    caller: str = field(repr=False)
    called: str = field(repr=False)
    comes_back: bool
    statuses: Sequence[str]


def key_of(call_sid: str) -> str:
    """Return the key of a call's entry; in a Redis Cluster entries are spread over all servers."""
    return fleet_key("call", tag=call_sid)


def announce_arguments(made: Announcement, age: float) -> tuple[Argument, ...]:
    """Return the arguments of ANNOUNCE for what was announced `age` seconds ago."""
    milliseconds = max(0, round(age * 1000))
    return made.id, milliseconds, made.account_sid, made.caller, made.called, int(made.comes_back), KEPT_MS


def hang_up_arguments() -> tuple[Argument, ...]:
    """Return the arguments of HANG_UP."""
    return (KEPT_MS,)


def claim_of(reply: Any) -> Claim:
    """Parse the answer of CLAIM.

    Raises:
        ValueError: if it is none, as of a version of this server that says something else.
    """
    try:
        parts = [bytes(each).decode("utf-8", "replace") for each in reply]
        verdict, order, replaced, owner, announced, account, caller, called, back, statuses = parts
        return Claim(
            verdict=cast(Verdict, verdict),
            order=int(order),
            replaced=replaced,
            replaced_owner=owner,
            is_announced=announced == "1",
            account_sid=account,
            caller=caller,
            called=called,
            comes_back=back == "1",
            statuses=tuple(filter(None, statuses.split("\n"))),
        )
    except TypeError as problem:
        raise ValueError("Redis has not answered as the script does") from problem
