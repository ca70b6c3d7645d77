"""Started as a process: calls the server at URL with COUNT callers at once, numbered from FIRST, for SECONDS."""

import os
import sys

from voicestt.emulators.twilio.call_values import ServerTarget
from voicestt.ops.load.raw_call import open_call
from voicestt.ops.load.said import FRAMES_A_SECOND
from voicestt.ops.load.talking import spread, talk
from voicestt.ops.services import PUBLIC_HOST


def main(url: str, first: int, count: int, seconds: float) -> None:
    """Place the calls, and let them speak."""
    target = ServerTarget(url, PUBLIC_HOST, os.environ["TWILIO_AUTH_TOKEN"])
    calls = [open_call(target, first + number, round(seconds * FRAMES_A_SECOND)) for number in range(count)]
    talk(calls, None, spread(count, 1.0))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
