"""CallObservers that count all calls, those that are live and those that ended, for health and /metrics."""

import re
from typing import Final

import grpc

from voicestt.audio import mulaw
from voicestt.call.facts import CallDescription, CallEnded, CallObserver, CallStarted, Event, Happened, Partial
from voicestt.call.facts import Final as FinalWords
from voicestt.recognisers.fallback import SWITCHED_OFF
from voicestt.recognisers.modes import Flag
from voicestt.recognisers.stream_quota import NO_STREAM_LEFT
from voicestt.runtime.metrics import Counted, ProcessMetrics

PARTIALS: Final[Counted] = ("partials",)
LOST_BYTES: Final[Counted] = ("lost_bytes",)
WHISPER_FINALS: Final[Counted] = ("finals", "whisper")
OTHER: Final = "other"

_STATUSES = {code.name for code in grpc.StatusCode}
_STATUS = re.compile(r"([A-Z_]+): ")
_ENDS = {
    "stop": "stop",
    "the socket was closed": "socket_closed",
    "the socket was lost": "socket_lost",
    "the socket said nothing": "socket_silent",
    "no audio came": "no_audio",
    "the server is stopping": "server_stopping",
    "its handler is too slow": "handler_too_slow",
    "the application hung up": "hung_up",
    "moved": "moved",
    "the call has a later stream": "replaced",
}

END_LABELS: Final = (*_ENDS.values(), OTHER)
RECOGNISERS: Final = ("google-streaming", "google-recognize", "whisper")


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
            case Happened(call=call, kind="degraded" | "interrupted", track="caller"):
                self._streaming[_key(call)] = False
            case Happened(call=call, kind="recovered" | "resumed", track="caller"):
                self._streaming[_key(call)] = True
            case CallEnded(call=call):
                self._streaming.pop(_key(call), None)


class CallCounts:
    """Counts the events of calls in `metrics` and passes them on; the labels are few, whatever comes."""

    def __init__(self, metrics: ProcessMetrics, observer: CallObserver) -> None:
        self._metrics = metrics
        self._observer = observer

    def tell(self, event: Event) -> None:
        """Count the event and pass it on."""
        match event:
            case Partial():
                self._metrics.counts[PARTIALS] += 1
            case FinalWords():
                self._metrics.counts["finals", event.recogniser or OTHER] += 1
            case Happened():
                self._count_incident(event)
            case CallEnded():
                self._metrics.counts["ended", end_label(event.reason)] += 1
        self._observer.tell(event)

    def _count_incident(self, event: Happened) -> None:
        counts = self._metrics.counts
        counts["incidents", event.kind, cause_label(event.why)] += 1
        if event.kind == "unrecognised":
            counts[LOST_BYTES] += round(event.seconds * mulaw.BYTES_PER_SECOND)


def end_label(reason: str) -> str:
    """Return the label of the reason why a call ended."""
    return next((label for words, label in _ENDS.items() if reason.startswith(words)), OTHER)


def cause_label(why: str) -> str:
    """Return the label of an incident's cause: gRPC's status in small letters, "switched_off", "stream_quota" or
    "other"."""
    if why == SWITCHED_OFF:
        return "switched_off"
    if why.startswith(NO_STREAM_LEFT):
        return "stream_quota"
    status = _STATUS.match(why)
    return status[1].lower() if status is not None and status[1] in _STATUSES else OTHER


def _key(call: CallDescription) -> tuple[str, str]:
    return call.call_sid, call.stream_sid
