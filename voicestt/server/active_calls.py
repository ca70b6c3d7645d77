"""A CallObserver that counts the live calls, and how many of them are streamed."""

from voicestt.call.facts import (
    CallDescription,
    CallEnded,
    CallStarted,
    Event,
    Happened,
)
from voicestt.recognisers.modes import Flag


class ActiveCalls:
    """Counter of live calls. A call begins as the flag says; incidents change the way it is recognised."""

    def __init__(self, flag: Flag) -> None:
        self._flag = flag
        self._streaming: dict[tuple[str, str], bool] = {}

    @property
    def live(self) -> int:
        """The number of calls that have begun and not told their end."""
        return len(self._streaming)

    @property
    def streaming(self) -> int:
        """The number of live calls that are streamed."""
        return sum(self._streaming.values())

    @property
    def single_shot(self) -> int:
        """The number of live calls recognised by one request for each utterance."""
        return self.live - self.streaming

    def tell(self, event: Event) -> None:
        """Count a call's start, end, or change of recognition."""
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
