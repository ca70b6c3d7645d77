"""The families of the calls: how many, how they end, what their callers feel, and who was refused."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from voicestt.audio import mulaw
from voicestt.runtime.metrics import WORDLESS, Counted, ProcessMetrics
from voicestt.server.call_counts import END_LABELS, LOST_BYTES, OTHER, PARTIALS, RECOGNISERS
from voicestt.server.calls import Calls
from voicestt.server.connections import Visitors
from voicestt.server.metrics.families import counter, counters, counters_of_two, gauge, histogram

_FALLBACKS: Final = ("degraded", "interrupted")
_RETURNS: Final = ("recovered", "resumed")
_REFUSALS: Final = {
    "A webhook was refused": "webhook_signature",
    "A WebSocket was refused": "websocket_signature",
    "A WebSocket was closed": "websocket_without_start",
    "A connection was closed": "connection_limit",
    "A listener of the live events": "events_token",
    "A reader of /metrics": "metrics_token",
    "A login at the page": "page_password",
    "A request to the page": "page_request",
}


class CallFamilies(Collector):
    """Collects the metrics of the calls of one server, and of the connections that are not calls.

    `wordless_requests` counts the utterances in which single requests found no words.
    """

    def __init__(self, calls: Calls, visitors: Visitors, wordless_requests: Callable[[], int]) -> None:
        self._calls = calls
        self._visitors = visitors
        self._wordless_requests = wordless_requests

    def collect(self) -> Iterator[Metric]:
        """Make the families of what has been counted until now."""
        measured = self._calls.figures.since_start
        yield from self._numbers(measured.counts)
        yield from _delays(measured)
        yield from _words(measured, self._wordless_requests())
        yield from self._audio(measured)
        yield from _streams(measured)
        yield from self._strangers()

    def _numbers(self, counts: Counter[Counted]) -> Iterator[Metric]:
        calls = self._calls
        yield gauge("calls_live", "Calls that are live.", len(calls))
        yield counter("calls_taken", "Calls that were taken: their sockets were opened.", calls.taken)
        refused = {"busy": calls.admission.refused, "bad_start": calls.starts_refused}
        yield counters("calls_refused", "Calls that were not taken.", "reason", refused)
        yield counters("calls_ended", "Calls that have ended.", "reason", labelled(counts, "ended", END_LABELS))
        moves = calls.moves
        asked = {"moved": moves.moved, "request_failed": moves.failed_requests, "not_moved": moves.not_moved}
        yield counters("moves", "Moves of calls to another process, as the server stops.", "outcome", asked)
        yield gauge("ready", "1 while new calls are taken, as /readyz says.", calls.why_not_ready is None)

    def _audio(self, measured: ProcessMetrics) -> Iterator[Metric]:
        audio = self._calls.audio
        outcomes = {
            "recognised": mulaw.seconds(audio.recognised),
            "without_words": mulaw.seconds(audio.passed_over),
            "lost": mulaw.seconds(audio.given_up),
        }
        yield counter("audio_received_seconds", "Audio of callers.", mulaw.seconds(audio.received))
        yield counters("audio_settled_seconds", "What became of the audio of callers.", "outcome", outcomes)
        yield gauge(
            "audio_waiting_seconds", "Audio of live calls without an answer yet.", mulaw.seconds(audio.uncovered)
        )
        yield counter(
            "google_seconds", "Audio sent to Google, who bills for it.", mulaw.seconds(audio.google_bytes)
        )
        yield counter(
            "replayed_seconds", "Audio sent again, of calls that have ended.", mulaw.seconds(measured.replayed)
        )
        yield counter("streams_opened", "Streams that calls' audio was given to.", audio.streams)

    def _strangers(self) -> Iterator[Metric]:
        yield counters(
            "requests_refused", "Requests that were refused.", "kind", refusals(self._calls.refusals.kinds)
        )
        yield gauge("connections", "Connections that are not calls.", len(self._visitors))
        yield counter("connections_cut", "Connections cut off to make room for others.", self._visitors.cut_off)


def labelled(counts: Counter[Counted], name: str, known: Iterable[str]) -> dict[str, int]:
    """Return the counts of one name, by their label.

    The labels that are `known` are there from the start: Prometheus sees no increase in what was not there before.
    """
    found = {counted[1]: count for counted, count in counts.items() if counted[0] == name}
    return {**dict.fromkeys(known, 0), **found}


def refusals(kinds: Counter[str]) -> Counter[str]:
    """Count refusals by a short label instead of a sentence."""
    found = Counter(dict.fromkeys([*_REFUSALS.values(), OTHER], 0))
    for kind, count in kinds.items():
        found[next((label for words, label in _REFUSALS.items() if kind.startswith(words)), OTHER)] += count
    return found


def _delays(measured: ProcessMetrics) -> Iterator[Metric]:
    yield histogram("added_partial_delay_seconds", "What the server itself adds to a partial.", measured.added)
    yield histogram("final_delay_seconds", "From the last audio of a final to its delivery.", measured.final)
    yield histogram("hand_off_seconds", "From the arrival of a batch of audio to gRPC.", measured.hand_off)
    yield histogram("reactor_lag_seconds", "How late the reactor is with what is due.", measured.lag)
    yield counter("late_frames", "Frames that came more than 0.1 s late.", measured.late_frames)


def _words(measured: ProcessMetrics, wordless_requests: int) -> Iterator[Metric]:
    counts = measured.counts
    yield counter("partials", "Partials that were told.", counts[PARTIALS])
    yield counters("finals", "Finals that were told.", "recogniser", labelled(counts, "finals", RECOGNISERS))
    yield counter(
        "lost_words_seconds", "Audio whose words nobody could recognise.", mulaw.seconds(counts[LOST_BYTES])
    )
    wordless = counts[WORDLESS] + wordless_requests
    yield counter("utterances_without_words", "Utterances in which no words were found.", wordless)


def _streams(measured: ProcessMetrics) -> Iterator[Metric]:
    yield counter("stream_rotations", "Streams replaced before their limit.", measured.incidents["rotated"])
    yield counter("stream_restarts", "Streams that failed and were replaced.", measured.incidents["restarted"])
    text = "Falls from streaming: to requests (degraded) or to waiting (interrupted)."
    yield counters_of_two("fallbacks", text, ["kind", "reason"], _fallbacks(measured.counts))
    returns = Counter({kind: measured.incidents[kind] for kind in _RETURNS})
    yield counters(
        "returns", "Returns to streaming, from degraded (recovered) or interrupted (resumed).", "kind", returns
    )


def _fallbacks(counts: Counter[Counted]) -> dict[tuple[str, str], int]:
    found = {(kind, OTHER): 0 for kind in _FALLBACKS}
    for counted, count in counts.items():
        if counted[0] == "incidents" and counted[1] in _FALLBACKS:
            found[counted[1], counted[2]] = count
    return found
