"""Spans as a real collector gets them."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from twisted.internet import reactor

from tests.conftest import Logged
from tests.recognisers.on_reactor import on_reactor
from tests.tracing.collector import COLLECTORS, Collector, attributes
from voicestt.call.facts import (
    CallDescription,
    CallEnded,
    CallStarted,
    DeliveryCounts,
    Event,
    Final,
    Happened,
    Partial,
)
from voicestt.delivery.sender import DeliveryFailed, Outcome
from voicestt.journal.port import Record
from voicestt.tracing.otlp import OtlpTracing, exporter_of
from voicestt.tracing.spans import ids_of

SID = "CA00000000000000000000000000000001"
CALL = CallDescription(call_sid=SID, stream_sid="MZ1", caller="+15550100", called="+15550101")
FACTS: Sequence[Event] = (
    CallStarted(CALL),
    Partial(CALL, 1, "shalom"),
    Final(CALL, 1, "shalom shalom", confidence=0.9, start=0.0, end=0.1, delay=0.2, recogniser="google-streaming"),
    Happened(CALL, "rotated", "stream 1 was replaced after 285 s"),
    Happened(CALL, "degraded", "UNAVAILABLE: no route", 1.5),
    Happened(CALL, "recovered", "speech is streamed again"),
    CallEnded(CALL, "stop", 1.0, 50, 8_000, {}, delivered=DeliveryCounts(partials=1, finals=1)),
)


@pytest.fixture(params=list(COLLECTORS))
def collected(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Collector]]:
    with COLLECTORS[request.param]() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_INSECURE", "true")
        yield OtlpTracing(reactor, exporter_of(request.param), {}), collector  # type: ignore[arg-type]


def record(sequence: int = 1) -> Record:
    return Record(number=sequence, session="s1", sequence=sequence, call_sid=SID, type="final", payload=b"{}")


class Sender:
    """A sender that answers as it is told, and notes the headers that a request would have."""

    place, advice, at_once, most, of_one = "The receiver", "look", 1, 10, True

    def __init__(self, tracing: OtlpTracing, outcome: Outcome) -> None:
        self.tracing = tracing
        self.outcome = outcome
        self.headers: list[Any] = []

    def start(self) -> None:
        """Ready."""

    async def stop(self) -> None:
        """Ended."""

    async def carry(self, records: Sequence[Record]) -> Sequence[Outcome]:
        self.headers.append(self.tracing.headers())
        return [self.outcome for _ in records]


@on_reactor
async def test_a_call_is_one_trace(collected: tuple[OtlpTracing, Collector]) -> None:
    tracing, collector = collected
    (observer,) = tracing.observers()
    tracing.webhook(SID, comes_back=False)
    for fact in FACTS:
        observer.tell(fact)
    with tracing.handler_call(SID, "on_final"):
        pass
    with pytest.raises(ValueError, match="shalom"), tracing.handler_call(SID, "on_partial"):
        int("shalom")
    sender = Sender(tracing, None)
    await tracing.sender(sender, "webhook").carry([record(1), record(2)])
    await tracing.stop()
    trace_id, root_id = (number.to_bytes(size) for number, size in zip(ids_of(SID), (16, 8), strict=True))
    assert {span.trace_id for span in collector.spans} == {trace_id}
    (webhook,), (media,) = collector.named("webhook"), collector.named("media stream")
    assert (webhook.span_id, webhook.parent_span_id, media.parent_span_id) == (root_id, b"", root_id)
    streams = [attributes(span) for span in collector.named("recognition stream")]
    assert [(each["voicestt.began"], each["voicestt.ended"]) for each in streams] == [
        ("the call began", "rotated: stream 1 was replaced after 285 s"),
        ("rotated: stream 1 was replaced after 285 s", "degraded: UNAVAILABLE: no route"),
        ("recovered: speech is streamed again", "the call ended: stop"),
    ]
    (utterance,) = collector.named("utterance")
    assert utterance.parent_span_id == media.span_id
    assert attributes(utterance)["voicestt.characters"] == len("shalom shalom")
    assert [event.name for event in media.events] == ["rotated", "degraded", "recovered"]
    assert media.status.message == "degraded: UNAVAILABLE: no route"
    assert len(collector.named("handler on_final")) == 1
    (failed,) = collector.named("handler on_partial")
    assert failed.status.message == "ValueError"  # and not what the caller said
    (delivery,) = collector.named("delivery webhook")
    assert attributes(delivery)["voicestt.events"] == 2
    expected = f"00-{trace_id.hex()}-{delivery.span_id.hex()}-01"
    assert sender.headers == [{"traceparent": expected}]
    assert collector.resource["service.name"] == "voicestt"
    assert tracing.counts == {"sent": len(collector.spans), "failed": 0}


@on_reactor
async def test_no_span_has_a_number_or_words(collected: tuple[OtlpTracing, Collector]) -> None:
    tracing, collector = collected
    (observer,) = tracing.observers()
    for fact in FACTS:
        observer.tell(fact)
    await tracing.stop()
    told = "\n".join(map(str, collector.spans))
    assert "shalom" not in told
    assert "+1555" not in told


@on_reactor
async def test_a_call_that_comes_back_goes_on_in_its_trace(collected: tuple[OtlpTracing, Collector]) -> None:
    tracing, collector = collected
    tracing.webhook(SID, comes_back=True)
    (observer,) = tracing.observers()
    observer.tell(CallStarted(CallDescription(call_sid=SID, stream_sid="MZ2", continues="s1")))
    observer.tell(FACTS[-1])
    await tracing.stop()
    trace_id, root_id = ids_of(SID)
    assert {span.trace_id for span in collector.spans} == {trace_id.to_bytes(16)}
    assert {span.parent_span_id for name in ("webhook", "media stream") for span in collector.named(name)} == {
        root_id.to_bytes(8)
    }


@on_reactor
async def test_a_call_that_no_webhook_announced_has_its_stream_as_root(
    collected: tuple[OtlpTracing, Collector],
) -> None:
    tracing, collector = collected
    (observer,) = tracing.observers()
    for fact in FACTS:
        observer.tell(fact)
    await tracing.stop()
    (media,) = collector.named("media stream")
    assert (media.span_id, media.parent_span_id) == (ids_of(SID)[1].to_bytes(8), b"")


@on_reactor
async def test_a_failed_delivery_says_why(collected: tuple[OtlpTracing, Collector]) -> None:
    tracing, collector = collected
    await tracing.sender(Sender(tracing, DeliveryFailed("it answered 500")), "webhook").carry([record()])
    await tracing.stop()
    (delivery,) = collector.named("delivery webhook")
    assert delivery.status.message == "it answered 500"


@on_reactor
async def test_a_collector_that_is_away_costs_a_counter_and_a_line(
    monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    tracing = OtlpTracing(reactor, exporter_of("http/protobuf"), {})  # type: ignore[arg-type]
    before = time.monotonic()
    for _ in range(100):
        tracing.webhook(SID, comes_back=False)
    assert time.monotonic() - before < 5.0
    await tracing.stop()
    assert tracing.counts == {"sent": 0, "failed": 100}
    (line,) = logged.matching("Traces cannot be sent")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in line


@on_reactor
async def test_a_ratio_is_decided_for_a_whole_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    with COLLECTORS["http/protobuf"]() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        tracing = OtlpTracing(reactor, exporter_of("http/protobuf"), {})  # type: ignore[arg-type]
        tracing.webhook(SID, comes_back=False)
        (observer,) = tracing.observers()
        for fact in FACTS:
            observer.tell(fact)
        await tracing.stop()
        assert collector.spans == []
