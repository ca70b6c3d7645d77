"""What all calls of a service share, and how a call tells its end. On the service's loop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from voicestt.emulators.google.engine import Engine
from voicestt.emulators.google.faults import Faults, What
from voicestt.emulators.google.limits import (
    GOOGLES,
    Code,
    Refusal,
    ServiceLimits,
)

STATUS = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Shared:
    """The parts of a service. `scale`: its clock runs so many times as fast as the wall's.

    `connection` is told what is to happen (CUT, FREEZE, GOAWAY) to the connection of a peer.
    """

    engine: Engine
    limits: ServiceLimits = GOOGLES
    scale: float = 1.0
    faults: Faults = field(default_factory=Faults)
    connection: Callable[[str, What], None] = lambda _peer, _what: None


def set_status(context: Any, refusal: Refusal) -> str:
    """Tells the client how the call ends; gives the same for the record."""
    context.set_code(STATUS[refusal.code])
    context.set_details(refusal.words)
    return f"{refusal.code.name}: {refusal.words}"


def engine_failed(error: Exception) -> Refusal:
    """How a client is told that the recogniser failed."""
    return Refusal(Code.INTERNAL, f"The recogniser behind google-local failed: {type(error).__name__}: {error}")
