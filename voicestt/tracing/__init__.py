"""Traces of calls in OpenTelemetry: off, and of no cost, unless the standard OTEL_* variables ask for it."""
