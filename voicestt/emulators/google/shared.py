"""The state that all calls of a service share, and the statuses that they end with. Used on the service's loop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status

from voicestt.emulators.google.faults import Faults, What
from voicestt.emulators.google.limits import (
    GOOGLES,
    Code,
    Refusal,
    ServiceLimits,
)
from voicestt.recognisers.whisper.engine.port import Engine

STATUS_DETAILS = "grpc-status-details-bin"
STATUS = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Shared:
    """The parts that all calls of a service use; `scale` is the speed of the service's clock (1.0: real time).

    `connection` applies CUT, FREEZE or GOAWAY to the connection of a peer.
    """

    engine: Engine
    limits: ServiceLimits = GOOGLES
    scale: float = 1.0
    faults: Faults = field(default_factory=Faults)
    connection: Callable[[str, What], None] = lambda _peer, _what: None


def set_status(context: Any, refusal: Refusal) -> str:
    """Set a call's status for the client and return it as text for the record."""
    context.set_code(STATUS[refusal.code])
    context.set_details(refusal.details)
    if refusal.violations:
        context.set_trailing_metadata(((STATUS_DETAILS, _status_of(refusal).SerializeToString()),))
    return f"{refusal.code.name}: {refusal.details}"


def _status_of(refusal: Refusal) -> Any:
    bad = BadRequest()
    for field_name, description in refusal.violations:
        bad.field_violations.add(field=field_name, description=description)
    status = Status(code=int(refusal.code), message=refusal.details)
    status.details.add().Pack(bad)
    return status


def engine_failed(error: Exception) -> Refusal:
    """Return the refusal that tells a client that the recogniser failed."""
    return Refusal(Code.INTERNAL, f"The recogniser behind google-local failed: {type(error).__name__}: {error}")
