"""Tracing that sends spans to a collector by OTLP, in a thread of OpenTelemetry's SDK."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from voicestt import __version__
from voicestt.call.facts import CallObserver
from voicestt.delivery.sender import DeliveryFailed, EventSender, Outcome
from voicestt.journal.port import Record
from voicestt.runtime.reactor import ReactorLike
from voicestt.tracing.spans import CallIds, CallSpans, TracedCall

_MINUTE: Final = 60.0


def exporter_of(protocol: str) -> SpanExporter:
    """Make OpenTelemetry's exporter for this protocol; it reads its endpoint and headers from the environment."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as ByGrpc  # noqa: PLC0415

        return ByGrpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ByHttp  # noqa: PLC0415

    return ByHttp()


class CountedExporter(SpanExporter):
    """Exporter that counts what another sends, and says once a minute that it cannot; in the SDK's thread."""

    _log = Logger()

    def __init__(self, exporter: SpanExporter, seconds: Callable[[], float] = time.monotonic) -> None:
        self._exporter = exporter
        self._seconds = seconds
        self._said_at = -_MINUTE
        self.sent = 0
        self.failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; what the collector does not take is counted and lost."""
        try:
            result = self._exporter.export(spans)
        except Exception as problem:  # noqa: BLE001 - traces must cost no call anything
            result, why = SpanExportResult.FAILURE, type(problem).__name__
        else:
            why = "it does not answer, or refuses them"
        if result is SpanExportResult.SUCCESS:
            self.sent += len(spans)
        else:
            self.failed += len(spans)
            self._say(why)
        return result

    def _say(self, why: str) -> None:
        if self._seconds() - self._said_at < _MINUTE:
            return
        self._said_at = self._seconds()
        self._log.warn(
            "⚠️ Traces cannot be sent: {why}. {failed} spans are lost by now; calls go on as ever. What to do: "
            "look at the collector, and at OTEL_EXPORTER_OTLP_ENDPOINT.",
            why=why,
            failed=self.failed,
        )

    def shutdown(self) -> None:
        """Stop the other exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the other exporter."""
        return self._exporter.force_flush(timeout_millis)


class OtlpTracing:
    """Tracing by OTLP."""

    def __init__(self, reactor: ReactorLike, exporter: SpanExporter, environ: Mapping[str, str]) -> None:
        # The SDK's own words about a collector that is away come at every try, and to stderr.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        logging.getLogger("opentelemetry").propagate = False
        self._reactor = reactor
        self._exporter = CountedExporter(exporter)
        ids = CallIds()
        self._provider = TracerProvider(
            id_generator=ids, resource=Resource.create(_about_us(environ)), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._spans = CallSpans(self._provider, ids)

    @property
    def counts(self) -> Mapping[str, int]:
        """The spans that were sent, and those that could not be sent."""
        return {"sent": self._exporter.sent, "failed": self._exporter.failed}

    def webhook(self, call_sid: str, *, comes_back: bool) -> None:
        """Record that Twilio's webhook announced the call just now."""
        self._spans.webhook(call_sid, comes_back=comes_back)

    def observers(self) -> Sequence[CallObserver]:
        """Make the observer that a new call needs besides its others."""
        return (TracedCall(self._spans),)

    @contextmanager
    def handler_call(self, call_sid: str, method: str) -> Iterator[None]:
        """Make the context in which a handler's method is called; its own spans become children."""
        span = self._spans.begin(f"handler {method}", call_sid)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield
            except BaseException as problem:
                # Its type only: the words of an application's exception may repeat what the caller said.
                span.set_status(Status(StatusCode.ERROR, type(problem).__name__))
                raise

    def sender(self, sender: EventSender, destination: str) -> EventSender:
        """Wrap the sender of a destination: a span for each parcel and call."""
        return TracedSender(sender, destination, self._spans)

    def headers(self) -> Mapping[str, str]:
        """Make the headers of a request that is part of the current span (W3C Trace Context)."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier

    def stop(self) -> "Deferred[None]":
        """Send what is left, in a thread of its own; fires when it has been sent, or given up."""
        stopped: Deferred[None] = Deferred()

        def shut_down() -> None:
            self._provider.shutdown()
            self._reactor.callFromThread(_fire, stopped)

        # A daemon: a collector that hangs must not keep the process.
        threading.Thread(target=shut_down, name="traces", daemon=True).start()
        return stopped


class TracedSender:
    """Sender that makes a span of each parcel, in the trace of each call that has an event in it."""

    def __init__(self, sender: EventSender, destination: str, spans: CallSpans) -> None:
        self._sender = sender
        self._destination = destination
        self._spans = spans
        self.place = sender.place
        self.advice = sender.advice
        self.at_once = sender.at_once
        self.most = sender.most
        self.of_one = sender.of_one

    def start(self) -> None:
        """Get ready (`voicestt.delivery.sender.EventSender`)."""
        self._sender.start()

    async def stop(self) -> None:
        """End what is under way (`voicestt.delivery.sender.EventSender`)."""
        await self._sender.stop()

    async def carry(self, records: Sequence[Record]) -> Sequence[Outcome]:
        """Send the records inside a span, which the headers of the request name."""
        counts = Counter(record.call_sid for record in records)
        spans = [
            self._spans.begin(
                f"delivery {self._destination}",
                sid,
                kind=SpanKind.PRODUCER,
                attributes={"voicestt.destination": self._destination, "voicestt.events": count},
            )
            for sid, count in counts.items()
        ]
        failure: DeliveryFailed | None = None
        try:
            with self._current(spans[0]):
                outcomes = await self._sender.carry(records)
            failure = next((each for each in outcomes if isinstance(each, DeliveryFailed)), None)
            return outcomes
        finally:
            for span in spans:
                if failure is not None:
                    span.set_status(Status(StatusCode.ERROR, failure.why))
                span.end(self._spans.now())

    @staticmethod
    def _current(span: trace.Span) -> AbstractContextManager[object]:
        return trace.use_span(span, record_exception=False, set_status_on_exception=False)


def _about_us(environ: Mapping[str, str]) -> dict[str, str]:
    about = {"service.version": __version__}
    return about if environ.get("OTEL_SERVICE_NAME", "").strip() else {**about, "service.name": "voicestt"}


def _fire(deferred: "Deferred[None]") -> None:
    if not deferred.called:
        deferred.callback(None)
