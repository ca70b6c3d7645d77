import pytest

from voicestt.tracing.port import NoTracing
from voicestt.tracing.switch import is_traced, problem_of, protocol_of, tracing_of

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://127.0.0.1:4318"}, False),
        ({"OTEL_SDK_DISABLED": "TRUE", ENDPOINT: "http://127.0.0.1:4318"}, False),
        ({"OTEL_SERVICE_NAME": "calls"}, False),
    ],
)
def test_traces_are_sent_when_the_standard_variables_ask_for_it(environ: dict[str, str], wanted: bool) -> None:
    assert is_traced(environ) is wanted


def test_the_protocol_of_traces_wins_over_that_of_all() -> None:
    assert protocol_of({}) == "http/protobuf"
    both = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}
    assert protocol_of(both) == "grpc"


def test_what_cannot_work_is_said_in_words() -> None:
    assert problem_of({}) is None
    assert problem_of({ENDPOINT: "http://127.0.0.1:4318"}) is None
    assert "OTEL_TRACES_EXPORTER=zipkin is not known" in (problem_of({"OTEL_TRACES_EXPORTER": "zipkin"}) or "")
    json = {ENDPOINT: "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}
    assert "it is grpc or http/protobuf" in (problem_of(json) or "")


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicestt.tracing.switch.find_spec", lambda _name: None)
    assert "the extra otel" in (problem_of({ENDPOINT: "http://127.0.0.1:4318"}) or "")


def test_without_the_variables_there_is_no_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENDPOINT, raising=False)
    from twisted.internet import reactor

    tracing = tracing_of(reactor, {})  # type: ignore[arg-type]
    assert isinstance(tracing, NoTracing)
    assert (tracing.observers(), tracing.headers(), tracing.counts) == ((), {}, {})
