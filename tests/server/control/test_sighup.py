import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred

from tests.conftest import Logged
from tests.emulators.twilio.answering import with_reactor
from tests.server.fakes import TOKEN, settings_of
from voicestt.config.env_file import ReadAgain
from voicestt.config.settings import BadSettings
from voicestt.recognisers.modes import Flag
from voicestt.server.call_counts import ActiveCalls
from voicestt.server.control.flag import FlagSwitch
from voicestt.server.control.sighup import SighupHandler

reactor: Any = installed_reactor
RUNNING = settings_of(ENABLE_STREAMING_STT="true", STT_BATCH_MS="150")


class Rig:
    """A flag that is on, and what the file says next."""

    def __init__(self, reopen: Callable[[], object] = lambda: None) -> None:
        self.flag = Flag(is_on=True)
        self.found: ReadAgain | BadSettings = ReadAgain("env", None, RUNNING)
        self.sighup = SighupHandler(
            reactor, FlagSwitch(self.flag, ActiveCalls(self.flag)), self._read, RUNNING, reopen
        )

    def _read(self) -> ReadAgain:
        if isinstance(self.found, BadSettings):
            raise self.found
        return self.found


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def before() -> Iterator[Any]:
    """SIGHUP is ignored before the test and as it was afterwards."""
    was = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield signal.SIG_IGN
    signal.signal(signal.SIGHUP, was)


def test_the_file_s_flag_takes_effect(rig: Rig, logged: Logged) -> None:
    rig.found = ReadAgain("env", False, settings_of(ENABLE_STREAMING_STT="false"))
    rig.sighup.read_again()
    assert not rig.flag.is_on
    assert logged.lines == [
        "[CFG] ENABLE_STREAMING_STT=False (SIGHUP): 0 live calls leave streaming with their audio"
    ]


def test_a_file_without_the_flag_leaves_it_as_it_is(rig: Rig, logged: Logged) -> None:
    rig.sighup.read_again()
    assert rig.flag.is_on
    assert logged.lines == ["[CFG] SIGHUP: env does not set ENABLE_STREAMING_STT, it stays True"]


def test_settings_that_need_a_restart_are_named_without_their_values(rig: Rig, logged: Logged) -> None:
    secret = TOKEN[::-1]
    rig.found = ReadAgain(
        "env", True, settings_of(ENABLE_STREAMING_STT="true", STT_BATCH_MS="777", TWILIO_AUTH_TOKEN=secret)
    )
    rig.sighup.read_again()
    (line,) = logged.matching("at the next start only")
    assert line.endswith(": TWILIO_AUTH_TOKEN, STT_BATCH_MS")
    assert not logged.matching("777")
    assert not logged.matching(secret)


def test_a_flag_that_the_next_start_would_turn_back_is_warned_of(rig: Rig, logged: Logged) -> None:
    rig.found = ReadAgain("env", False, RUNNING)
    rig.sighup.read_again()
    assert not rig.flag.is_on
    (line,) = logged.matching("own environment sets ENABLE_STREAMING_STT too")
    assert "change it there as well" in line
    assert not logged.matching("at the next start only")


def test_a_file_that_cannot_be_used_changes_nothing_and_is_one_line(rig: Rig, logged: Logged) -> None:
    rig.found = BadSettings(["PORT is not a whole number", "PUBLIC_HOST is not set."])
    rig.sighup.read_again()
    assert rig.flag.is_on
    (line,) = logged.lines
    assert "nothing changes: PORT is not a whole number; PUBLIC_HOST is not set. What to do: " in line


@pytest.mark.parametrize("found", [ReadAgain("env", None, RUNNING), BadSettings(["PORT is not a number"])])
def test_files_are_opened_again_whatever_the_environment_file_says(found: ReadAgain | BadSettings) -> None:
    reopened = list[str]()
    rig = Rig(lambda: reopened.append("once"))
    rig.found = found
    rig.sighup.read_again()
    assert reopened == ["once"]


@with_reactor
async def test_the_signal_is_taken_and_given_back(rig: Rig, before: Any) -> None:
    rig.found = ReadAgain("env", False, settings_of(ENABLE_STREAMING_STT="false"))
    turned: Deferred[None] = Deferred()
    rig.flag.watch(lambda: turned.callback(None))
    rig.sighup.install()
    os.kill(os.getpid(), signal.SIGHUP)
    assert not turned.called, "it was turned in the signal's handler and not by the reactor"
    await turned
    assert not rig.flag.is_on
    rig.sighup.remove()
    assert signal.getsignal(signal.SIGHUP) is before
    rig.sighup.remove()
    assert signal.getsignal(signal.SIGHUP) is before


def test_outside_the_main_thread_no_signal_is_taken(rig: Rig, before: Any) -> None:
    thread = threading.Thread(target=rig.sighup.install)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGHUP) is before
    rig.sighup.remove()
    assert signal.getsignal(signal.SIGHUP) is before
