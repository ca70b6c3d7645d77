"""A handler for tests: # hangs up, 0 hands the caller on; what came of it is in the server's log."""

from voicestt.events import Dtmf
from voicestt.handler import Call, TwilioRefused

DESK = "+972509999999"


class Leaver:
    """One call's."""

    async def on_dtmf(self, call: Call, event: Dtmf) -> None:
        if event.digit == "#":
            print(f"{call.call_sid}: {await call.hang_up()}")
        elif event.digit == "0":
            print(f"{call.call_sid}: {await _transferred(call)}")


async def _transferred(call: Call) -> str:
    try:
        await call.transfer(DESK)
    except TwilioRefused:
        return "still here"
    return "handed on"
