"""The state that all checks of one run share: the server, its settings and the results so far."""

import enum
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from voicestt.config.settings import Settings
from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.ops.gonogo.started import StartedServer
from voicestt.ops.processes import ProcessReactor


class Where(enum.Enum):
    """The kind of examined server: one started for the run, a running one on this machine, or the deployment."""

    STARTED = "a server started for this"
    AGAINST = "a running server of this machine"
    PUBLIC = "the deployment, from outside"


@dataclass(slots=True)
class RunContext:
    """One run: `environ` has all variables, `folder` takes its files, `address` is --against's.

    `settings` and `server` are there once their checks have passed; whoever uses them needs those checks.
    """

    reactor: ProcessReactor
    where: Where
    environ: Mapping[str, str]
    folder: Path
    address: str | None = None
    clip: Path | None = None
    text: str | None = None
    monotonic: Callable[[], float] = time.monotonic
    read_settings: Settings | None = None
    server: StartedServer | None = None
    leftovers: list[Callable[[], "Deferred[None]"]] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The settings, read by the first check."""
        assert self.read_settings is not None  # noqa: S101 - the check that reads them is needed by all that ask
        return self.read_settings

    @property
    def host(self) -> str:
        """PUBLIC_HOST, with its port if it has one."""
        return self.settings.public_host

    @property
    def url(self) -> str:
        """The server's address from here."""
        if self.where is Where.PUBLIC:
            return f"https://{self.host}"
        address = f"127.0.0.1:{self.server.port}" if self.server else self.address
        return f"http://{address}"

    @property
    def target(self) -> ServerTarget:
        """The server's address for callers, and the public name that is signed over."""
        return ServerTarget(self.url, self.host, next(iter(self.settings.twilio_auth_tokens), None))

    @property
    def events_file(self) -> Path | None:
        """The server's file of partials and finals; None where it is not on this machine."""
        if self.server is not None:
            return self.server.events_file
        path = self.settings.events_file
        return Path(path) if path and self.where is Where.AGAINST else None

    async def rest(self, seconds: float) -> None:
        """Wait for `seconds`."""
        await deferLater(self.reactor, seconds)

    async def until(self, is_so: Callable[[], bool], seconds: float) -> bool:
        """Wait until `is_so`, at most for `seconds`; return whether it is."""
        give_up = self.monotonic() + seconds
        while not is_so():
            if self.monotonic() > give_up:
                return False
            await self.rest(0.05)
        return True

    async def clear_up(self) -> None:
        """End everything that was started, the last first."""
        while self.leftovers:
            await self.leftovers.pop()()
