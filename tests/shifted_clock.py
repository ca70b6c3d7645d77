"""Started as a process: sets the wall clock, as Python sees it, to and fro under a reactor that is at work.

Prints `fired` when what was due in 0.3 s has happened within ten real seconds, whatever the clock was set to.
Arguments: the seconds to set it by, and `command` or `plugin`, which give the reactor its clock.
"""

import os
import sys
import threading
import time
from typing import Any

_real, _shift = time.time, 0.0
time.time = lambda: _real() + _shift  # before Twisted takes it


def set_clock(seconds: float) -> None:
    global _shift  # noqa: PLW0603
    # Only now: on a busy machine the imports alone take ten seconds.
    watchdog = threading.Timer(10.0, os._exit, [1])
    watchdog.daemon = True
    watchdog.start()
    _shift = seconds


def plugin(by: float) -> None:
    from voicestt.tap import Options

    local = {"GCP_STT_ENDPOINT": "127.0.0.1:1", "GCP_STT_INSECURE": "true", "JOURNAL_URL": "off"}
    options = Options({"PUBLIC_HOST": "voice.example.com", "TWILIO_AUTH_TOKEN": "t", **local})
    options.parseOptions(["--listen", "tcp:0"])  # type: ignore[no-untyped-call]
    from twisted.internet import reactor

    running: Any = reactor
    running.callLater(0.3, lambda: (print("fired"), running.stop()))
    running.callWhenRunning(set_clock, by)
    running.run()


def command(by: float) -> None:
    from twisted.internet.task import deferLater

    from voicestt.emulators.twilio.running import run_with_reactor

    async def main(reactor: Any) -> None:
        reactor.callLater(0.05, set_clock, by)
        await deferLater(reactor, 0.3)
        print("fired")

    run_with_reactor(main)


if __name__ == "__main__":
    {"command": command, "plugin": plugin}[sys.argv[2]](float(sys.argv[1]))
