"""The words of the control socket, and what they do to this process; `socket` has the protocol."""

from collections.abc import Callable, Mapping

from voicestt.server.control.flag import FlagSwitch
from voicestt.server.control.socket import WORDS

_BY = "voicestt flag"


class ControlWords:
    """Does what a word says. `drain` stops the server, and says in words what that means."""

    def __init__(self, switch: FlagSwitch, drain: Callable[[], str] | None = None) -> None:
        self._switch = switch
        self._drain = drain

    def __call__(self, word: bytes) -> Mapping[str, object]:
        """Do as the word says, and return the answer."""
        match word:
            case b"show":
                return self._state()
            case b"on" | b"off":
                return self._state(self._switch.turn(word == b"on", _BY))
            case b"drain" if self._drain is not None:
                return self._state(self._drain())
            case _:
                return {"error": f"what is {word.decode('utf-8', 'backslashreplace')!r}? {WORDS}"}

    def _state(self, message: str = "") -> Mapping[str, object]:
        state = self._switch.state
        return {
            "enable_streaming_stt": state.is_on,
            "live_calls": state.live,
            "streaming": state.streaming,
            "single_shot": state.single_shot,
            "message": message
            or f"ENABLE_STREAMING_STT={state.is_on}; live calls: {state.live}, of these streaming: "
            f"{state.streaming}, with one request per utterance: {state.single_shot}",
        }
