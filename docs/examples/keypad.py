"""Says the keys that the caller presses; 0 hands the caller on to DESK, a phone number, and # hangs up.

    DESK=+972501234567 TTS_ENGINE=espeak-ng \\
        twistd --nodaemon --pidfile= voicestt --handler docs.examples.keypad:Keypad

Written with plain functions: each call's run in a thread, one after the other, and may block.
"""

import os

from voicestt.events import Dtmf
from voicestt.handler import Call, TwilioRefused

TWILIO_SECONDS = 30
GOODBYE_SECONDS = 10


class Keypad:
    """One call's keys."""

    def on_call_started(self, call: Call) -> None:
        """The caller is told what can be done."""
        call.say_text("Press zero for the desk, or hash to end the call.")

    def on_dtmf(self, call: Call, event: Dtmf) -> None:
        """A key was pressed."""
        call.clear()
        if event.digit == "#":
            _say_goodbye(call)
        elif event.digit == "0":
            _hand_on(call)
        else:
            call.say_text(event.digit)


def _say_goodbye(call: Call) -> None:
    call.say_text("Goodbye.")
    call.mark("goodbye").result(GOODBYE_SECONDS)
    call.hang_up()


def _hand_on(call: Call) -> None:
    try:
        call.transfer(os.environ.get("DESK", "")).result(TWILIO_SECONDS)
    except (TwilioRefused, ValueError):
        call.say_text("The desk cannot be reached.")
