"""An Audience that knows how many calls are live, and which way each is recognised."""

from voicestt.call.facts import (
    CallDescription,
    CallEnded,
    CallStarted,
    Event,
    Happened,
)
from voicestt.recognisers.fallback import Flag


class ActiveCalls:
    """Counts live calls. One begins the way that the flag says; incidents say when that changes."""

    def __init__(self, flag: Flag) -> None:
        self._flag = flag
        self._streaming: dict[tuple[str, str], bool] = {}

    @property
    def live(self) -> int:
        """Calls that began and have not told their last words."""
        return len(self._streaming)

    @property
    def streaming(self) -> int:
        """Those whose speech is streamed."""
        return sum(self._streaming.values())

    @property
    def single_shot(self) -> int:
        """Those with one request for each utterance."""
        return self.live - self.streaming

    def tell(self, event: Event) -> None:
        """Counts."""
        match event:
            case CallStarted(call=call):
                self._streaming[_key(call)] = self._flag.is_on
            case Happened(call=call, kind="degraded" | "interrupted"):
                self._streaming[_key(call)] = False
            case Happened(call=call, kind="recovered" | "resumed"):
                self._streaming[_key(call)] = True
            case CallEnded(call=call):
                self._streaming.pop(_key(call), None)


def _key(call: CallDescription) -> tuple[str, str]:
    return call.call_sid, call.stream_sid
