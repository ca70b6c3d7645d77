"""What happens in a call, as values, and the port of whoever wants to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from voicestt.figures import Summary
from voicestt.ledger import Account


@dataclass(frozen=True, slots=True)
class CallDescription:
    """Which call it is. `caller` and `called` are phone numbers: they never reach a log."""

    call_sid: str
    stream_sid: str
    account_sid: str = ""
    caller: str | None = field(default=None, repr=False)
    called: str | None = field(default=None, repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The caller's audio begins."""

    call: CallDescription


@dataclass(frozen=True, slots=True)
class Partial:
    """What the caller seems to be saying; a later partial, or the final of the same utterance, replaces it."""

    call: CallDescription
    utterance: int
    text: str
    stability: float = 0.0


@dataclass(frozen=True, slots=True)
class Final:
    """What the caller said. `end` and `delay` are seconds, None where the recogniser gives no position.

    `end` is in the call's own time; `delay` is from the arrival of the last audio of these words to this event.
    """

    call: CallDescription
    utterance: int
    text: str
    confidence: float = 0.0
    end: float | None = None
    delay: float | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """What reached the application: counts, delays in seconds, and incidents by their kind."""

    partials: int = 0
    finals: int = 0
    first_partial: float | None = None
    final_delays: Sequence[float] = ()
    incidents: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over and every word that there will be has been told; `figures` are what the caller felt."""

    call: CallDescription
    reason: str
    seconds: float
    frames: int
    audio_bytes: int
    ignored: Mapping[str, int]
    account: Account = field(default_factory=Account)
    delivered: Delivered = Delivered()
    figures: Summary = field(default_factory=Summary)


@dataclass(frozen=True, slots=True)
class Happened:
    """Something befell the call's recognition: kinds and meaning are those of `voicestt.recogniser.Incident`."""

    call: CallDescription
    kind: str
    why: str
    seconds: float = 0.0


Event = CallStarted | Partial | Final | Happened | CallEnded


class Audience(Protocol):
    """Who is told. Called in the reactor's thread, in order; it must not block and must not raise."""

    def tell(self, event: Event) -> None:
        """Something happened."""
        ...
