"""A CallObserver before another: it counts what becomes of all calls, for health checks and /metrics."""

import re
from typing import Final

import grpc

from voicestt.audio import mulaw
from voicestt.call.facts import CallEnded, CallObserver, Event, Happened, Partial
from voicestt.call.facts import Final as FinalWords
from voicestt.recognisers.fallback import SWITCHED_OFF
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
}

END_LABELS: Final = (*_ENDS.values(), OTHER)
RECOGNISERS: Final = ("google-streaming", "google-recognize", "whisper")


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
    """Return the label of an incident's cause: gRPC's status in small letters, "switched_off" or "other"."""
    if why == SWITCHED_OFF:
        return "switched_off"
    status = _STATUS.match(why)
    return status[1].lower() if status is not None and status[1] in _STATUSES else OTHER
