"""The switch of tracing: the standard OTEL_* variables of OpenTelemetry's SDK, read from the environment.

Source: OpenTelemetry, "Environment Variable Specification" and "OTLP Exporter Configuration". All the others,
such as OTEL_TRACES_SAMPLER, OTEL_BSP_… and OTEL_RESOURCE_ATTRIBUTES, are read by the SDK itself.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from voicestt.runtime.reactor import ReactorLike
from voicestt.tracing.port import NoTracing, Tracing

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_EXPORTER: Final = "OTEL_TRACES_EXPORTER"
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
KNOWN_PROTOCOLS: Final = ("grpc", "http/protobuf")


def is_traced(environ: Mapping[str, str]) -> bool:
    """Return True if the variables ask for traces: an endpoint or exporter, and nothing that switches them off."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get(_EXPORTER, "").strip()
    if exporter:
        return exporter != "none"
    return any(environ.get(name, "").strip() for name in ENDPOINTS)


def protocol_of(environ: Mapping[str, str]) -> str:
    """Return the protocol of the exporter: the first variable that is set, or OpenTelemetry's default."""
    return next((found for name in PROTOCOLS if (found := environ.get(name, "").strip())), "http/protobuf")


def problem_of(environ: Mapping[str, str]) -> str | None:
    """Say in words why traces cannot be sent as the variables ask; None if they can, or are not asked for."""
    if not is_traced(environ):
        return None
    exporter = environ.get(_EXPORTER, "").strip() or "otlp"
    if exporter != "otlp":
        return f"{_EXPORTER}={exporter} is not known: traces are sent by otlp, or not at all (none)"
    if find_spec("opentelemetry.sdk") is None or find_spec("opentelemetry.exporter") is None:
        return (
            "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, which need the extra otel: "
            "python -m pip install '.[otel]' in the checkout; OTEL_SDK_DISABLED=true switches them off"
        )
    protocol = protocol_of(environ)
    if protocol not in KNOWN_PROTOCOLS:
        return f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} is not known: it is grpc or http/protobuf"
    return None


def tracing_of(reactor: ReactorLike, environ: Mapping[str, str]) -> Tracing:
    """Make the tracing that the variables ask for; it starts a thread, so after a daemon has forked."""
    if not is_traced(environ) or problem_of(environ) is not None:
        return NoTracing()
    from voicestt.tracing.otlp import OtlpTracing, exporter_of  # noqa: PLC0415 - of the extra otel

    return OtlpTracing(reactor, exporter_of(protocol_of(environ)), environ)
