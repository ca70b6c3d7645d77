import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred

from tests.recognisers.on_reactor import on_reactor, soon
from voicestt.runtime.signals import SignalHandlers

reactor: Any = installed_reactor
BOTH = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def before() -> Iterator[None]:
    """Both are ignored before the test, and as they were afterwards."""
    was = {number: signal.signal(number, signal.SIG_IGN) for number in BOTH}
    yield
    for number, handler in was.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", BOTH)
@on_reactor
async def test_a_signal_is_told_by_its_name_in_the_reactor_s_thread(number: signal.Signals) -> None:
    told: Deferred[str] = Deferred()
    signals = SignalHandlers(reactor, BOTH, told.callback)
    signals.install()
    os.kill(os.getpid(), number)
    assert await soon(told) == number.name
    signals.remove()
    assert [signal.getsignal(each) for each in BOTH] == [signal.SIG_IGN] * 2


def test_in_another_thread_nothing_is_installed() -> None:
    signals = SignalHandlers(reactor, BOTH, lambda _name: None)
    thread = threading.Thread(target=signals.install)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    signals.remove()
