"""SIGHUP: reads the environment file again, and applies its flag while calls are live."""

import signal
from collections.abc import Callable

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from voicestt.config.env_file import FLAG, ReadAgain
from voicestt.config.settings import BadSettings, Settings, differences
from voicestt.runtime.signals import SignalHandlers
from voicestt.server.control.flag import FlagSwitch


class SighupHandler:
    """Handler of SIGHUP, which sets the flag to the file's. `running` are the settings at the server's start.

    Other variables are only looked at: those that have changed are named in the log, never their values.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorFromThreads,
        switch: FlagSwitch,
        read_again: Callable[[], ReadAgain],
        running: Settings,
        reopen: Callable[[], object] = lambda: None,
    ) -> None:
        self._switch = switch
        self._read_again = read_again
        self._running = running
        self._reopen = reopen
        self._signals = SignalHandlers(reactor, (signal.SIGHUP,), lambda _name: self.read_again())

    def install(self) -> None:
        """Install the handler, in the main thread only: elsewhere no signal can be handled."""
        self._signals.install()

    def remove(self) -> None:
        """Restore the handler that was there before."""
        self._signals.remove()

    def read_again(self) -> None:
        """Reopen files and apply the flag of the file; if the file is bad, log it and change nothing."""
        self._reopen()
        try:
            found = self._read_again()
        except BadSettings as bad:
            self._log.error(
                "[CFG] SIGHUP: the environment file cannot be used, nothing changes: {problems}. "
                "What to do: correct it and send SIGHUP again, or use `voicestt flag`.",
                problems="; ".join(problem.rstrip(".") for problem in bad.problems),
            )
        else:
            self._follow(found)

    def _follow(self, found: ReadAgain) -> None:
        if found.is_on is None:
            is_on = self._switch.state.is_on
            self._log.info(
                "[CFG] SIGHUP: {path} does not set {flag}, it stays {is_on}",
                path=found.path,
                flag=FLAG,
                is_on=is_on,
            )
        else:
            self._switch.turn(found.is_on, "SIGHUP")
        self._tell_of_the_next_start(found)

    def _tell_of_the_next_start(self, found: ReadAgain) -> None:
        names = [name for name in differences(self._running, found.at_restart) if name != FLAG]
        if names:
            self._log.warn(
                "[CFG] SIGHUP: these have changed too, and take effect at the next start only: {names}",
                names=", ".join(names),
            )
        if found.is_on not in {None, found.at_restart.enable_streaming_stt}:
            self._log.warn(
                "[CFG] SIGHUP: the process's own environment sets {flag} too, and wins over {path} at the next "
                "start. What to do: change it there as well.",
                flag=FLAG,
                path=found.path,
            )
