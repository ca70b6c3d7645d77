"""A handler that counts its call's finals, wherever the call goes on."""

from voicestt.events import Final
from voicestt.handler import Call


class Counts:
    """One stream's; `call.memory` is the count of the whole call."""

    def on_call_started(self, call: Call) -> None:
        self.count = call.memory or 0

    def on_final(self, call: Call, event: Final) -> None:
        self.count += 1
        call.memory = self.count
