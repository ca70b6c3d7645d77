"""The spans of one call, made of its facts.

A trace for each call: its id is made of the CallSid, so that every process that has to do with the call, before
and after it is moved or its server is killed, adds to the same trace without asking anybody. The root is the
first webhook, or the media stream of a call that no webhook of this server announced. No span has a phone
number or words that were said.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)

from voicestt.call.facts import CallDescription, CallEnded, CallStarted, Event, Happened, Partial
from voicestt.call.facts import Final as FinalWords

_ANNOUNCED: Final = 10_000
_SECOND: Final = 1_000_000_000
_WORSE: Final = frozenset({"degraded", "interrupted", "unrecognised"})
_NEW_STREAM: Final = frozenset({"rotated", "restarted", "recovered", "resumed"})
_NO_STREAM: Final = frozenset({"degraded", "interrupted"})


def ids_of(call_sid: str) -> tuple[int, int]:
    """Return the id of a call's trace and that of its root span."""
    digest = hashlib.sha256(call_sid.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:24]) or 1


class CallIds(RandomIdGenerator):
    """Generator of random ids, but for the root spans of calls."""

    def __init__(self) -> None:
        self._forced = threading.local()

    @contextmanager
    def root_of(self, call_sid: str) -> Iterator[None]:
        """Make the span that is begun inside the root of this call's trace."""
        self._forced.ids = ids_of(call_sid)
        try:
            yield
        finally:
            self._forced.ids = None

    def generate_trace_id(self) -> int:
        """Return the id of a new trace."""
        ids = getattr(self._forced, "ids", None)
        return super().generate_trace_id() if ids is None else ids[0]

    def generate_span_id(self) -> int:
        """Return the id of a new span."""
        ids = getattr(self._forced, "ids", None)
        return super().generate_span_id() if ids is None else ids[1]


class CallSpans:
    """Begins spans in the traces of calls; thread-safe but for `webhook` and `begin_stream`."""

    def __init__(self, provider: TracerProvider, ids: CallIds, now: Callable[[], int] = time.time_ns) -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("voicestt")
        self._ids = ids
        self._rooted: OrderedDict[str, None] = OrderedDict()
        self.now = now

    def webhook(self, call_sid: str, *, comes_back: bool) -> None:
        """Record the webhook's answer; the root, unless the call comes back."""
        about: dict[str, str | bool] = {"voicestt.call_sid": call_sid, "voicestt.comes_back": comes_back}
        self._begin_at_server("webhook", call_sid, about, is_root=not comes_back).end(self.now())

    def begin_stream(self, call: CallDescription) -> Span:
        """Begin the span of a media stream; the root, if no webhook of this process announced its call."""
        is_root = call.call_sid not in self._rooted and call.continues is None
        about = {"voicestt.call_sid": call.call_sid, "voicestt.stream_sid": call.stream_sid}
        return self._begin_at_server("media stream", call.call_sid, about, is_root=is_root)

    def _begin_at_server(
        self, name: str, call_sid: str, attributes: Mapping[str, str | bool], *, is_root: bool
    ) -> Span:
        with self._root(call_sid) if is_root else nullcontext(self._context(call_sid)) as context:
            return self._tracer.start_span(name, context, SpanKind.SERVER, attributes, start_time=self.now())

    def begin(
        self,
        name: str,
        call_sid: str,
        parent: Span | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        at: int | None = None,
        attributes: Mapping[str, str | int | float | bool] | None = None,
    ) -> Span:
        """Begin a span of this call, at `at` (nanoseconds since 1970) or now."""
        context = self._context(call_sid) if parent is None else trace.set_span_in_context(parent)
        return self._tracer.start_span(name, context, kind, attributes, start_time=at or self.now())

    @contextmanager
    def _root(self, call_sid: str) -> Iterator[Context]:
        self._rooted[call_sid] = None
        if len(self._rooted) > _ANNOUNCED:
            self._rooted.popitem(last=False)
        with self._ids.root_of(call_sid):
            yield Context()

    def _context(self, call_sid: str) -> Context:
        trace_id, span_id = ids_of(call_sid)
        decision = self._provider.sampler.should_sample(None, trace_id, "webhook").decision
        flags = TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT
        parent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
        return trace.set_span_in_context(NonRecordingSpan(parent), Context())


class TracedCall:
    """Observer of one call, which makes a span of its media stream, of each recognition stream and utterance."""

    def __init__(self, spans: CallSpans) -> None:
        self._spans = spans
        self._began = 0
        self._call: Span | None = None
        self._stream: Span | None = None
        self._first_heard: dict[int, int] = {}

    def tell(self, event: Event) -> None:
        """Make the spans of an event."""
        match event:
            case CallStarted():
                self._began = self._spans.now()
                self._call = self._spans.begin_stream(event.call)
                self._begin_stream(event.call, "the call began")
            case Partial():
                self._first_heard.setdefault(event.utterance, self._spans.now())
            case FinalWords():
                self._utterance(event)
            case Happened():
                self._happened(event)
            case CallEnded():
                self._end(event)

    def _begin_stream(self, call: CallDescription, why: str) -> None:
        self._stream = self._spans.begin(
            "recognition stream", call.call_sid, self._call, attributes={"voicestt.began": why}
        )

    def _end_stream(self, why: str) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.set_attribute("voicestt.ended", why)
            stream.end(self._spans.now())

    def _utterance(self, final: FinalWords) -> None:
        now = self._spans.now()
        heard = self._first_heard.pop(final.utterance, now)
        at = heard if final.start is None else self._began + int(final.start * _SECOND)
        span = self._spans.begin(
            "utterance",
            final.call.call_sid,
            self._call,
            at=min(at, now),
            attributes={
                "voicestt.utterance": final.utterance,
                "voicestt.recogniser": final.recogniser,
                "voicestt.characters": len(final.text),
                "voicestt.confidence": final.confidence,
            },
        )
        if final.delay is not None:
            span.set_attribute("voicestt.final_delay_seconds", final.delay)
        span.end(now)

    def _happened(self, incident: Happened) -> None:
        if self._call is not None:
            about: dict[str, str | float] = {
                "voicestt.why": incident.why,
                "voicestt.audio_seconds": incident.seconds,
            }
            self._call.add_event(incident.kind, about, self._spans.now())
            if incident.kind in _WORSE:
                self._call.set_status(Status(StatusCode.ERROR, f"{incident.kind}: {incident.why}"))
        if incident.kind in _NO_STREAM | _NEW_STREAM:
            self._end_stream(f"{incident.kind}: {incident.why}")
        if incident.kind in _NEW_STREAM:
            self._begin_stream(incident.call, f"{incident.kind}: {incident.why}")

    def _end(self, ended: CallEnded) -> None:
        self._end_stream(f"the call ended: {ended.reason}")
        if self._call is not None:
            self._call.set_attributes(
                {
                    "voicestt.reason": ended.reason,
                    "voicestt.audio_seconds": ended.seconds,
                    "voicestt.finals": ended.delivered.finals,
                    "voicestt.partials": ended.delivered.partials,
                }
            )
            self._call.end(self._spans.now())
