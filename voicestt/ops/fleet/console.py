"""The fleet as an operator's command sees it: asked and told through its Redis. Everything here blocks."""

import getpass
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final

import click

from voicestt.config.env_file import EnvironmentFile
from voicestt.config.redis_address import RedisAddress, redis_address
from voicestt.config.settings import BadSettings, read_settings
from voicestt.fleet.commands import HUB, channel_prefix
from voicestt.fleet.flag import FLAG_CHANNEL, FLAG_KEY, GIVE_ORDER, FlagOrder, order_of
from voicestt.fleet.fleet import DRAIN, drain_channel
from voicestt.fleet.link import CannotJoin, open_fleet_servers
from voicestt.fleet.membership import ALIVE_KEY, LIST, MEMBERS_KEY, Member, members_of
from voicestt.runtime.redis_servers import Servers, redis_failures, words_of

PATIENCE_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 0.05
_VARIABLES: Final = frozenset({"FLEET_REDIS_URL", "REDIS_URL"})


class FleetConsole:
    """Asks and tells the processes of a fleet."""

    def __init__(self, address: RedisAddress, servers: Servers) -> None:
        self.place = address.place
        self._servers = servers

    @property
    def members(self) -> list[Member]:
        """The processes, as each last said how it is."""
        keys = [MEMBERS_KEY, ALIVE_KEY]
        return members_of(self._servers.of(MEMBERS_KEY).eval(LIST.text, len(keys), *keys))

    @property
    def order(self) -> FlagOrder | None:
        """The last order about the flag."""
        return order_of(self._servers.of(FLAG_KEY).hmget(FLAG_KEY, "number", "state", "by", "at"))

    def turn(self, state: str, by: str) -> FlagOrder:
        """Give an order about the flag: "on", "off" or "clear"."""
        order = order_of(self._servers.of(FLAG_KEY).eval(GIVE_ORDER.text, 1, FLAG_KEY, state, by))
        assert order is not None  # noqa: S101 - it has just been given
        self._tell(FLAG_CHANNEL, b"")
        return order

    def drain(self, member: Member, by: str) -> None:
        """Have a process take no new calls, and stop."""
        self._tell(drain_channel(member.instance), DRAIN + by.encode())

    def _tell(self, channel: str, message: bytes) -> None:
        server = self._servers.of(HUB)
        server.publish(channel_prefix(server) + channel, message)


@contextmanager
def fleet_console(environ: Mapping[str, str] = os.environ) -> Iterator[FleetConsole]:
    """Reach the fleet that this environment and VOICESTT_ENV_FILE name.

    Raises:
        click.ClickException: in words, where there is none, or Redis does not answer.
    """
    address = redis_address(_url(environ))
    try:
        with closing(open_fleet_servers(address)) as servers:
            yield FleetConsole(address, servers)
    except CannotJoin as problem:
        raise click.ClickException(f"{problem}.") from None
    except redis_failures() as problem:
        raise click.ClickException(
            f"{address.place} does not answer ({words_of(problem, address)}). Nothing is known of what it did "
            "last. What to do: start it, or see whether FLEET_REDIS_URL is the servers'. Without it, `voicestt "
            "flag` and `voicestt drain` on each machine reach the processes there."
        ) from None


def _url(environ: Mapping[str, str]) -> str:
    try:
        values = EnvironmentFile(environ.get("VOICESTT_ENV_FILE"), environ, {}).variables()
    except BadSettings as bad:
        raise click.ClickException(str(bad)) from None
    reading = read_settings(values)
    if bad_ones := sorted(_VARIABLES & reading.unusable):
        problems = [each for each in reading.problems if each.startswith(tuple(bad_ones))]
        raise click.ClickException("\n".join(problems))
    if reading.settings.fleet_url is None:
        raise click.ClickException(
            "There is no fleet: neither FLEET_REDIS_URL nor REDIS_URL is set, in this environment or the file of "
            "VOICESTT_ENV_FILE (or FLEET_REDIS_URL is off). Give the command the servers' own settings."
        )
    return reading.settings.fleet_url


def operator() -> str:
    """Return who gives an order, as the processes' logs will say."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def wait_for(
    console: FleetConsole, waited_for: Callable[[Member], bool], seconds: float = PATIENCE_SECONDS
) -> list[Member]:
    """Wait until each process that speaks is as is `waited_for`, or is gone; return those that are not in time."""
    give_up = time.monotonic() + seconds
    while True:
        late = [member for member in console.members if not waited_for(member)]
        if not any(not member.is_silent for member in late) or time.monotonic() >= give_up:
            return late
        time.sleep(_LOOK_SECONDS)


def follows(member: Member, order: FlagOrder) -> bool:
    """Return True if a process has followed an order, or a later one."""
    known: Any = member.about.get("order", 0)
    return bool(known >= order.number)
